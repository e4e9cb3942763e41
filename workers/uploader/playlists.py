"""Playlists as pure functions of what is cut and what is delivered."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from media.mux import m3u8
from media.mux.m3u8 import Entry, Playlist, Rotation, TrackStart
from media.tape.model import NS
from workers.job import naming
from workers.job.spec import Mode, RecordingSpec
from workers.job.status import FileEntry, TrackType
from workers.spool.spool import SegmentFile, Unit
from workers.uploader import merged
from workers.uploader.merged import anticlockwise

# Sound lies on a grid of AAC frames, so segments without a hole may be apart by less.
_GRID_NS = NS // 20

KINDS: dict[str, TrackType] = {
    "audio": "audio",
    "video": "video",
    "audio_and_video": "audio_and_video",
}


def track_type(kinds: Iterable[str]) -> TrackType:
    """What files of these kinds hold together."""
    media = sorted({medium for kind in kinds for medium in kind.split("_and_")})
    return KINDS["_and_".join(media)]


@dataclass(frozen=True, slots=True)
class Line:
    """The segments of one playlist, in order, as far as the bucket has them without a hole."""

    name: str
    segments: tuple[SegmentFile, ...]
    whole: bool  # nothing of it is still to come
    origin_ns: int = 0  # where the recording begins; of merged indices
    merged: bool = False  # the index of an audio and a video line together


def lines(units: Iterable[Unit], delivered: Callable[[str], bool]) -> list[Line]:
    """Every playlist of a recording, from its slices in order.

    A playlist never names what the bucket lacks: it ends before the first segment that is not
    there, however many came after it.
    """
    rows = _Rows(delivered)
    for unit in units:
        rows.add(unit)
    plain = [Line(name, tuple(row), rows.whole((name,))) for name, row in rows.plain.items()]
    return plain + rows.merged()


def complete(units: Iterable[Unit], delivered: Callable[[str], bool]) -> bool:
    """Whether the bucket has every file, also those that no playlist names."""
    return all(delivered(segment.name) for unit in units for segment in unit.segments)


class _Rows:
    """The segments of every playlist, as far as the bucket has them."""

    def __init__(self, delivered: Callable[[str], bool]) -> None:
        self.plain: dict[str, list[SegmentFile]] = {}
        self._merged: dict[str, dict[str, list[SegmentFile]]] = {}  # by name, then medium
        self._delivered = delivered
        self._held_up: set[tuple[str, ...]] = set()
        self._final = False
        self._origin_ns = 0

    def add(self, unit: Unit) -> None:
        """Take in the next slice."""
        self._origin_ns = self._origin_ns or unit.start_ns
        self._final = unit.final
        for segment in unit.segments:
            there = self._delivered(segment.name)
            if segment.playlist:
                row = self.plain.setdefault(segment.playlist, [])
                self._put(row, (segment.playlist,), segment, there)
            if segment.merged:
                media = self._merged.setdefault(segment.merged, {})
                row = media.setdefault(segment.kind, [])
                self._put(row, (segment.merged, segment.kind), segment, there)

    def _put(
        self, row: list[SegmentFile], key: tuple[str, ...], segment: SegmentFile, there: bool
    ) -> None:
        if key in self._held_up or not there:
            self._held_up.add(key)
        else:
            row.append(segment)

    def whole(self, *keys: tuple[str, ...]) -> bool:
        """Whether nothing of these is still to come."""
        return self._final and not self._held_up.intersection(keys)

    def merged(self) -> list[Line]:
        """The merged indices, of whoever sends pictures; of the others at the end.

        Who has sent none so far may yet send WebM, and would then need the other index.
        """
        found = []
        for name, media in self._merged.items():
            if media.get("video") or (self._final and self._is_unseen(name)):
                row = tuple(one for kind in ("audio", "video") for one in media.get(kind, ()))
                whole = self.whole(*((name, kind) for kind in media))
                found.append(Line(name, row, whole, self._origin_ns, merged=True))
        return found

    def _is_unseen(self, name: str) -> bool:
        """Whether it is the playlist of a publisher of whom there are no pictures at all."""
        base, _, ending = name.rpartition(".")
        both = (self._merged.get(f"{base}.{each}", {}) for each in ("m3u8", "mpd"))
        return ending == "m3u8" and not any("video" in media for media in both)


def text(line: Line) -> str:
    """A playlist's file."""
    if line.merged:
        return merged.text(line.name, line.segments, line.origin_ns, ended=line.whole)
    return m3u8.render(
        Playlist(
            tuple(_entries(line.segments)),
            target_s=m3u8.TARGET_VIDEO if _follows_key_frames(line) else m3u8.TARGET_COMPOSITE,
            ended=line.whole,
        )
    )


def _follows_key_frames(line: Line) -> bool:
    """Whether segments of it may be as long as a publisher's pictures are, now or later."""
    first = line.segments[0]
    of_pictures = first.source is not None and not naming.lists_sound_alone(line.name)
    return first.kind == "video" or of_pictures


def _entries(segments: tuple[SegmentFile, ...]) -> Iterator[Entry]:
    before: SegmentFile | None = None
    for segment in segments:
        yield Entry(
            name=naming.uri(segment.name),
            duration_s=segment.duration_s,
            discontinuity=segment.discontinuity,
            starts=tuple(_starts(before, segment)),
            rotations=tuple(_rotations(before, segment)),
        )
        before = segment


def _rotations(before: SegmentFile | None, segment: SegmentFile) -> Iterator[Rotation]:
    """What changes with a segment, and what changes inside it."""
    size = segment.width, segment.height
    same = before is not None and not before.turns and size == (before.width, before.height)
    if segment.width and not (same and before and segment.rotation == before.rotation):
        yield Rotation(*size, segment.start_ns, anticlockwise(segment.rotation))
    for at_ns, rotation in segment.turns:
        yield Rotation(*size, at_ns, anticlockwise(rotation))


def _starts(before: SegmentFile | None, segment: SegmentFile) -> Iterator[TrackStart]:
    """The tracks that begin or come back; one of two may, while the other goes on."""
    kinds = segment.kind.split("_and_")
    goes_on = before.kind.split("_and_") if before and _goes_on(before, segment) else []
    begun = [kind for kind in kinds if kind not in goes_on]
    for kind in begun or (kinds if segment.resumed else []):
        yield TrackStart(kind.upper(), segment.start_ns)


def _goes_on(before: SegmentFile, segment: SegmentFile) -> bool:
    """Whether what both hold was not interrupted between them."""
    gap_ns = segment.start_ns - before.start_ns - round(before.duration_s * NS)
    return not segment.resumed or gap_ns < _GRID_NS


def entry(spec: RecordingSpec, line: Line) -> FileEntry:
    """A playlist as query, stop and callbacks name it (reference §4.3)."""
    first = min(line.segments, key=lambda segment: segment.start_ns)
    mixed = spec.mode is Mode.MIX
    kinds = track_type(segment.kind for segment in line.segments)
    merges = line.merged and spec.mode is not Mode.RAW
    return FileEntry(
        name=spec.storage.prefix + line.name,
        track_type="audio_and_video" if merges else kinds,
        uid=first.uid,
        mixed=mixed,
        playable=all(segment.container == "ts" for segment in line.segments),
        slice_start_ms=first.start_ns // 1_000_000,
    )
