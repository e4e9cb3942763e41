"""Streams of retransmissions (RFC 4588): which stream each of them repairs, and its reports."""

from collections.abc import Iterable, Mapping

from media.capture.offers import MID, REPAIRED_RID
from media.capture.sections import Sections
from media.capture.stream import Stream
from media.rtp.rtcp import ReportBlock

MAX_REPAIRS = 64  # those heard longest ago are forgotten


class _Repair:
    """What a receiver report says of one stream of retransmissions."""

    __slots__ = ("_base", "_next", "_received", "_reported", "ssrc")

    def __init__(self, ssrc: int, seq: int) -> None:
        self.ssrc = ssrc
        self._base = self._next = seq
        self._received = 0
        self._reported = (0, 0)

    def count(self, seq: int) -> None:
        ahead = seq - self._next & 0xFFFF
        if ahead < 0x8000:
            self._next += ahead + 1
        self._received += 1

    def report_block(self) -> ReportBlock:
        expected = self._next - self._base
        asked = expected - self._reported[0]
        lost = max(0, asked - (self._received - self._reported[1]))
        self._reported = (expected, self._received)
        fraction = min(255, lost * 256 // asked) if asked > 0 else 0
        return ReportBlock(self.ssrc, fraction, expected - self._received, self._next - 1, 0)


class Repairs:
    """The streams of retransmissions of one connection."""

    def __init__(self) -> None:
        self._counts: dict[int, _Repair] = {}
        self._learned: dict[int, int] = {}  # SSRC: the SSRC it repairs

    def origin(
        self,
        ssrc: int,
        seq: int,
        original_seq: int,
        packet: bytes,
        sections: Sections,
        streams: Mapping[int, Stream],
    ) -> Stream | None:
        """Which stream a retransmission belongs to; None when that cannot be told yet."""
        self._count(ssrc, seq)
        known = sections.repairs.get(ssrc) or self._learned.get(ssrc)
        stream = None if known is None else streams.get(known)
        return stream or self._learn(ssrc, original_seq, packet, sections, streams)

    def report_blocks(self) -> Iterable[ReportBlock]:
        """One for each."""
        return [repair.report_block() for repair in self._counts.values()]

    def _count(self, ssrc: int, seq: int) -> None:
        repair = self._counts.pop(ssrc, None) or _Repair(ssrc, seq)
        repair.count(seq)
        self._counts[ssrc] = repair
        if len(self._counts) > MAX_REPAIRS:
            oldest = next(iter(self._counts))
            del self._counts[oldest]
            self._learned.pop(oldest, None)

    def _learn(
        self,
        ssrc: int,
        original_seq: int,
        packet: bytes,
        sections: Sections,
        streams: Mapping[int, Stream],
    ) -> Stream | None:
        """By what was agreed and by what the packet says; else by who waits for it (§5.3)."""
        payload_type = sections.retransmits[packet[1] & 0x7F]
        mid, rid = sections.text(packet, MID), sections.text(packet, REPAIRED_RID)
        able = [
            stream
            for stream in streams.values()
            if stream.track.codec(payload_type) is not None
            and mid in (None, stream.mid)
            and rid in (None, stream.rid)
        ]
        if len(able) > 1:
            able = [stream for stream in able if stream.gaps.waits_for(original_seq)]
        if len(able) != 1:
            return None
        self._learned[ssrc] = able[0].track.ssrc
        return able[0]
