"""H.264 in interleaved mode (RFC 6184, packetization mode 2) put into decoding order.

NAL units come in any order there, each with a decoding order number (DON).  They are sorted
here, and each becomes a packet of its own, as packetization mode 0 would have sent it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from media.errors import BadPacket
from media.tape.model import NS
from media.tape.payload import nal
from media.tape.reorder import Numbered, signed

_RATE = 90_000  # Hz, of every H.264 RTP clock
_MARKER = 0x80
_DON_BITS = 16
_DEPTH = 64  # NAL units; senders interleave over a few pictures


def is_interleaved(fmtp: str) -> bool:
    """Whether ``a=fmtp`` says packetization mode 2."""
    return any(part.replace(" ", "") == "packetization-mode=2" for part in fmtp.split(";"))


@dataclass(slots=True)
class _Unit:
    """One NAL unit, or what is left of one."""

    order: int  # DON, unwrapped
    packet: Numbered  # that it came in, or began in
    offset: int  # RTP ticks after the packet's timestamp
    data: bytes
    torn: bool = False  # a packet is missing right before it


def in_order(packets: Sequence[Numbered]) -> list[Numbered]:
    """The NAL units of one track as packets, in decoding order, numbered without a hole.

    Where something is missing, or makes no sense, a number is left out, so that no frame counts
    as whole across it.
    """
    units = sorted(_Deinterleaver().units(packets), key=attrgetter("order"))
    made: list[Numbered] = []
    number = 0
    for i, unit in enumerate(units):
        # Without a loss near by a jump means nothing: senders may leave numbers out.
        jumped = i > 0 and unit.order - units[i - 1].order != 1
        number += 2 if unit.torn or (jumped and _near_loss(units, i)) else 1
        made.append(_packet(number, unit, last=i + 1 == len(units)))
    return made


def _near_loss(units: Sequence[_Unit], i: int) -> bool:
    return i < _DEPTH or any(unit.torn for unit in units[i - _DEPTH : i + _DEPTH])


def _packet(number: int, unit: _Unit, *, last: bool) -> Numbered:
    _, timestamp, second, _, time_ns, rtp_time = unit.packet
    return (
        number,
        (timestamp + unit.offset) & 0xFFFFFFFF,
        second if last else second & ~_MARKER,  # last to be sent need not be last to decode
        unit.data,
        time_ns + unit.offset * NS // _RATE,
        rtp_time + unit.offset,
    )


class _Deinterleaver:
    """Takes packets apart, in sending order."""

    def __init__(self) -> None:
        self._highest: int | None = None  # DON, unwrapped
        self._last: int | None = None  # number of the packet before
        self._torn = False
        self._begun: tuple[int, Numbered] | None = None  # a fragmented unit: DON, first packet
        self._fragments: list[bytes] = []

    def units(self, packets: Sequence[Numbered]) -> Iterator[_Unit]:
        """All NAL units."""
        for packet in packets:
            if self._last is not None and packet[0] != self._last + 1:
                self._lose()
            self._last = packet[0]
            if packet[3]:
                yield from self._taken(packet)

    def _taken(self, packet: Numbered) -> Iterator[_Unit]:
        try:
            found = self._found(packet)
        except BadPacket:
            self._lose()
            return
        for whence, don, offset, data in found:
            near = don if self._highest is None else self._highest
            order = near + signed(don - near, _DON_BITS)
            self._highest = max(near, order)
            yield _Unit(order, whence, offset, data, self._torn)
            self._torn = False

    def _found(self, packet: Numbered) -> list[tuple[Numbered, int, int, bytes]]:
        payload = packet[3]
        if payload[0] & 0x1F in (nal.FU_A, nal.FU_B):
            return self._fragment(packet)
        if self._begun is not None:
            self._lose()
        return [(packet, *found) for found in aggregated(payload)]

    def _fragment(self, packet: Numbered) -> list[tuple[Numbered, int, int, bytes]]:
        """FU-B begins a unit, FU-A goes on with it (section 5.8)."""
        payload = packet[3]
        if len(payload) < 3 or bool(payload[1] & 0x80) != (payload[0] & 0x1F == nal.FU_B):
            raise BadPacket("a fragment without its number")
        if payload[1] & 0x80:
            if self._begun is not None:
                self._lose()
            self._begun = int.from_bytes(payload[2:4], "big"), packet
            self._fragments = [bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)), payload[4:]]
            return []
        if self._begun is None:
            raise BadPacket("a fragment that begins nowhere")
        self._fragments.append(payload[2:])
        if not payload[1] & 0x40:
            return []
        (don, first), self._begun = self._begun, None
        return [(first, don, 0, b"".join(self._fragments))]

    def _lose(self) -> None:
        self._torn, self._begun = True, None


def aggregated(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """``(DON, timestamp offset, NAL unit)`` of a STAP-B or MTAP (section 5.7).

    Raises BadPacket for all other types: interleaved mode has no units of their own.
    """
    kind = payload[0] & 0x1F
    if kind not in (nal.STAP_B, nal.MTAP16, nal.MTAP24) or len(payload) < 4:
        raise BadPacket("an RTP payload that interleaved H.264 has not")
    base = int.from_bytes(payload[1:3], "big")
    if kind == nal.STAP_B:
        for i, unit in enumerate(nal.aggregated(payload, 3)):
            yield (base + i) & 0xFFFF, 0, unit
        return
    at, ticks = 3, 2 if kind == nal.MTAP16 else 3
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")  # DOND and offset not included
        begin = at + 3 + ticks
        unit = payload[begin : begin + size]
        if size == 0 or len(unit) < size:
            raise BadPacket("an aggregation packet is cut off")
        offset = int.from_bytes(payload[at + 3 : begin], "big")
        yield (base + payload[at + 2]) & 0xFFFF, offset, unit
        at = begin + size
