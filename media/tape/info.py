"""What is on a tape and whether it is whole, for people who look at one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from media.errors import TapeDamaged
from media.tape.format import PartReader
from media.tape.model import NS, EventType, PartManifest, TapeEvent, Track
from media.tape.part import MANIFEST_SUFFIX, OPEN_SUFFIX, SUFFIX
from media.tape.reorder import headers, sequence_step
from media.tape.shelf import load_manifest


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What came of one track."""

    track: Track
    packets: int  # RTP packets, duplicates included
    bytes: int
    rtcp_packets: int
    first_ns: int  # arrival of the first and of the last RTP packet; 0 without any
    last_ns: int
    lost: int  # sequence numbers that never came
    duplicates: int
    counts: dict[str, int]  # what its recorder counted, by the last TALLY; empty without any

    @property
    def seconds(self) -> float:
        """From the first packet to the last."""
        return (self.last_ns - self.first_ns) / NS


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One part, sealed or not."""

    path: Path
    from_ns: int
    until_ns: int
    packets: int
    bytes: int
    sealed: bool
    salvaged: bool
    fault: str  # why the part is not whole; empty when it is


@dataclass(frozen=True, slots=True)
class TapeInfo:
    """A tape, or one part of it."""

    parts: tuple[PartInfo, ...]
    tracks: tuple[TrackInfo, ...]
    events: int
    holes: tuple[tuple[int, int], ...]  # times in [from_ns, until_ns) that no part covers
    orders: tuple[TapeEvent, ...] = ()  # LOOK and WANTED, in time order

    @property
    def packets(self) -> int:
        """RTP and RTCP packets in all parts."""
        return sum(part.packets for part in self.parts)

    @property
    def seconds(self) -> float:
        """From the beginning of the first part to the end of the last."""
        if not self.parts:
            return 0.0
        until_ns = max(part.until_ns for part in self.parts)
        return (until_ns - min(part.from_ns for part in self.parts)) / NS

    @property
    def whole(self) -> bool:
        """Whether every part is sealed and readable to its end, and none is missing between."""
        return not self.holes and all(part.sealed and not part.fault for part in self.parts)


def inspect_tape(path: Path) -> TapeInfo:
    """Read a part (``.pcapng``, ``.pcapng.open``) or all parts in a directory.

    Raises TapeDamaged when there is no part at ``path``.
    """
    files = [path] if path.is_file() else _parts(path)
    if not files:
        raise TapeDamaged(f"there is no part of a tape at {path}")
    tally = _Tally()
    parts = sorted((tally.part(file) for file in files), key=lambda part: part.from_ns)
    counts = tally.counts()
    tracks = tuple(count.info(counts.get(id_, {})) for id_, count in tally.tracks.items())
    orders = tuple(sorted(filter(_is_order, tally.events), key=lambda event: event.at_ns))
    return TapeInfo(tuple(parts), tracks, len(tally.events), _holes(parts), orders)


def _is_order(event: TapeEvent) -> bool:
    return event.type in (EventType.LOOK, EventType.WANTED)


def _parts(directory: Path) -> list[Path]:
    return sorted([*directory.glob("*" + SUFFIX), *directory.glob("*" + OPEN_SUFFIX)])


def _holes(parts: Sequence[PartInfo]) -> tuple[tuple[int, int], ...]:
    holes = []
    until_ns = parts[0].until_ns
    for part in parts:
        if part.from_ns > until_ns:
            holes.append((until_ns, part.from_ns))
        until_ns = max(until_ns, part.until_ns)
    return tuple(holes)


@dataclass(slots=True)
class _Count:
    """The counts of one track, over all parts."""

    track: Track
    packets: int = 0
    size: int = 0
    rtcp: int = 0
    first_ns: int = 0
    last_ns: int = 0
    highest: int | None = None
    seen: set[int] = field(default_factory=set)
    duplicates: int = 0

    def rtp(self, arrival_ns: int, packet: bytes) -> None:
        self.packets += 1
        self.size += len(packet)
        self.first_ns = self.first_ns or arrival_ns
        self.last_ns = arrival_ns
        for _, seq, _ in headers([(arrival_ns, packet)]):
            number = seq
            if self.highest is not None:
                number = self.highest + sequence_step(seq - self.highest)
            self.duplicates += number in self.seen
            self.seen.add(number)
            self.highest = number if self.highest is None else max(number, self.highest)

    def info(self, counts: dict[str, int]) -> TrackInfo:
        spread = max(self.seen) - min(self.seen) + 1 if self.seen else 0
        return TrackInfo(
            self.track,
            self.packets,
            self.size,
            self.rtcp,
            self.first_ns,
            self.last_ns,
            spread - len(self.seen),
            self.duplicates,
            counts,
        )


class _Tally:
    """Goes through parts in order and adds up."""

    def __init__(self) -> None:
        self.tracks: dict[str, _Count] = {}
        self.events: set[TapeEvent] = set()

    def part(self, path: Path) -> PartInfo:
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise TapeDamaged(f"{path.name} cannot be read: {exc.strerror}") from exc
        reader = PartReader(data)
        times: list[int] = []
        packets, fault = 0, ""
        try:
            for arrival_ns, track, start, end, rtcp in reader.spans():
                packets += 1
                times = [times[0] if times else arrival_ns, arrival_ns]
                count = self.tracks.setdefault(track.id, _Count(track))
                if rtcp:
                    count.rtcp += 1
                else:
                    count.rtp(arrival_ns, data[start:end])
        except TapeDamaged as exc:
            fault = str(exc)
        self.events.update(reader.events)
        if not fault and not reader.whole:
            fault = f"its end is torn off (at byte {reader.good} of {len(data)})"
        return self._describe(path, reader, packets, times, fault)

    def counts(self) -> dict[str, dict[str, int]]:
        """The last word of each track's recorder, by track id."""
        told = sorted((event.at_ns, event.track, event.counts) for event in self.events)
        return {track: dict(counts) for _, track, counts in told if counts}

    def _describe(
        self, path: Path, reader: PartReader, packets: int, times: Sequence[int], fault: str
    ) -> PartInfo:
        size = len(reader.data)
        manifest, fault = _manifest(path, fault)
        if manifest is not None:
            if not fault and (manifest.packets, manifest.bytes) != (packets, size):
                fault = (
                    f"the manifest says {manifest.packets} packets and {manifest.bytes} bytes,"
                    f" the file holds {packets} and {size}"
                )
            from_ns, until_ns = manifest.from_ns, manifest.until_ns
            return PartInfo(path, from_ns, until_ns, packets, size, True, manifest.salvaged, fault)
        from_ns = reader.head.from_ns if reader.head else min(times, default=0)
        until_ns = max([from_ns, *(at_ns + 1 for at_ns in times)])
        return PartInfo(path, from_ns, until_ns, packets, size, False, False, fault)


def _manifest(path: Path, fault: str) -> tuple[PartManifest | None, str]:
    """The manifest beside a part, and the fault with what is wrong with it."""
    beside = path.with_name(path.name.removesuffix(".open")).with_suffix(MANIFEST_SUFFIX)
    try:
        return load_manifest(beside), fault
    except TapeDamaged as exc:
        return None, fault or str(exc)
