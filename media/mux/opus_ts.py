"""Opus in MPEG-TS: what libavformat's muxer leaves to its caller."""

_EMPTY_UNIT = b"\x7f\xe0\x01"  # control header (prefix 0x3ff, no trim), unit size 1


def unit(packet: bytes) -> bytes:
    """An Opus packet in a form the muxer accepts.

    The muxer puts a control header before each packet, and readers strip it.  It refuses
    packets of one byte, which encoders send in silence (DTX); those get their header here.
    """
    return packet if len(packet) > 1 else _EMPTY_UNIT + packet
