"""A sender's NTP clock on ours.  Pure: the caller has the clock."""

from media.capture.regression import Least
from media.tape.model import NS

SLEW = 200  # a correction takes 200 times its own length: 5 ms per second
WINDOW_NS = 60 * NS  # of the least-delay filter; drift of 100 ppm makes 6 ms in it
DISTRUST_NS = NS // 2  # a report further off than this needs a witness
CONFIRM_NS = NS  # what nobody believed is believed when seen twice, this far apart
SLACK_NS = NS // 20  # by so much a packet may come before its time as reports tell it
AGREE_NS = NS // 10
PAUSE_NS = 400_000_000  # a track silent for longer may have stopped its RTP clock
_ERA_NS = NS << 32  # NTP's seconds have 32 bits, and begin anew in 2036 (RFC 5905 §6)


def slewed(difference_ns: int, elapsed_ns: int) -> int:
    """The part of a difference that may be made up within the elapsed time."""
    most = max(0, elapsed_ns) // SLEW
    return max(-most, min(most, difference_ns))


class Doubt:
    """Something that was seen once and is not believed yet."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None  # (when, value)

    def confirmed(self, value: int, at_ns: int) -> bool:
        """Whether it was seen like this before, some time ago."""
        if self._first is None or abs(self._first[1] - value) > AGREE_NS:
            self._first = at_ns, value
            return False
        return at_ns - self._first[0] >= CONFIRM_NS

    def clear(self) -> None:
        """It was nothing."""
        self._first = None


class SenderClock:
    """Where a sender's NTP clock lies on ours, from the sender reports of one connection.

    All tracks of a connection share that clock, so one estimate of it carries audio and video to
    our clock together.  A report arrives late, never early, so the least difference within a
    minute is the best estimate.
    """

    def __init__(self) -> None:
        self._least = Least(WINDOW_NS)
        self._offset: int | None = None  # our clock minus the sender's
        self._moved_ns = 0
        self._steps_ns = 0  # by how much the sender set its clock since we know it
        self._doubt = Doubt()
        self._heard_ns = 0  # when the newest packet came that one of its tracks told of
        self._silent_until_ns = 0  # end of the last silence of all of them

    @property
    def is_unknown(self) -> bool:
        """Whether there was no report yet."""
        return self._offset is None

    def continuous(self, ntp_ns: int, arrival_ns: int) -> int:
        """A report's time as if the sender had never set its clock, nor NTP's seconds wrapped."""
        ntp_ns -= self._steps_ns
        expected_ns = arrival_ns - (self._offset or 0)
        return ntp_ns + (expected_ns - ntp_ns + _ERA_NS // 2) // _ERA_NS * _ERA_NS

    def take(self, ntp_ns: int, arrival_ns: int, *, known: bool) -> bool:
        """A report with this continuous time came now; False if it is not to be trusted.

        ``known``: its track's earlier reports agree with it, so that it tells of no other clock.
        Else one that contradicts what is known so far must be seen twice.
        """
        offset = arrival_ns - ntp_ns
        if self._offset is None:
            self._restart(offset, arrival_ns)
        elif abs(offset - self._offset) <= DISTRUST_NS:
            self._follow(offset, self._offset, arrival_ns)
        elif known and offset > self._offset:
            self._least.add(arrival_ns, offset)  # it was long under way
        elif known or self._doubt.confirmed(offset, arrival_ns):
            self._restart(offset, arrival_ns)
        else:
            return False
        return True

    def bound(self, ntp_ns: int, at_ns: int) -> None:
        """What was captured at this continuous time came now: it was not later by our clock."""
        if self._offset is not None and at_ns - ntp_ns < self._offset - SLACK_NS:
            self._restart(at_ns - ntp_ns, at_ns)

    def local_ns(self, ntp_ns: int) -> int:
        """What our clock showed at a continuous time of the sender's; there was a report."""
        return ntp_ns + (self._offset or 0)

    def was_set(self, off_ns: int, ntp_ns: int, arrival_ns: int) -> bool:
        """Whether a report whose NTP time is ``off_ns`` more than expected tells of a set clock.

        Else it is the RTP time that is off: then the NTP time arrived when it should.
        """
        beyond = arrival_ns - ntp_ns - (self._offset or 0)
        return abs(beyond + off_ns) < abs(beyond)

    def undo(self, step_ns: int) -> None:
        """The sender set its clock forward by so much: nothing else changed."""
        self._steps_ns += step_ns

    def heard(self, at_ns: int) -> None:
        """A packet came at this time, the newest one of a track."""
        if at_ns - self._heard_ns > PAUSE_NS:
            self._silent_until_ns = at_ns
        self._heard_ns = max(self._heard_ns, at_ns)

    def went_on(self, from_ns: int, until_ns: int) -> bool:
        """Whether the connection was heard all the time, so that no jam made a track silent."""
        return self._silent_until_ns <= from_ns and until_ns - self._heard_ns <= PAUSE_NS

    def _restart(self, offset: int, at_ns: int) -> None:
        self._least.clear()
        self._least.add(at_ns, offset)
        self._offset, self._moved_ns = offset, at_ns
        self._doubt.clear()

    def _follow(self, offset: int, current: int, at_ns: int) -> None:
        best = self._least.add(at_ns, offset)
        self._offset = current + slewed(best - current, at_ns - self._moved_ns)
        self._moved_ns = at_ns
        self._doubt.clear()
