"""Cuts encoded frames into RTP payloads; pure, one small class per codec."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from media.tape.payload import obu

MAX_PAYLOAD = 1180  # bytes; with RTP, SRTP, UDP and IPv6 headers still below 1280
_PICTURE_IDS = 1 << 15


class Packetizer(Protocol):
    """Turns one access unit into payloads; the marker bit belongs to the last one."""

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """The payloads of one frame, in the order in which they are sent."""
        ...


class SoundPacketizer:
    """One packet is one payload (RFC 7587; G.711 and G.722: RFC 3551 §4.5)."""

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """The packet itself."""
        return [frame]


class Vp8Packetizer:
    """VP8 with a 15-bit picture id (RFC 7741 §4.2)."""

    def __init__(self, first_picture: int = 0) -> None:
        self._picture = first_picture % _PICTURE_IDS

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """The frame in pieces, each behind a four-byte payload descriptor."""
        picture = (0x8000 | self._picture).to_bytes(2, "big")
        self._picture = (self._picture + 1) % _PICTURE_IDS
        pieces = _split(frame, MAX_PAYLOAD - 4)
        return [
            bytes([0x80 | (0x10 if index == 0 else 0), 0x80]) + picture + piece
            for index, piece in enumerate(pieces)
        ]


class Vp9Packetizer:
    """VP9 without layers, in non-flexible mode (RFC 9628 §4.2)."""

    def __init__(self, first_picture: int = 0) -> None:
        self._picture = first_picture % _PICTURE_IDS

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """The frame in pieces, each behind a three-byte payload descriptor."""
        picture = (0x8000 | self._picture).to_bytes(2, "big")
        self._picture = (self._picture + 1) % _PICTURE_IDS
        pieces = _split(frame, MAX_PAYLOAD - 3)
        common = 0x80 | (0 if keyframe else 0x40)
        return [
            bytes([common | (8 if index == 0 else 0) | (4 if index == len(pieces) - 1 else 0)])
            + picture
            + piece
            for index, piece in enumerate(pieces)
        ]


class H264Packetizer:
    """H.264 in packetization mode 1: single NAL units, STAP-A, FU-A (RFC 6184 §5.6-5.8)."""

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """An access unit in Annex B form: small NAL units together, large ones in pieces."""
        payloads: list[bytes] = []
        group: list[bytes] = []
        for unit in nal_units(frame):
            if unit[0] & 0x1F == _ACCESS_UNIT_DELIMITER:
                continue
            if group and _stap_size([*group, unit]) > MAX_PAYLOAD:
                payloads.append(_together(group))
                group = []
            if len(unit) > MAX_PAYLOAD:
                payloads += _fu_a(unit)
            else:
                group.append(unit)
        return payloads + ([_together(group)] if group else [])


class Av1Packetizer:
    """AV1: as many OBUs in a packet as fit, each with its size (AOM RTP payload format 1.0)."""

    def __init__(self, most: int = MAX_PAYLOAD) -> None:
        """``most``: bytes of a payload, at least 8."""
        self._most = most

    def payloads(self, frame: bytes, *, keyframe: bool) -> list[bytes]:
        """A temporal unit in the low-overhead format; its delimiters stay behind (§5)."""
        packets: list[_Av1Packet] = [_Av1Packet()]
        for unit in obu.units(frame):
            if obu.kind(unit) in obu.STORED:
                self._put(obu.unsized(unit), packets)
        packets[0].new_sequence = keyframe
        return [packet.payload() for packet in packets]

    def _put(self, unit: bytes, packets: list["_Av1Packet"]) -> None:
        while True:
            # A size takes two bytes here at most.
            room = self._most - packets[-1].size - 2
            if room <= 0:
                packets.append(_Av1Packet())
                continue
            packets[-1].elements.append(unit[:room])
            unit = unit[room:]
            if not unit:
                return
            packets[-1].goes_on = True
            packets.append(_Av1Packet(continues=True))


@dataclass(slots=True)
class _Av1Packet:
    """Elements behind an aggregation header: Z, Y, W (0: every element has a size), N (§4.4)."""

    continues: bool = False
    goes_on: bool = False
    new_sequence: bool = False
    elements: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 1 + sum(2 + len(element) for element in self.elements)

    def payload(self) -> bytes:
        head = self.continues << 7 | self.goes_on << 6 | self.new_sequence << 3
        pieces = [obu.to_leb128(len(element)) + element for element in self.elements]
        return bytes([head]) + b"".join(pieces)


_ACCESS_UNIT_DELIMITER, _STAP_A, _FU_A = 9, 24, 28


def nal_units(annexb: bytes) -> Iterator[bytes]:
    """The NAL units between the start codes of an Annex B stream (H.264 Annex B.1)."""
    begin = annexb.find(b"\0\0\1")
    while begin >= 0:
        end = annexb.find(b"\0\0\1", begin + 3)
        unit = annexb[begin + 3 : end if end >= 0 else len(annexb)].rstrip(b"\0")
        if unit:
            yield unit
        begin = end


def _together(units: list[bytes]) -> bytes:
    if len(units) == 1:
        return units[0]
    importance = max(unit[0] & 0x60 for unit in units)
    return bytes([importance | _STAP_A]) + b"".join(
        len(unit).to_bytes(2, "big") + unit for unit in units
    )


def _stap_size(units: list[bytes]) -> int:
    return 1 + sum(2 + len(unit) for unit in units)


def _fu_a(unit: bytes) -> list[bytes]:
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    pieces = _split(unit[1:], MAX_PAYLOAD - 2)
    last = len(pieces) - 1
    return [
        bytes([indicator, kind | (0x80 if index == 0 else 0) | (0x40 if index == last else 0)])
        + piece
        for index, piece in enumerate(pieces)
    ]


def _split(data: bytes, most: int) -> list[bytes]:
    """Pieces of nearly the same size, none above ``most`` bytes."""
    count = max(1, -(-len(data) // most))
    edges = [len(data) * index // count for index in range(count + 1)]
    return [data[a:b] for a, b in pairwise(edges)]
