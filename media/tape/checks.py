"""Whether values read from JSON can be what they are said to be; a flipped bit may be anywhere."""

from collections.abc import Iterable

from media.tape.model import PartManifest, TapeEvent, Track


def check_track(track: Track) -> None:
    """Raise ValueError when a value read from JSON cannot be."""
    texts = [track.id, track.uid, track.connection, *(codec.name for codec in track.codecs)]
    texts += (uri for _, uri in track.extensions)
    numbers = [track.ssrc, *(number for number, _ in track.extensions)]
    for codec in track.codecs:
        numbers += (codec.payload_type, codec.clock_rate, codec.channels)
    if not all(isinstance(text, str) for text in texts) or not _are_numbers(numbers):
        raise ValueError("a track with values of other types")
    if not all(isinstance(codec.fmtp, str) and codec.clock_rate > 0 for codec in track.codecs):
        raise ValueError("a codec that cannot be")


def check_event(event: TapeEvent) -> None:
    """Raise ValueError when a value read from JSON cannot be."""
    names = [event.uid, event.track, event.detail, *event.sets]
    names += (name for name, _ in event.counts)
    numbers = (event.at_ns, event.rtp, event.wall_ns, *(count for _, count in event.counts))
    if not all(isinstance(name, str) for name in names) or not _are_numbers(numbers):
        raise ValueError("an event with values of other types")


def _are_numbers(values: Iterable[object]) -> bool:
    return all(type(value) is int and abs(value) < 1 << 63 for value in values)


def check_manifest(manifest: PartManifest, name: str) -> None:
    """Raise ValueError when a value read from JSON cannot be, or is of another part."""
    if manifest.name != name:
        raise ValueError("a manifest of another part")
    if not _are_numbers(
        (
            manifest.fence,
            manifest.number,
            manifest.from_ns,
            manifest.until_ns,
            manifest.packets,
            manifest.bytes,
        )
    ):
        raise ValueError("a manifest with values of other types")
    for track in manifest.tracks:
        check_track(track)
    for event in manifest.events:
        check_event(event)
