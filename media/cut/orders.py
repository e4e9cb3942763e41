"""What was asked for while a recording ran, over time.

Of looks here; :mod:`media.cut.wishes` knows whom to record.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from media.cut.look import Look
from media.tape.model import EventType, TapeEvent
from media.tape.reader import Tape

_T = TypeVar("_T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Course(Generic[_T]):
    """A value over time: (since when in Unix nanoseconds, value), the first since ever."""

    steps: tuple[tuple[int, _T], ...]

    def at(self, at_ns: int) -> _T:
        """What holds at a moment."""
        return self.steps[max(0, bisect_right(self.steps, at_ns, key=lambda step: step[0]) - 1)][1]

    def within(self, start_ns: int, end_ns: int) -> list[_T]:
        """Everything that holds at some moment of ``[start_ns, end_ns)``."""
        later = [value for since_ns, value in self.steps if start_ns < since_ns < end_ns]
        return [self.at(start_ns), *later]


def looks(tape: Tape, first: Look, until_ns: int) -> Course[Look]:
    """How the canvas is to look, from ``first`` at the start on."""
    return course(tape.events(0, until_ns), EventType.LOOK, first, Look.told)


def course(
    events: Iterable[TapeEvent], type_: EventType, first: _T, told: Callable[[str], _T | None]
) -> Course[_T]:
    """What events of a type, in time order, made of ``first``; one without sense counts not.

    ``told`` says what an event's detail means, None if it means nothing.
    """
    steps = [(0, first)]
    for event in events:
        if event.type is type_:
            value = told(event.detail)
            if value is None:
                log.warning("an order on the tape makes no sense", type=type_.value)
            else:
                steps.append((event.at_ns, value))
    return Course(tuple(steps))
