"""How receivers answered lately, and what may be sent to them now."""

from dataclasses import dataclass

_AT_ONCE = 4  # to one that answers
_FAILURES = 5  # in a row: from then on one probe at a time
_FIRST_S, _LONGEST_S = 1.0, 30.0  # between probes


@dataclass(slots=True)
class Receiver:
    """One app's server.  Times are of any clock that only goes forward."""

    answers: bool = False  # the last attempt was answered well
    failures: int = 0  # in a row
    busy: int = 0  # attempts under way
    rests_until_s: float = 0.0
    nobody_since_s: float = 0.0  # its app is not known since; 0: it is

    def places(self, now_s: float) -> int:
        """How many notices may be sent to it at this moment."""
        if now_s < self.rests_until_s:
            return 0
        return max(0, (_AT_ONCE if self.answers else 1) - self.busy)

    def worked(self) -> None:
        """It said 200."""
        self.answers, self.failures, self.rests_until_s = True, 0, 0.0

    def failed(self, now_s: float) -> None:
        """It did not."""
        self.answers = False
        self.failures += 1
        if self.failures >= _FAILURES:
            pause_s = _FIRST_S * 2.0 ** min(self.failures - _FAILURES, 10)
            self.rests_until_s = now_s + min(pause_s, _LONGEST_S)
