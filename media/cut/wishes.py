"""Whom to record, and when: the recording's lists, and the tape's word of later ones."""

from collections.abc import Iterable
from itertools import pairwise

from media.cut.lines import Line
from media.cut.orders import course
from media.tape.model import EventType, Kind, TapeEvent, Track
from media.tape.wanted import EVERYBODY, Wanted

ALWAYS = 1 << 63
Range = tuple[int, int]  # [from, until), Unix nanoseconds


class Wishes:
    """What was asked for over time (reference §2.3, §2.9: each update replaces all lists)."""

    def __init__(
        self, first: Wanted, events: Iterable[TapeEvent], only: Wanted = EVERYBODY
    ) -> None:
        """``events`` are all that the tape knows, in time order; one without sense counts not.

        Of those who were wanted, ``only`` these are.
        """
        self._only = only
        self._course = course(events, EventType.WANTED, first, Wanted.told)

    def kinds(self, uid: str, at_ns: int) -> frozenset[Kind]:
        """Which media of a publisher are wanted at a moment."""
        return self._only.kinds(uid) & self._course.at(at_ns).kinds(uid)

    def ever(self, track: Track) -> bool:
        """Whether a track was wanted at any time."""
        if track.kind not in self._only.kinds(track.uid):
            return False
        return any(track.kind in wanted.kinds(track.uid) for _, wanted in self._course.steps)

    def unwanted(self, line: Line) -> tuple[Range, ...]:
        """When a line is not to be recorded; ranges in order that do not touch."""
        if line.kind not in self._only.kinds(line.uid):
            return ((-ALWAYS, ALWAYS),)
        found: list[Range] = []
        (_, first), *later = self._course.steps
        steps = [(-ALWAYS, first), *later, (ALWAYS, first)]
        for (from_ns, wanted), (until_ns, _) in pairwise(steps):
            if line.kind in wanted.kinds(line.uid) or from_ns == until_ns:
                continue
            if found and found[-1][1] == from_ns:
                from_ns = found.pop()[0]
            found.append((from_ns, until_ns))
        return tuple(found)

    def unwanted_between(self, line: Line, from_ns: int, until_ns: int) -> bool:
        """Whether a line was not to be recorded at any time from ``from_ns`` to ``until_ns``."""
        return any(a <= until_ns and from_ns < b for a, b in self.unwanted(line))
