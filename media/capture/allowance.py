"""How many tracks one connection may begin.  Pure: the caller has the clock."""

from media.capture.clock import NS

MOST = 64  # at once: more than any publisher has
REGAIN_NS = 10 * NS  # one more after so long, for those who change SSRC or codec now and then


class Allowance:
    """A store of tracks to begin.

    A sender that makes up an SSRC or sets its RTP clock anew with every packet would else put a
    track on the tape for each of them, and every part and cut would carry them all.
    """

    __slots__ = ("_full_ns",)

    def __init__(self) -> None:
        self._full_ns = 0  # when the store is full again

    def take(self, now_ns: int) -> bool:
        """Whether one more may begin; if so, it counts as begun."""
        full_ns = max(self._full_ns, now_ns) + REGAIN_NS
        if full_ns - now_ns > MOST * REGAIN_NS:
            return False
        self._full_ns = full_ns
        return True
