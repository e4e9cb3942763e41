"""What a sender's RTP clock did in a silence."""

from dataclasses import dataclass

from media.capture.sender_clock import PAUSE_NS
from media.tape.model import NS

JUDGE_NS = NS // 5  # it is watched for so long: a jam on the network dissolves
JUDGE_MOST_NS = NS


@dataclass(slots=True)
class Pause:
    """A silence, until it is known whether the RTP clock stood still in it.

    If it seems so, the network may have been jammed instead.  Not if other tracks were heard
    meanwhile; else a moment shows it.
    """

    first: int  # RTP time of the first packet after it
    since_ns: int  # when that came
    usual_ns: int  # lateness before
    first_ns: int  # lateness beyond that, at first
    least_ns: int  # and the least of it since
    others: bool  # whether other tracks of the connection went on meanwhile
    is_told: bool = False  # a sender report was believed since: it says where the line is

    @property
    def is_doubtful(self) -> bool:
        """Whether there is anything to judge."""
        return self.first_ns > PAUSE_NS and not self.is_told

    def judge(self, late_ns: int, at_ns: int, now_ns: int) -> bool | None:
        """Whether the clock stood still; None: not known yet.

        The newest packet came at ``at_ns``, so much later than the line before says.
        """
        if not self.is_doubtful:
            return False
        self.least_ns = min(self.least_ns, late_ns - self.usual_ns)
        passed_ns = at_ns - self.since_ns
        dissolved_ns = self.first_ns - self.least_ns
        if dissolved_ns * 5 > self.first_ns:
            return False
        if self.others or (passed_ns >= JUDGE_NS and dissolved_ns * 2 < passed_ns):
            return True
        return True if now_ns - self.since_ns >= JUDGE_MOST_NS else None
