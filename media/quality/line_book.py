"""What is known of one line: figures of what is settled, ranges of what may still be explained.

A line is *settled* up to a moment around which nothing changes: no mute, no track or publisher
that comes or goes.  Whatever comes later says nothing new about the time before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, Field

from media.cut.lines import Line
from media.quality.model import LineSlice, TrackSlice
from media.quality.spans import Spans, clipped, common, joined, length_ns, without
from media.quality.timeline import (
    NEWS_NS,
    Causes,
    Gap,
    Reason,
    explained,
    was_silent,
    wide,
)
from media.tape.model import Kind, Source

SHORTEST_NS = 100_000_000  # gaps that are listed; shorter ones are in the sums
MOST_GAPS = 500  # listed of each line
CALM_NS = 3 * NEWS_NS  # what changes at a time says nothing about times this far from it
_MOST_SIZES = 100  # of pictures; listed
_STILL_NS = 150_000_000  # as in measure.py


class Stretches(BaseModel):
    """So many, so long together."""

    count: int = 0
    ns: int = 0

    def add(self, spans: Spans) -> None:
        """Some more."""
        self.count += len(spans)
        self.ns += length_ns(spans)


class Figures(BaseModel):
    """What a line's time comes to.  Nanoseconds."""

    heard_ns: int = 0
    missing_ns: dict[Reason, int] = Field(default_factory=dict)
    gaps: list[Gap] = Field(default_factory=list)  # the first MOST_GAPS of those to be listed
    gaps_not_listed: int = 0
    freezes: Stretches = Field(default_factory=Stretches)
    waits: Stretches = Field(default_factory=Stretches)  # for key frames

    def add(self, gap: Gap) -> None:
        """One more gap, after those that are there."""
        length = gap.until_ns - gap.from_ns
        self.missing_ns[gap.reason] = self.missing_ns.get(gap.reason, 0) + length
        if length < SHORTEST_NS:
            return
        if len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)
        else:
            self.gaps_not_listed += 1

    def missing(self, *reasons: Reason) -> int:
        """How long nothing was there, for one of these reasons."""
        return sum(self.missing_ns.get(reason, 0) for reason in reasons)


class _Last(BaseModel):
    """The last frame so far; how far it reaches is known when the next one comes."""

    at_ns: int
    track: str
    nominal_ns: int


class TrackBook(BaseModel):
    """One track: when it was there, and its last tally."""

    connection: str
    alive: Spans = ()
    counts: dict[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """What a line shares with others."""

    end_ns: int  # nothing is known beyond
    failovers: Spans
    present: Spans
    connected: dict[str, tuple[int, int]]  # by connection: its first track's begin, its last's end


class LineBook(BaseModel):
    """One publisher's source, from its first track on."""

    uid: str
    source: Source
    began_ns: int = 0  # its first track; 0: there was none yet
    settled_ns: int = 0  # what lies before it is in the figures
    settled: Figures = Field(default_factory=Figures)
    open_gap: Gap | None = None  # it ends at settled_ns, as far as is known
    heard: Spans = ()
    muted: Spans = ()
    freezes: Spans = ()
    waits: Spans = ()
    waiting_since_ns: int = 0
    longest_ns: int = 0  # between two frames with nothing missing
    last: _Last | None = None
    connections: set[str] = Field(default_factory=set)
    tracks: dict[str, TrackBook] = Field(default_factory=dict)  # those whose counts may still grow
    counts: dict[str, int] = Field(default_factory=dict)  # of all the others
    frames: int = 0
    keyframes: int = 0
    codecs: set[str] = Field(default_factory=set)
    sizes: list[tuple[int, int]] = Field(default_factory=list)  # in the order they came

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return Line(self.uid, self.source).kind

    def track(self, row: TrackSlice) -> None:
        """A track of this line in the next slice."""
        if row.alive:
            self.began_ns = min(self.began_ns or row.alive[0][0], row.alive[0][0])
        self.connections.add(row.connection)
        known = self.tracks.setdefault(row.id, TrackBook(connection=row.connection))
        known.alive = joined((*known.alive, *row.alive))
        known.counts = row.counts or known.counts

    def hear(self, row: LineSlice) -> None:
        """The media of the next slice; its mutes are known already."""
        before = self.last
        heard, freezes = [*self.heard, *row.heard], [*self.freezes, *row.freezes]
        self.longest_ns = max(self.longest_ns, row.longest_ns)
        if before is not None:
            until_ns = row.first_ns
            follows = row.first_intact and before.track == row.first_track
            if not follows or was_silent(self.muted, before.at_ns, until_ns):
                until_ns = min(until_ns, before.at_ns + before.nominal_ns)
            else:
                self.longest_ns = max(self.longest_ns, until_ns - before.at_ns)
            heard.append((before.at_ns, until_ns))
            usual_ns = before.nominal_ns
            if row.first_ns - before.at_ns > max(3 * usual_ns, usual_ns + _STILL_NS):
                freezes.append((before.at_ns, row.first_ns))
        self.heard, self.freezes = joined(heard), joined(freezes)
        self._wait(row)
        self.last = _Last(at_ns=row.last_ns, track=row.last_track, nominal_ns=row.nominal_ns)
        self.frames += row.frames
        self.keyframes += row.keyframes
        self.codecs.update(row.codecs)
        new = (size for size in row.sizes if size not in self.sizes)
        self.sizes = [*self.sizes, *new][:_MOST_SIZES]

    def _wait(self, row: LineSlice) -> None:
        since_ns, waits = self.waiting_since_ns, [*self.waits, *row.waits]
        if not since_ns and not row.first_intact:
            since_ns = self.last.at_ns if self.last else row.first_ns
        if since_ns and row.first_keyframe_ns:
            waits.append((since_ns, row.first_keyframe_ns))
            since_ns = 0
        self.waits, self.waiting_since_ns = joined(waits), since_ns or row.waiting_since_ns

    def figures(self, around: Around) -> Figures:
        """What it all comes to if nothing follows."""
        whole = self.model_copy(deep=True)
        if whole.last is not None:
            whole.heard = joined((*whole.heard, *whole._lasting(around, whole.last)))
            if whole.waiting_since_ns:
                whole.waits = joined((*whole.waits, (whole.waiting_since_ns, whole.last.at_ns)))
                whole.waiting_since_ns = 0
        whole._settle(around, around.end_ns)
        return whole._closed()

    def settle(self, around: Around) -> None:
        """Put into the figures what nothing can change any more."""
        if self.last is None or not self.began_ns:
            return
        from_ns, until_ns = self._from_ns(), min(self.last.at_ns, around.end_ns - CALM_NS)
        if from_ns >= until_ns:
            return
        causes = self._causes(around)
        gaps = explained(causes.gaps(self._missing(self.last.at_ns)))
        changes = (*gaps, *self._alive())  # a track's end may turn out to be a camera switched off
        turns = (*causes.turns(), *(at_ns for span in changes for at_ns in span))
        restless = joined((at_ns - CALM_NS, at_ns + CALM_NS) for at_ns in turns)
        calm = without(((from_ns, until_ns),), restless)
        if calm:
            self._settle(around, calm[-1][1])
            self._forget(around)

    def _settle(self, around: Around, until_ns: int) -> None:
        gaps = list(self._gaps(around, until_ns))
        known = explained(gaps)
        open_gap = gaps.pop() if gaps and gaps[-1].until_ns == until_ns else None
        for gap in gaps:
            self.settled.add(gap)
        self.open_gap = open_gap
        self.settled.heard_ns += length_ns(clipped(self.heard, 0, until_ns))
        self.heard = clipped(self.heard, until_ns, _EVER_NS)
        if 0 < self.waiting_since_ns < until_ns:
            self.waits = joined((*self.waits, (self.waiting_since_ns, until_ns)))
            self.waiting_since_ns = until_ns
        self.waits = _put(self.settled.waits, self.waits, known, until_ns)
        self.freezes = _put(self.settled.freezes, self.freezes, wide(known), until_ns)
        self.settled_ns = until_ns

    def _closed(self) -> Figures:
        """The figures with what stood open."""
        if self.open_gap is not None:
            self.settled.add(self.open_gap)
        self.settled.waits.add(clipped(self.waits, 0, self.settled_ns))
        self.settled.freezes.add(clipped(self.freezes, 0, self.settled_ns))
        return self.settled

    def _forget(self, around: Around) -> None:
        since_ns = self.settled_ns - CALM_NS
        self.muted = _after(self.muted, since_ns)
        for track in self.tracks.values():
            track.alive = _after(track.alive, since_ns)
        for id_ in [id_ for id_, track in self.tracks.items() if not track.alive]:
            for name, count in self.tracks.pop(id_).counts.items():
                self._count(name, count)
        self.connections = {
            name for name in self.connections if around.connected.get(name, (0, 0))[1] > since_ns
        }

    def _count(self, name: str, count: int) -> None:
        if name != "drift_ppb":
            self.counts[name] = self.counts.get(name, 0) + count
        elif count:
            self.counts[name] = count  # of the last track that had any

    def totals(self) -> dict[str, int]:
        """The counts of all tracks together; the drift is the last one known."""
        whole = self.model_copy(update={"counts": dict(self.counts)})
        for track in self.tracks.values():
            for name, count in track.counts.items():
                whole._count(name, count)
        return whole.counts

    def _from_ns(self) -> int:
        return max(self.began_ns, self.settled_ns)

    def _missing(self, until_ns: int) -> Spans:
        from_ns = self._from_ns() if self.began_ns else until_ns
        return without(((from_ns, until_ns),), self.heard) if from_ns < until_ns else ()

    def _gaps(self, around: Around, until_ns: int) -> Iterator[Gap]:
        gaps = self._causes(around).gaps(self._missing(until_ns))
        before = self.open_gap
        if before is not None:
            after = next(gaps, None)
            if after is None:
                yield before
            elif (after.from_ns, after.reason) == (before.until_ns, before.reason):
                yield after._replace(from_ns=before.from_ns)
            else:
                yield from (before, after)
        yield from gaps

    def _causes(self, around: Around) -> Causes:
        return Causes(around.failovers, around.present, self.muted, self._stopped(around))

    def _stopped(self, around: Around) -> Spans:
        """When the publisher sent nothing from this source, though it was connected.

        A camera or microphone is off while another track of the same connection goes on; between
        two connections it was we who did not hear.  A screen share comes and goes with a
        connection of its own.
        """
        if not self.began_ns:
            return ()
        if self.source.is_screen:
            connected: Spans = ((self.began_ns, around.end_ns),)
        else:
            connected = joined(around.connected.get(name, (0, 0)) for name in self.connections)
        since_ns = self.settled_ns - CALM_NS  # nothing is known any more of what was before
        connected = clipped(connected, since_ns, _EVER_NS)
        return without(without(connected, self._alive()), wide(around.failovers))

    def _alive(self) -> Spans:
        return joined(span for track in self.tracks.values() for span in track.alive)

    def _lasting(self, around: Around, last: _Last) -> Spans:
        """A still picture, or DTX, may last as long as it did before."""
        until_ns = last.at_ns + max(last.nominal_ns, self.longest_ns)
        possible = without(without(self._alive(), self.muted), around.failovers)
        return common(((last.at_ns, until_ns),), possible)


_EVER_NS = 1 << 63


def _after(spans: Spans, at_ns: int) -> Spans:
    return tuple(span for span in spans if span[1] > at_ns)


def _put(into: Stretches, spans: Spans, known: Spans, until_ns: int) -> Spans:
    """What of ``spans`` is not over at ``until_ns``; the rest is added up, without ``known``."""
    pieces = without(clipped(spans, 0, until_ns), known)
    reaches = bool(pieces) and pieces[-1][1] == until_ns
    into.add(pieces[:-1] if reaches else pieces)
    return joined((*(pieces[-1:] if reaches else ()), *clipped(spans, until_ns, _EVER_NS)))
