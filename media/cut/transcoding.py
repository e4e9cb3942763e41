"""Where an AAC line is cut into segments: 704 grid frames each, silence where nothing came."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from media.cut import aac, opus
from media.cut.cursor import LineState
from media.cut.pauses import Pauses
from media.cut.sound_clock import Placed, place
from media.tape.model import NS, Frame

FRAMES = 704  # 15.019 s, the whole frames that cover 15 s
_GAP_NS = 2 * NS  # DTX pauses are shorter


@dataclass(frozen=True, slots=True)
class AacSegment:
    """What one segment of an AAC line holds; nothing is made yet."""

    span: aac.Span
    resumed: bool


class AacSplitter:
    """Decides the segments of one line; ``tracks`` holds its audible frames."""

    def __init__(
        self,
        state: LineState,
        tracks: Sequence[Sequence[Frame]],
        pauses: Pauses,
        *,
        origin_ns: int,
    ) -> None:
        self._state = state
        self._pauses = pauses
        self._origin_ns = origin_ns
        self._packets: list[Placed] = sorted(
            (one for track in tracks for one in place(track, origin_ns)),
            key=lambda one: one.start,
        )

    def heard_before(self, frame: int) -> bool:
        """Whether any of the sound begins before a grid frame."""
        return bool(self._packets) and self._packets[0].start < frame * aac.FRAME

    def split(
        self, limit: int, *, final: bool, state: LineState | None = None
    ) -> tuple[list[AacSegment], LineState]:
        """The segments that end before grid frame ``limit``, and the state after them.

        ``state`` goes on from another state than the line's.
        """
        segments: list[AacSegment] = []
        since = state or self._state
        first, resumed, done = since.frame, since.resumed, since.done
        while True:
            if first is None:
                first, resumed = self._next_start(done)
            if first is None:
                break
            last = self._end(first)
            if last + aac.AHEAD_FRAMES > limit:
                break
            segments.append(AacSegment(aac.Span(first, last), resumed))
            first, done = None, last
        if final and first is not None and first < limit:
            rest = min(limit, self._end(first))
            segments.append(AacSegment(aac.Span(first, rest), resumed))
            first, done = None, rest
        return segments, LineState(frame=first, resumed=resumed, done=done)

    def _end(self, first: int) -> int:
        """Where the segment ends: when it is full, or its publisher no longer wanted."""
        until_ns = self._pauses.wanted_until(aac.frame_ns(first, self._origin_ns))
        return min(first + FRAMES, max(aac.frame_at(until_ns, self._origin_ns), first + 1))

    def _next_start(self, done: int | None) -> tuple[int | None, bool]:
        """Where the next segment begins, and whether after an interruption."""
        following = next(self._after(done), None)
        if following is None:
            return None, True
        before = None if done is None else self._before(done * aac.FRAME)
        if done is not None and before is not None and self._continues(before, following):
            return done, False
        own = following.start // aac.FRAME
        return (own if done is None else max(own, done)), True

    def _after(self, done: int | None) -> Iterator[Placed]:
        if done is None:
            return iter(self._packets)
        edge = done * aac.FRAME
        if self._pauses.is_unwanted(aac.frame_ns(done, self._origin_ns)):
            # The last packet that was wanted may reach over the edge: no segment begins with that.
            return (one for one in self._packets if one.start >= edge)
        return (one for one in self._packets if one.start + one.length > edge)

    def _before(self, edge: int) -> Placed | None:
        return next((one for one in reversed(self._packets) if one.start < edge), None)

    def _continues(self, before: Placed, after: Placed) -> bool:
        gap_ns = (after.start - before.start - before.length) * NS // opus.RATE
        same = before.frame.track.id == after.frame.track.id
        times = before.frame.time_ns, after.frame.time_ns
        return same and gap_ns <= _GAP_NS and not self._pauses.between(*times)
