"""Reading a tape: packets, frames, events, who is there.  All of it depends on the tape alone."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from media.errors import TapeDamaged
from media.tape import reorder
from media.tape.clockmap import ANCHOR_NS, SETTLE_NS, ClockMap
from media.tape.format import Taped
from media.tape.frames import Assembler
from media.tape.keyless import Keyless
from media.tape.model import NS, EventType, Frame, PartManifest, Source, TapeEvent, Track
from media.tape.orientation import rotations
from media.tape.parameter_watch import latest
from media.tape.reorder import Arrived, Numbered
from media.tape.roster import Roster, roster, story
from media.tape.shelf import Shelf

log = structlog.get_logger(__name__)

FOREVER = 1 << 62
LATE_NS = NS  # how long after a range its late packets are waited for
_LEAD_NS = 2 * NS  # read before a range: for what the first frame follows
_BEFORE_NS = 4 * NS  # the same, and a little more
_BEHIND_NS = 10 * NS  # late packets, and CLOCK points of the last frames
_ASKEW_NS = NS // 4  # a packet's arrival may disagree with its part's limits by this
_SEARCH_NS = 4 * NS  # the first step backwards for a key frame
_JAM_NS = 10 * NS  # media may be this much older than its arrival

_keyless = Keyless()


def every(_: Track) -> bool:
    """All tracks."""
    return True


class Tape:
    """The sealed parts of one tape.  Cheap to make; keep it only as long as a piece of work."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._shelf = Shelf(directory)
        self._range: tuple[int, int] | None = None  # None: all of it
        self._parts: list[PartManifest] = []
        self._story: list[TapeEvent] = []
        self._tracks: dict[str, Track] = {}
        self._points: dict[str, list[TapeEvent]] = {}
        self._parameters: dict[str, list[TapeEvent]] = {}
        self._added: dict[str, int] = {}
        self._clocks: dict[tuple[str, int, int], ClockMap] = {}
        self.damaged: dict[str, str] = {}  # parts of which the end cannot be read, and why

    def around(self, from_ns: int, until_ns: int = FOREVER) -> "Tape":
        """The same tape as a piece of work on ``[from_ns, until_ns)`` needs it.

        As if it had been trimmed before, and went on no further: parts restate what stands.  Of a
        long tape only a few manifests are read, once.
        """
        near = Tape(self.directory)
        near._shelf = self._shelf  # manifests never change
        near._range = from_ns - _BEFORE_NS, min(until_ns + _BEHIND_NS, FOREVER)
        return near

    def manifests(self) -> list[PartManifest]:
        """Those of the sealed parts, in time order.  Raises TapeDamaged."""
        if self._range is None:
            parts = self._shelf.manifests()
            if parts != self._parts:
                self._index(parts)
        elif not self._parts:
            self._index(self._shelf.between(*self._range))
        return list(self._parts)

    def covered_until_ns(self) -> int:
        """The end of what is sealed; 0 when nothing is."""
        return max((part.until_ns for part in self.manifests()), default=0)

    def packets(self, from_ns: int, until_ns: int) -> Iterator[Taped]:
        """All packets that arrived in ``[from_ns, until_ns)``, part by part."""
        for part in self._between(self.manifests(), from_ns, until_ns):
            reader = self._shelf.open(part)
            try:
                for taped in reader.packets():
                    if from_ns <= taped.arrival_ns < until_ns:
                        yield taped
            except TapeDamaged as exc:
                self._note(part, exc)

    def events(self, from_ns: int, until_ns: int) -> list[TapeEvent]:
        """What happened in ``[from_ns, until_ns)``, in time order, each event once.

        When another recorder took over, its predecessor's tracks are removed here, and
        publishers it did not find leave, though nobody wrote that down.
        """
        self.manifests()
        return [event for event in self._story if from_ns <= event.at_ns < until_ns]

    def roster(self, at_ns: int) -> Roster:
        """Who is there after what happened up to and including ``at_ns``."""
        self.manifests()
        return roster(self._story, self._tracks, at_ns)

    def frames(
        self,
        from_ns: int,
        until_ns: int,
        *,
        tracks: Callable[[Track], bool] = every,
        late_ns: int = LATE_NS,
    ) -> dict[str, list[Frame]]:
        """The complete frames whose time lies in ``[from_ns, until_ns)``, by track id.

        In the order they were sent; tracks without any are left out.  A frame's time, bytes and
        flags do not depend on the range, nor does its rotation from the first key frame on.
        Packets that arrived ``late_ns`` after ``until_ns`` or later do not count, nor do CLOCK
        points SETTLE_NS behind that, so that a tape that has grown since gives the same frames.
        """
        parts = self.manifests()
        horizon_ns = until_ns + late_ns
        near = self._between(parts, from_ns - _LEAD_NS, horizon_ns)
        arrived = self._arrived(near, tracks, horizon_ns)
        found = {}
        for id_, packets in arrived.items():
            track = self._tracks[id_]
            slots = self._slots(track, packets, horizon_ns)
            earlier = parts[: parts.index(near[0])]
            while earlier and _unfounded(slots, from_ns):
                part = earlier.pop()
                if track in part.tracks:
                    packets = self._of(id_, [part], horizon_ns) + packets
                    slots = self._slots(track, packets, horizon_ns)
            frames = [slot for slot in slots if slot and from_ns <= slot.time_ns < until_ns]
            if frames:
                found[id_] = frames
        return found

    def keyframe_before(
        self, track: str | tuple[str, Source], at_ns: int, *, since_ns: int = 0
    ) -> int | None:
        """``time_ns`` of the last complete key frame in ``[since_ns, at_ns]``; None if none is.

        ``track`` is a track's id, or ``(uid, source)`` for all tracks of that line.
        """

        def wanted(one: Track) -> bool:
            return track in (one.id, (one.uid, one.source))

        begins_ns = [part.from_ns for part in self.manifests() if any(map(wanted, part.tracks))]
        if not begins_ns:
            return None
        name = self.directory, track
        first_ns = _keyless.since_ns(name, max(min(begins_ns) - _JAM_NS, since_ns))
        until_ns, step_ns = at_ns + 1, _SEARCH_NS
        while until_ns > first_ns:
            from_ns = max(until_ns - step_ns, first_ns)
            # Where the steps end must not decide which late packets count: see Keyless.
            late_ns = LATE_NS + min(at_ns + 1 - until_ns, _BEHIND_NS)
            found = self.frames(from_ns, until_ns, tracks=wanted, late_ns=late_ns).values()
            times = [frame.time_ns for frames in found for frame in frames if frame.keyframe]
            if times:
                return max(times)
            until_ns, step_ns = from_ns, 2 * step_ns
        if not self.damaged:
            read_from_ns = self._range[0] + _BEFORE_NS if self._range else first_ns
            settled_ns = min(at_ns + 1, self.covered_until_ns()) - _BEHIND_NS
            _keyless.note(name, max(first_ns, read_from_ns), settled_ns)
        return None

    def trim(self, before_ns: int, keep: Iterable[tuple[int, int]] = ()) -> list[str]:
        """Delete the parts that end at or before ``before_ns``; their names.  Idempotent.

        But for those that reach into a range ``[from, until)`` of ``keep``, and the last part of a
        recorder as long as its successor's first one stays.
        """
        kept = {part.name for one in keep for part in self._shelf.between(*one)}
        old = [name for name in self._shelf.ended(before_ns) if name not in kept]
        for name in old:
            self._shelf.remove(name)
        return old

    def _index(self, parts: list[PartManifest]) -> None:
        self._parts = list(parts)
        self._story = story(parts)
        self._tracks = {track.id: track for part in parts for track in part.tracks}
        self._points, self._parameters, self._added = {}, {}, {}
        for event in self._story:
            if event.type is EventType.CLOCK:
                self._points.setdefault(event.track, []).append(event)
            elif event.type is EventType.PARAMETERS:
                self._parameters.setdefault(event.track, []).append(event)
            elif event.type is EventType.TRACK_ADDED:
                self._added[event.track] = event.at_ns
        self._clocks.clear()

    def _between(
        self, parts: Sequence[PartManifest], from_ns: int, until_ns: int
    ) -> list[PartManifest]:
        first, end = from_ns - _ASKEW_NS, until_ns + _ASKEW_NS
        return [part for part in parts if part.until_ns > first and part.from_ns < end]

    def _arrived(
        self,
        parts: Sequence[PartManifest],
        wants: Callable[[Track], bool],
        horizon_ns: int,
    ) -> dict[str, list[Arrived]]:
        """The RTP packets of the wanted tracks, in order of arrival."""
        arrived: dict[str, list[Arrived]] = {}
        for part in parts:
            if not any(map(wants, part.tracks)):
                continue
            data, spans, damage = self._shelf.packets(part, wants)
            for track, places in spans.items():
                # The manifests' word counts; a track the part's file names otherwise is damage.
                if not (self._knows(track) and wants(track)):
                    continue
                early = [(at_ns, data[a:b]) for at_ns, a, b in places if at_ns < horizon_ns]
                if early:
                    arrived.setdefault(track.id, []).extend(early)
            if damage is not None:
                self._note(part, damage)
        return arrived

    def _knows(self, track: Track) -> bool:
        return self._tracks.get(track.id) == track

    def _of(self, id_: str, parts: Sequence[PartManifest], horizon_ns: int) -> list[Arrived]:
        return self._arrived(parts, lambda track: track.id == id_, horizon_ns).get(id_, [])

    def _slots(
        self, track: Track, packets: Sequence[Arrived], horizon_ns: int
    ) -> list[Frame | None]:
        sets = latest(self._parameters.get(track.id, ()), packets[0][0])
        turned = rotations(track, packets)
        return Assembler(track, sets, turned).assemble(self._numbered(track, packets, horizon_ns))

    def _numbered(
        self, track: Track, packets: Sequence[Arrived], horizon_ns: int
    ) -> list[Numbered]:
        clock = self._clock(track, packets, horizon_ns)
        numbered, unexplained = reorder.in_order(packets, clock.locate)
        if unexplained:
            # Rare: no CLOCK points, or a reset that none of them knows.  Arrival must do, and
            # whatever the range, it is judged from the beginning of the track.
            whole = self._of(track.id, self._shelf.manifests(), horizon_ns + ANCHOR_NS)
            clock.learn(reorder.headers(whole), horizon_ns)
            numbered, _ = reorder.in_order(packets, clock.locate)
        return numbered

    def _clock(self, track: Track, packets: Sequence[Arrived], horizon_ns: int) -> ClockMap:
        rate = _clock_rate(track, packets)
        points = self._points.get(track.id, [])
        count = bisect_left(points, horizon_ns + SETTLE_NS, key=lambda point: point.at_ns)
        key = track.id, rate, count
        if key not in self._clocks:
            self._clocks[key] = ClockMap(rate, points[:count], self._added.get(track.id, 0))
        return self._clocks[key]

    def _note(self, part: PartManifest, error: TapeDamaged) -> None:
        """The rest of a part cannot be read: what follows is a gap, not a failure."""
        if part.name not in self.damaged:
            log.warning("a part of the tape is damaged", part=part.name, error=str(error))
        self.damaged[part.name] = str(error)


def _clock_rate(track: Track, packets: Sequence[Arrived]) -> int:
    """Of the first codec that occurs; a track never changes its rate."""
    for _, packet in packets:
        codec = track.codec(packet[1] & 0x7F) if len(packet) > 1 else None
        if codec is not None:
            return codec.clock_rate
    return track.codecs[0].clock_rate if track.codecs else 90_000


def _unfounded(slots: Sequence[Frame | None], from_ns: int) -> bool:
    """Whether it takes earlier packets to know what the range's first frame follows."""
    for i, slot in enumerate(slots):
        if slot is not None and slot.time_ns >= from_ns:
            return i == 0 or (i == 1 and slots[0] is None)
    return False
