"""Measures one slice of a tape.  A pure function of the tape and the range, as every cut is."""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from media.cut.lines import Line, by_line
from media.cut.wishes import Wishes
from media.quality.model import LineSlice, SliceQuality, TrackSlice
from media.quality.spans import Span, Spans, clipped, joined
from media.quality.timeline import was_silent
from media.tape.model import EventType, Frame, Kind, PartManifest, Source, TapeEvent, Track
from media.tape.reader import FOREVER, Tape
from media.tape.wanted import EVERYBODY, Wanted

_Key = TypeVar("_Key")

_STILL_NS = 150_000_000  # freezes as WebRTC's statistics define them (W3C webrtc-stats freezeCount)
_STILL_TIMES = 3
_RECENT = 30  # intervals whose mean is the usual one


def measure(
    tape: Tape,
    start_ns: int,
    end_ns: int,
    *,
    frames: Mapping[str, Sequence[Frame]] | None = None,
    final: bool = False,
    wanted: Wanted = EVERYBODY,
    only: Wanted = EVERYBODY,
) -> SliceQuality:
    """What the tape says about ``[start_ns, end_ns)``, Unix nanoseconds.

    ``wanted`` says whom the recording was to record at its start, and ``only`` whom the cut shows
    of them; who is not wanted counts as muted.  ``frames`` are those the cut of the same slice has
    read, by track id; more than the slice does no harm.  Without them the tape is read.  Raises
    TapeDamaged.  Of the ``final`` slice the counts of what came after it are taken, too: a track is
    tallied once more when it ends.
    """
    tape = tape.around(start_ns, FOREVER if final else end_ns)
    parts = tape.manifests()
    known = {track.id: track for part in parts for track in part.tracks}
    tallied_ns = max([end_ns, *(part.until_ns for part in parts)]) if final else end_ns
    later = tape.events(start_ns, tallied_ns)
    events = [event for event in later if event.at_ns < end_ns]
    presence = _Presence(tape, events, start_ns, end_ns)
    presence.leave_out(Wishes(wanted, tape.events(0, end_ns), only), start_ns, end_ns)
    if frames is None:
        frames = tape.frames(start_ns, end_ns)
    lines = by_line(_within(frames, start_ns, end_ns))
    return SliceQuality(
        start_ns=start_ns,
        end_ns=end_ns,
        joined=presence.joined,
        muted=tuple((uid, source, spans) for (uid, source), spans in presence.muted.items()),
        failovers=clipped(_failovers(parts), start_ns, end_ns),
        lines=tuple(
            _line(line, tracks, presence.muted.get((line.uid, line.source), ()))
            for line, tracks in lines.items()
        ),
        tracks=tuple(_tracks(known, presence, later)),
        skews_us=_skews(known, events),
    )


def _within(
    frames: Mapping[str, Sequence[Frame]], start_ns: int, end_ns: int
) -> dict[str, list[Frame]]:
    return {
        id_: [frame for frame in track if start_ns <= frame.time_ns < end_ns]
        for id_, track in frames.items()
    }


class _Presence:
    """Who was there and muted, and which tracks were alive, as ranges of the slice."""

    def __init__(self, tape: Tape, events: Sequence[TapeEvent], start_ns: int, end_ns: int) -> None:
        roster = tape.roster(start_ns)
        there = _Ledger(dict.fromkeys(roster.publishers, start_ns))
        muted = _Ledger(dict.fromkeys(roster.muted, start_ns))
        alive = _Ledger({track.id: start_ns for track in roster.tracks})
        for event in events:
            source = event.source
            match event.type:
                case EventType.JOINED:
                    there.begin(event.uid, event.at_ns)
                case EventType.LEFT:
                    there.end(event.uid, event.at_ns)
                    for each in Source:
                        muted.end((event.uid, each), event.at_ns)
                case EventType.MUTED if source is not None:
                    muted.begin((event.uid, source), event.at_ns)
                case EventType.UNMUTED if source is not None:
                    muted.end((event.uid, source), event.at_ns)
                case EventType.TRACK_ADDED:
                    alive.begin(event.track, event.at_ns)
                case EventType.TRACK_REMOVED:
                    alive.end(event.track, event.at_ns)
        self.joined = there.spans(end_ns)
        self.muted = muted.spans(end_ns)
        self.alive = alive.spans(end_ns)

    def leave_out(self, wishes: Wishes, start_ns: int, end_ns: int) -> None:
        """Nobody misses what was not to be recorded."""
        for uid, source in itertools.product(self.joined, Source):
            spans = clipped(wishes.unwanted(Line(uid, source)), start_ns, end_ns)
            if spans:
                key = uid, source
                self.muted[key] = joined((*self.muted.get(key, ()), *spans))


class _Ledger(Generic[_Key]):
    """Ranges by key, some of them open."""

    def __init__(self, open_: dict[_Key, int]) -> None:
        self._open = open_
        self._closed: dict[_Key, list[Span]] = {}

    def begin(self, key: _Key, at_ns: int) -> None:
        self._open.setdefault(key, at_ns)

    def end(self, key: _Key, at_ns: int) -> None:
        since_ns = self._open.pop(key, None)
        if since_ns is not None:
            self._closed.setdefault(key, []).append((since_ns, at_ns))

    def spans(self, end_ns: int) -> dict[_Key, Spans]:
        for key in list(self._open):
            self.end(key, end_ns)
        return {key: joined(spans) for key, spans in self._closed.items()}


def _failovers(parts: Sequence[PartManifest]) -> Iterator[Span]:
    """Between the last part of one recorder and the first of the next."""
    for one, other in itertools.pairwise(parts):
        if one.fence != other.fence:
            yield one.until_ns, other.from_ns


def _line(line: Line, tracks: Sequence[Sequence[Frame]], muted: Spans) -> LineSlice:
    frames = [frame for track in tracks for frame in track]
    nominal_ns = _usual(frames)
    heard, longest_ns = _heard(frames, nominal_ns, muted)
    pictures = _Pictures(nominal_ns)
    if line.kind is Kind.VIDEO:
        for frame in frames:
            pictures.show(frame)
    return LineSlice(
        uid=line.uid,
        source=line.source,
        heard=heard,
        first_ns=frames[0].time_ns,
        first_intact=frames[0].intact,
        first_track=frames[0].track.id,
        last_track=frames[-1].track.id,
        last_ns=frames[-1].time_ns,
        nominal_ns=nominal_ns,
        longest_ns=longest_ns,
        frames=len(frames),
        keyframes=sum(frame.keyframe for frame in frames) if line.kind is Kind.VIDEO else 0,
        freezes=joined(pictures.freezes),
        waits=joined(pictures.waits),
        first_keyframe_ns=pictures.first_keyframe_ns,
        waiting_since_ns=pictures.waiting_since_ns,
        codecs=tuple(dict.fromkeys(frame.codec.key for frame in frames)),
        sizes=tuple(dict.fromkeys((f.width, f.height) for f in frames if f.width)),
    )


def _usual(frames: Sequence[Frame]) -> int:
    """The median distance of frames between which nothing is missing."""
    steps = sorted(
        after.time_ns - before.time_ns
        for before, after in itertools.pairwise(frames)
        if _follows(before, after)
    )
    return max(0, steps[len(steps) // 2]) if steps else 0


def _heard(frames: Sequence[Frame], nominal_ns: int, muted: Spans) -> tuple[Spans, int]:
    """Where nothing is missing, and the longest distance of two frames in it."""
    reaches: list[Span] = []
    longest_ns = 0
    for before, after in itertools.pairwise(frames):
        begin_ns, until_ns = before.time_ns, after.time_ns
        if not _follows(before, after) or was_silent(muted, begin_ns, until_ns):
            until_ns = min(until_ns, begin_ns + nominal_ns)
        else:
            longest_ns = max(longest_ns, until_ns - begin_ns)
        reaches.append((begin_ns, until_ns))
    return joined(reaches), longest_ns


def _follows(before: Frame, after: Frame) -> bool:
    """Whether nothing is missing between them."""
    return after.intact and before.track.id == after.track.id


@dataclass(slots=True)
class _Pictures:
    """Which pictures can be decoded, and which stay too long."""

    usual_ns: int  # as long as too few pictures tell
    freezes: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)
    first_keyframe_ns: int = 0
    waiting_since_ns: int = 0
    _last: Frame | None = None
    _shown_ns: int = 0
    _recent: deque[int] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def show(self, frame: Frame) -> None:
        """The next picture of the line."""
        before, self._last = self._last, frame
        if frame.keyframe:
            self.first_keyframe_ns = self.first_keyframe_ns or frame.time_ns
            if self.waiting_since_ns:
                self.waits.append((self.waiting_since_ns, frame.time_ns))
                self.waiting_since_ns = 0
        elif before is not None and not _follows(before, frame) and not self.waiting_since_ns:
            self.waiting_since_ns = before.time_ns
        if not self.waiting_since_ns:
            self._stays(frame.time_ns)

    def _stays(self, at_ns: int) -> None:
        interval_ns = at_ns - self._shown_ns
        if self._shown_ns:
            recent = self._recent or (self.usual_ns,)
            mean_ns = sum(recent) // len(recent)
            if interval_ns > max(_STILL_TIMES * mean_ns, mean_ns + _STILL_NS):
                self.freezes.append((self._shown_ns, at_ns))
            self._recent.append(interval_ns)
        self._shown_ns = at_ns


def _tracks(
    known: Mapping[str, Track], presence: _Presence, events: Sequence[TapeEvent]
) -> Iterator[TrackSlice]:
    counts = {event.track: dict(event.counts) for event in events if event.counts}
    for track in known.values():
        alive = presence.alive.get(track.id, ())
        if alive or track.id in counts:
            yield TrackSlice(
                id=track.id,
                uid=track.uid,
                source=track.source,
                kind=track.kind,
                connection=track.connection,
                alive=alive,
                counts=counts.get(track.id, {}),
            )


def _skews(tracks: Mapping[str, Track], events: Sequence[TapeEvent]) -> dict[str, tuple[int, ...]]:
    """Of each connection's picture against its sound, whenever both were tallied together."""
    sound: dict[str, int] = {}  # by connection
    skews: dict[str, list[int]] = {}
    for event in events:
        track = tracks.get(event.track)
        if event.type is not EventType.TALLY or track is None:
            continue
        skew_us = dict(event.counts).get("skew_us", 0)
        if track.kind is Kind.AUDIO:
            sound[track.connection] = skew_us
        elif track.connection in sound:
            skews.setdefault(track.uid, []).append(skew_us - sound[track.connection])
    return {uid: tuple(rows) for uid, rows in skews.items()}
