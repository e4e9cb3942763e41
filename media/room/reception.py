"""What the room tells a publisher about its packets (RFC 3550, section 6.4 and appendix A)."""

from media.rtp.rtcp import ReportBlock, SenderReport

_NS = 1_000_000_000
_RESTART = 3000  # a sequence number this far off is a restart, not a late packet


class Reception:
    """Counts one stream's packets and makes report blocks of the counts."""

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self._ssrc = ssrc
        self._ticks_per_ns = clock_rate / _NS
        self._first = self._highest = -1  # running numbers: cycles and sequence number
        self._received = 0
        self._transit = 0
        self._jitter = 0  # in sixteenths of a clock tick
        self._before = (0, 0)  # expected and received at the last report
        self._sender_report = (0, 0)  # middle 32 bits of its NTP time, and when it came

    def count(self, sequence: int, timestamp: int, arrival_ns: int) -> None:
        """One packet came."""
        transit = int(arrival_ns * self._ticks_per_ns) - timestamp & 0xFFFFFFFF
        step = sequence - self._highest & 0xFFFF
        if self._first < 0 or _RESTART < step < 0x10000 - _RESTART:
            self._first = self._highest = sequence
            self._received, self._before = 1, (0, 0)
        else:
            self._received += 1
            if step < 0x8000:
                self._highest += step
            change = transit - self._transit & 0xFFFFFFFF
            self._jitter += min(change, 0x100000000 - change) - (self._jitter + 8 >> 4)
        self._transit = transit

    def reported(self, report: SenderReport, arrival_ns: int) -> None:
        """A sender report of this stream came."""
        self._sender_report = (report.ntp >> 16 & 0xFFFFFFFF, arrival_ns)

    def block(self, now_ns: int) -> ReportBlock | None:
        """What to report now, None before the first packet."""
        if self._first < 0:
            return None
        expected = self._highest - self._first + 1
        last_sr, came_ns = self._sender_report
        return ReportBlock(
            self._ssrc,
            self._fraction_lost(expected),
            expected - self._received,
            self._highest,
            self._jitter >> 4,
            last_sr,
            (now_ns - came_ns) * 65536 // _NS if last_sr else 0,
        )

    def _fraction_lost(self, expected: int) -> int:
        expected_before, received_before = self._before
        self._before = expected, self._received
        due = expected - expected_before
        lost = due - (self._received - received_before)
        return min(255, (lost << 8) // due) if due > 0 and lost > 0 else 0
