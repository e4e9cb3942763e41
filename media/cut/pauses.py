"""When a line is silent on purpose: muted, or its publisher away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from media.cut.lines import Line
from media.tape.model import EventType, Frame, TapeEvent
from media.tape.roster import Roster

# Events reach the recorder by another way than packets; what lies this close to the edge of a
# mute was sent before or after it.
_GRACE_NS = 80_000_000
# On a busy host the news may come later still.  Then the packets tell: who falls silent within this
# time around the news of a mute was not muted before.
_LATE_NEWS_NS = 1_500_000_000
_QUIET_NS = 300_000_000
_FOREVER = 1 << 63


@dataclass(frozen=True, slots=True)
class Pause:
    """A range of time without media of a line; ``end_ns`` is far away while it lasts."""

    start_ns: int
    end_ns: int
    muted: bool  # else the publisher was away

    @property
    def middle_ns(self) -> int:
        """A moment that is surely in it, however near its edges packets lie."""
        if self.end_ns == _FOREVER:
            return self.start_ns + _GRACE_NS
        return (self.start_ns + self.end_ns) // 2

    def audible(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames that were not sent while muted; all of them if this is no mute."""
        if not self.muted:
            return list(frames)
        times = [frame.time_ns for frame in frames]
        begin_ns = self.start_ns + _carried(self.start_ns, times, 1)
        end_ns = self.end_ns - _carried(self.end_ns, times[::-1], -1)
        return [f for f in frames if not begin_ns <= f.time_ns < end_ns]


@dataclass(frozen=True, slots=True)
class Pauses:
    """All pauses of one line in a range of the tape, in order."""

    pauses: tuple[Pause, ...]
    unwanted: tuple[tuple[int, int], ...] = ()  # [from, until): not to be recorded, to the packet

    def audible(self, frames: Iterable[Frame]) -> list[Frame]:
        """The frames outside muted and unwanted time."""
        left = list(frames)
        for pause in self.pauses:
            left = pause.audible(left)
        for from_ns, until_ns in self.unwanted:
            left = [frame for frame in left if not from_ns <= frame.time_ns < until_ns]
        return left

    def between(self, before_ns: int, after_ns: int) -> bool:
        """Whether a pause separates two packets that follow each other."""
        return any(before_ns < pause.middle_ns <= after_ns for pause in self.pauses) or any(
            before_ns < from_ns <= after_ns for from_ns, _ in self.unwanted
        )

    def is_unwanted(self, at_ns: int) -> bool:
        """Whether what comes at a time is not to be recorded."""
        return any(from_ns <= at_ns < until_ns for from_ns, until_ns in self.unwanted)

    def wanted_until(self, at_ns: int) -> int:
        """When what is recorded at a time is no longer wanted; far away if it always is."""
        return min((from_ns for from_ns, _ in self.unwanted if from_ns > at_ns), default=_FOREVER)


def _carried(edge_ns: int, times: Sequence[int], way: int) -> int:
    """How far into a mute packets go on as if it had not begun, or had ended already.

    ``way`` is 1 at its beginning, with the times in order, and -1 at its end, with them reversed.
    """
    reach_ns = 0
    for at_ns in times:
        into_ns = (at_ns - edge_ns) * way
        if into_ns < 0:
            continue
        if into_ns - reach_ns >= _QUIET_NS:
            break  # silent from here on
        if into_ns > _LATE_NEWS_NS:
            return _GRACE_NS  # it goes on and on: sent although muted
        reach_ns = into_ns
    return max(reach_ns + 1, _GRACE_NS)


def pauses(line: Line, roster: Roster, events: Iterable[TapeEvent]) -> Pauses:
    """The pauses of a line, from the state at the start of a range and what happened in it."""
    found: list[Pause] = []
    began: dict[bool, int] = {}  # muted or away -> since when
    if (line.uid, line.source) in roster.muted:
        began[True] = -_FOREVER
    for event in events:
        if _concerns(event, line):
            found += _closed_by(event, began)
    found += [Pause(start, _FOREVER, muted) for muted, start in began.items()]
    return Pauses(tuple(sorted(found, key=lambda pause: pause.start_ns)))


def _closed_by(event: TapeEvent, began: dict[bool, int]) -> list[Pause]:
    """The pauses that an event ends; those it begins are put into ``began``."""
    ended = []
    # Who leaves while muted may come back unmuted, without an event that says so.
    if event.type in (EventType.UNMUTED, EventType.LEFT) and True in began:
        ended.append(Pause(began.pop(True), event.at_ns, muted=True))
    if event.type is EventType.JOINED and False in began:
        ended.append(Pause(began.pop(False), event.at_ns, muted=False))
    if event.type in (EventType.MUTED, EventType.LEFT):
        began.setdefault(event.type is EventType.MUTED, event.at_ns)
    return ended


def _concerns(event: TapeEvent, line: Line) -> bool:
    if event.uid != line.uid:
        return False
    return event.source is None or event.source is line.source
