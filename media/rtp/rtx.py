"""Retransmissions in a stream of their own (RFC 4588): wrapping a packet and unwrapping it.  Pure.

The payload of such a packet begins with the original sequence number (OSN, two bytes).
"""

from struct import Struct

from media.rtp.packet import Header, parse_header

_OSN = Struct("!H")
_SECOND_AND_SEQ = Struct("!BH")
_SSRC = Struct("!I")


def original_sequence(packet: bytes, header: Header) -> int | None:
    """The sequence number of the packet that is repeated; None when there is only padding."""
    end = len(packet) - header.padding
    if end - header.payload_offset < _OSN.size:
        return None
    return int(_OSN.unpack_from(packet, header.payload_offset)[0])


def restore(packet: bytes, header: Header, *, ssrc: int, payload_type: int) -> bytes:
    """The original packet of one that has an original sequence number.

    Header extensions, marker, contributing sources and padding are those of the retransmission.
    """
    at = header.payload_offset
    out = bytearray(packet[:at] + packet[at + _OSN.size :])
    (sequence,) = _OSN.unpack_from(packet, at)
    _SECOND_AND_SEQ.pack_into(out, 1, packet[1] & 0x80 | payload_type, sequence)
    _SSRC.pack_into(out, 8, ssrc)
    return bytes(out)


def wrap(packet: bytes, *, ssrc: int, payload_type: int, sequence: int) -> bytes:
    """A retransmission of a packet.  Raises BadPacket when that makes no sense."""
    at = parse_header(packet).payload_offset
    out = bytearray(packet[:at] + packet[2:4] + packet[at:])
    _SECOND_AND_SEQ.pack_into(out, 1, packet[1] & 0x80 | payload_type, sequence & 0xFFFF)
    _SSRC.pack_into(out, 8, ssrc)
    return bytes(out)
