"""The slices of one line joined into its whole time: heard, missing, and why."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from media.quality.model import LineSlice, SliceQuality, TrackSlice
from media.quality.spans import Span, Spans, clipped, common, joined, without
from media.tape.model import NS, Source

_SILENT_NS = 500_000_000  # frames so far apart around a mute: nothing was sent in it
_SCREENS = (Source.SCREEN, Source.SCREEN_AUDIO)
_NEWS_NS = 1_500_000_000  # events and packets of the same moment lie this close together


class Reason(StrEnum):
    """Why there is no media."""

    MUTE = "mute"
    LEAVE = "leave"
    LOSS = "loss"
    FAILOVER = "failover"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without media.  Unix nanoseconds."""

    from_ns: int
    until_ns: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class LineTime:
    """The time of one publisher's source, from its first track to the recording's end."""

    uid: str
    source: Source
    heard: Spans
    gaps: tuple[Gap, ...]
    freezes: Spans
    waits: Spans  # for key frames
    slices: tuple[LineSlice, ...]
    tracks: tuple[TrackSlice, ...]  # of each track the last word


def lines(slices: Sequence[SliceQuality]) -> list[LineTime]:
    """Every line that ever had a track, by uid and source."""
    rows: dict[tuple[str, Source], list[LineSlice]] = {}
    lives: dict[tuple[str, Source], dict[str, list[TrackSlice]]] = {}
    for one in slices:
        for line in one.lines:
            rows.setdefault((line.uid, line.source), []).append(line)
        for track in one.tracks:
            of = lives.setdefault((track.uid, track.source), {})
            of.setdefault(track.id, []).append(track)
    there = _There(slices)
    return [there.line(key, rows.get(key, []), tracks) for key, tracks in sorted(lives.items())]


class _There:
    """What the slices say about everybody, joined."""

    def __init__(self, slices: Sequence[SliceQuality]) -> None:
        self._end_ns = max((one.end_ns for one in slices), default=0)
        self._failovers = joined(span for one in slices for span in one.failovers)
        present: dict[str, list[Span]] = {}
        muted: dict[tuple[str, Source], list[Span]] = {}
        connected: dict[str, list[Span]] = {}
        for one in slices:
            for uid, spans in one.joined.items():
                present.setdefault(uid, []).extend(spans)
            for uid, source, spans in one.muted:
                muted.setdefault((uid, source), []).extend(spans)
            for track in one.tracks:
                connected.setdefault(track.connection, []).extend(track.alive)
        self._present = {uid: joined(spans) for uid, spans in present.items()}
        self._muted = {key: joined(spans) for key, spans in muted.items()}
        self._connected = {name: joined(spans) for name, spans in connected.items()}

    def line(
        self,
        key: tuple[str, Source],
        rows: Sequence[LineSlice],
        tracks: dict[str, list[TrackSlice]],
    ) -> LineTime:
        uid, source = key
        lives = {id_: joined(s for one in of for s in one.alive) for id_, of in tracks.items()}
        began_ns = min((spans[0][0] for spans in lives.values() if spans), default=self._end_ns)
        present = self._present.get(uid, ())
        muted = self._muted.get(key, ())
        alive = joined(span for spans in lives.values() for span in spans)
        stopped = self._stopped(source, tracks, alive)
        lasting = without(without(alive, muted), self._failovers)
        heard = clipped(_heard(rows, muted, lasting), 0, self._end_ns)
        missing = without(((began_ns, self._end_ns),), heard) if began_ns < self._end_ns else ()
        gaps = tuple(self._gaps(missing, present, joined((*muted, *stopped))))
        known = joined((g.from_ns, g.until_ns) for g in gaps if g.reason is not Reason.LOSS)
        return LineTime(
            uid=uid,
            source=source,
            heard=heard,
            gaps=gaps,
            freezes=without(_freezes(rows), _wide(known)),
            waits=without(_waits(rows), known),
            slices=tuple(rows),
            tracks=tuple(_last_word(of) for of in tracks.values()),
        )

    def _stopped(self, source: Source, tracks: dict[str, list[TrackSlice]], alive: Spans) -> Spans:
        """When the publisher sent nothing from this source, though it was connected.

        A camera or microphone is off while another track of the same connection goes on; between
        two connections it was we who did not hear.  A screen share comes and goes with a
        connection of its own.
        """
        if not alive:
            return ()
        if source in _SCREENS:
            connected: Spans = ((alive[0][0], self._end_ns),)
        else:
            names = {of[0].connection for of in tracks.values()}
            connected = joined(
                (spans[0][0], spans[-1][1]) for name in names if (spans := self._connected[name])
            )
        return without(without(connected, alive), _wide(self._failovers))

    def _gaps(self, missing: Spans, present: Spans, muted: Spans) -> Iterable[Gap]:
        if not missing:
            return
        causes = {
            Reason.FAILOVER: self._failovers,
            Reason.LEAVE: without(((missing[0][0], missing[-1][1]),), present),
            Reason.MUTE: muted,
        }
        known = joined(span for spans in causes.values() for span in spans)
        for hole in missing:
            if common((hole,), known):
                yield from sorted(_explained(hole, causes), key=lambda gap: gap.from_ns)
            else:
                yield Gap(*hole, Reason.LOSS)


def _explained(hole: Span, causes: dict[Reason, Spans]) -> Iterable[Gap]:
    rest: Spans = (hole,)
    found: dict[Reason, Spans] = {}
    for reason, cause in causes.items():
        found[reason] = common(rest, cause)
        rest = without(rest, found[reason])
    # What has a cause takes the seams beside it, too: the news of a mute comes another way than
    # the packets.
    for reason, spans in found.items():
        seams = common(rest, _wide(spans))
        rest = without(rest, seams)
        yield from (Gap(a, b, reason) for a, b in joined((*spans, *seams)))
    yield from (Gap(a, b, Reason.LOSS) for a, b in rest)


def _last_word(track: Sequence[TrackSlice]) -> TrackSlice:
    return next((one for one in reversed(track) if one.counts), track[-1])


def _wide(spans: Spans) -> Spans:
    return joined((begin - _NEWS_NS, end + _NEWS_NS) for begin, end in spans)


def _heard(rows: Sequence[LineSlice], muted: Spans, lasting: Spans) -> Spans:
    """``lasting``: when the last frame may have lasted on."""
    spans: list[Span] = [span for row in rows for span in row.heard]
    longest_ns = max((row.longest_ns for row in rows), default=0)
    for before, after in itertools.pairwise(rows):
        until_ns = after.first_ns
        if not _follows(before, after) or was_silent(muted, before.last_ns, until_ns):
            until_ns = min(until_ns, before.last_ns + before.nominal_ns)
        else:
            longest_ns = max(longest_ns, until_ns - before.last_ns)
        spans.append((before.last_ns, until_ns))
    if rows:
        # A still picture, or DTX, may last as long as it did before.
        last = rows[-1]
        until_ns = last.last_ns + max(last.nominal_ns, longest_ns)
        spans += common(((last.last_ns, until_ns),), lasting)
    return joined(spans)


def was_silent(muted: Spans, begin_ns: int, until_ns: int) -> bool:
    """Whether two frames at these times have a mute between them in which nothing was sent."""
    return until_ns - begin_ns > _SILENT_NS and bool(common(((begin_ns, until_ns),), muted))


def _follows(before: LineSlice, after: LineSlice) -> bool:
    return after.first_intact and before.last_track == after.first_track


def _freezes(rows: Sequence[LineSlice]) -> Spans:
    spans = [span for row in rows for span in row.freezes]
    for before, after in itertools.pairwise(rows):
        usual_ns = before.nominal_ns
        if after.first_ns - before.last_ns > max(3 * usual_ns, usual_ns + NS * 3 // 20):
            spans.append((before.last_ns, after.first_ns))
    return joined(spans)


def _waits(rows: Sequence[LineSlice]) -> Spans:
    spans = [span for row in rows for span in row.waits]
    since_ns = before_ns = 0
    for row in rows:
        if not since_ns and not row.first_intact:
            since_ns = before_ns or row.first_ns
        if since_ns and row.first_keyframe_ns:
            spans.append((since_ns, row.first_keyframe_ns))
            since_ns = 0
        since_ns = since_ns or row.waiting_since_ns
        before_ns = row.last_ns
    if since_ns:
        spans.append((since_ns, before_ns))
    return joined(spans)
