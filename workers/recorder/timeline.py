"""Where a recording's timeline begins, how much of it is on tape, and where it ends."""

from media.tape.model import NS
from workers.job.spec import SLICE_SECONDS
from workers.spool.spool import Closed

_SLICE_NS = SLICE_SECONDS * NS
_PROMPT_NS = 5 * NS
_REST_NS = NS // 10


def whole_slices(origin_ns: int, sealed_ns: int, late_ns: int) -> int:
    """How many slices a tape that is sealed so far holds, late packets included."""
    return max(0, (sealed_ns - late_ns - origin_ns) // _SLICE_NS) if origin_ns else 0


def open_from_ns(origin_ns: int, sealed_ns: int, late_ns: int) -> int:
    """From when on nobody has cut such a tape, nor looked at it beyond a slice's end.

    0: all of it is open.
    """
    whole = whole_slices(origin_ns, sealed_ns, late_ns)
    return origin_ns + whole * _SLICE_NS + late_ns if whole else 0


class Timeline:
    """The arithmetic of one recording.  Times are Unix nanoseconds."""

    def __init__(self, accepted_ns: int, origin_ns: int, late_ns: int) -> None:
        self.accepted_ns = accepted_ns
        self.origin_ns = origin_ns  # 0 until there is media
        self.units_sealed = 0  # announced slices
        self._offered = 0  # slices whose announcement was sent, whether or not it arrived
        self.news = False  # the origin is known and not announced
        self._late_ns = late_ns
        self.covered_ns = 0  # the tape is sealed up to here

    def begin(self, first_packet_ns: int) -> bool:
        """The first packet came; False if the timeline had begun already.

        A recording of a channel that is busy begins when it was asked for, so that its length is
        what the customer measures.  One that waits for somebody to come begins with them.
        """
        if self.origin_ns:
            return False
        prompt = first_packet_ns - self.accepted_ns < _PROMPT_NS
        self.origin_ns = self.accepted_ns if prompt else first_packet_ns
        self.news = True
        return True

    def covered(self, until_ns: int) -> None:
        """The tape is sealed up to here."""
        self.covered_ns = max(self.covered_ns, until_ns)

    def sealed(self, units: int) -> None:
        """So many slices are announced."""
        self.units_sealed = max(self.units_sealed, units)
        self._offered = max(self._offered, units)

    def offer(self) -> int:
        """How many slices to announce.

        From now on none of them can be the last one, even if nobody ever says that the
        announcement arrived: a cutter may have heard it.
        """
        self._offered = max(self._offered, self.ready().stop)
        return self._offered

    def ready(self) -> range:
        """Slices that are whole, late packets included, and not announced."""
        whole = whole_slices(self.origin_ns, self.covered_ns, self._late_ns)
        return range(self.units_sealed, max(whole, self.units_sealed))

    def close(self, end_ns: int, reason: str) -> Closed:
        """The end.

        Slices that were announced stay, whatever the end says; as nobody could cut them as the
        last one, an empty slice follows them, in which what is open is finished.
        """
        origin_ns = self.origin_ns
        if not origin_ns:
            return Closed(origin_ns=0, end_ns=0, units=0, reason=reason)
        announced_ns = origin_ns + self._offered * _SLICE_NS
        if self._offered and end_ns <= announced_ns:
            return Closed(
                origin_ns=origin_ns, end_ns=announced_ns, units=self._offered + 1, reason=reason
            )
        end_ns = max(end_ns, origin_ns + _REST_NS)
        whole, rest = divmod(end_ns - origin_ns, _SLICE_NS)
        units = whole + (rest >= _REST_NS)
        if rest < _REST_NS and whole > self._offered:
            end_ns = origin_ns + whole * _SLICE_NS
        units = max(units, self._offered + 1)
        return Closed(origin_ns=origin_ns, end_ns=end_ns, units=units, reason=reason)
