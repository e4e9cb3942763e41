"""The RTP header (RFC 3550 section 5.1, header extensions RFC 8285)."""

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from media.errors import BadPacket

FIXED_HEADER = 12  # bytes
_FIXED = Struct("!BBHII")
_EXTENSION = Struct("!HH")
_ONE_BYTE = 0xBEDE
_TWO_BYTE = 0x1000  # the low four bits are "appbits", to be ignored


class Header(NamedTuple):
    """What an RTP header says.  A tuple, because one is made for every packet."""

    pt: int  # payload type, 0..127
    marker: bool
    seq: int  # 16 bits
    timestamp: int  # 32 bits, in units of the codec's clock
    ssrc: int
    payload_offset: int  # bytes
    padding: int  # bytes at the end that are not payload
    extension_profile: int  # 0 when there is no header extension
    extension_offset: int
    csrc_count: int

    def payload(self, packet: bytes) -> bytes:
        """The payload of the packet this header was parsed from."""
        return packet[self.payload_offset : len(packet) - self.padding]

    def extensions(self, packet: bytes) -> dict[int, bytes]:
        """The header extensions by id, parsed only now; of a repeated id the last one."""
        if not self.extension_profile:
            return {}
        block = packet[self.extension_offset : self.payload_offset]
        if self.extension_profile == _ONE_BYTE:
            return dict(_one_byte_elements(block))
        if self.extension_profile & 0xFFF0 == _TWO_BYTE:
            return dict(_two_byte_elements(block))
        return {}


def peek(packet: bytes) -> tuple[int, int, int, int]:
    """``(pt, seq, timestamp, ssrc)`` at the smallest price, for packets SRTP has verified.

    Raises BadPacket when the packet is shorter than the fixed header.
    """
    if len(packet) < FIXED_HEADER:
        raise BadPacket("shorter than an RTP header")
    _, second, seq, timestamp, ssrc = _FIXED.unpack_from(packet)
    return second & 0x7F, seq, timestamp, ssrc


def parse_header(packet: bytes) -> Header:
    """Parse a packet's header.  Raises BadPacket when the bytes contradict themselves."""
    size = len(packet)
    if size < FIXED_HEADER:
        raise BadPacket("shorter than an RTP header")
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(packet)
    if first >> 6 != 2:
        raise BadPacket("not RTP version 2")
    profile, offset, extension_offset = 0, FIXED_HEADER + 4 * (first & 0x0F), 0
    if first & 0x10:
        if size < offset + 4:
            raise BadPacket("the header extension is cut off")
        profile, words = _EXTENSION.unpack_from(packet, offset)
        extension_offset = offset + 4
        offset = extension_offset + 4 * words
    padding = packet[-1] if first & 0x20 else 0
    if offset + padding > size or (first & 0x20 and not padding):
        raise BadPacket("the header says more than the packet holds")
    return Header(
        second & 0x7F,
        second > 0x7F,
        seq,
        timestamp,
        ssrc,
        offset,
        padding,
        profile,
        extension_offset,
        first & 0x0F,
    )


def find_extension(packet: bytes, number: int) -> bytes:
    """One header extension of a packet, empty if it is not there; for many packets in a row.

    Raises BadPacket when the bytes contradict themselves.
    """
    if len(packet) < 16 or not packet[0] & 0x10:
        return b""
    at = FIXED_HEADER + 4 * (packet[0] & 0x0F)
    if packet[at : at + 2] != b"\xbe\xde":  # the two-byte form is rare
        return parse_header(packet).extensions(packet).get(number, b"")
    end = at + 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    if end > len(packet):
        raise BadPacket("the header extension is cut off")
    at += 4
    while at < end:
        first = packet[at]
        after = at + 2 + (first & 0x0F)
        if first >> 4 == number:
            return packet[at + 1 : after] if after <= end else b""
        if first >= 0xF0:  # "stop here"
            return b""
        at = after if first > 0x0F else at + 1  # padding
    return b""


def build(
    *,
    pt: int,
    seq: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    marker: bool = False,
    extensions: Mapping[int, bytes] | None = None,
) -> bytes:
    """An RTP packet.  ``seq`` and ``timestamp`` may be unwrapped; they are cut to size."""
    block = _extension_block(extensions) if extensions else b""
    first = 0x90 if block else 0x80
    second = pt | 0x80 if marker else pt
    fixed = _FIXED.pack(first, second, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return fixed + block + payload


def with_payload_type(packet: bytes, pt: int) -> bytes:
    """The same packet under another payload type; the marker stays."""
    return b"%c%c%b" % (packet[0], packet[1] & 0x80 | pt, packet[2:])


class Unwrapper:
    """Makes a running number out of one that wraps: 16-bit ``seq``, 32-bit timestamps.

    Each value is taken to be the one nearest to the value before it, so late ones come out
    smaller; the first comes out as it is, hence what is late for the first may be negative.
    """

    __slots__ = ("_half", "_last", "_mask")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self._last: int | None = None

    def unwrap(self, value: int) -> int:
        """The running number of ``value``."""
        if self._last is None:
            self._last = value
        else:
            step = (value - self._last) & self._mask
            self._last += step if step < self._half else step - self._mask - 1
        return self._last


def _one_byte_elements(block: bytes) -> Iterable[tuple[int, bytes]]:
    """RFC 8285 section 4.2; a cut off element ends the list."""
    at = 0
    while at < len(block):
        number, size = block[at] >> 4, (block[at] & 0x0F) + 1
        at += 1
        if number == 0:  # padding
            continue
        if number == 15 or at + size > len(block):  # 15: "stop here"
            return
        yield number, block[at : at + size]
        at += size


def _two_byte_elements(block: bytes) -> Iterable[tuple[int, bytes]]:
    """RFC 8285 section 4.3."""
    at = 0
    while at < len(block):
        number = block[at]
        if number == 0:  # padding
            at += 1
            continue
        if at + 2 > len(block) or at + 2 + block[at + 1] > len(block):
            return
        yield number, block[at + 2 : at + 2 + block[at + 1]]
        at += 2 + block[at + 1]


def _extension_block(extensions: Mapping[int, bytes]) -> bytes:
    one_byte = all(0 < number < 15 and 0 < len(value) <= 16 for number, value in extensions.items())
    if one_byte:
        elements = b"".join(
            bytes([number << 4 | len(value) - 1]) + value for number, value in extensions.items()
        )
    else:
        elements = b"".join(
            bytes([number, len(value)]) + value for number, value in extensions.items()
        )
    elements += bytes(-len(elements) % 4)
    return _EXTENSION.pack(_ONE_BYTE if one_byte else _TWO_BYTE, len(elements) // 4) + elements
