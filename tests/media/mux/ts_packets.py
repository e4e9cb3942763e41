"""Looks into MPEG transport streams (ISO/IEC 13818-1 §2.4.3) and H.264 (Annex B)."""

import io
import re
from collections.abc import Iterator

import av

_SIZE = 188
_START = re.compile(rb"\x00\x00\x01")
_SPS, _PPS = 7, 8


def clocks(data: bytes) -> Iterator[int]:
    """Every program clock reference, in ticks of 27 MHz."""
    for at in range(0, len(data), _SIZE):
        packet = data[at : at + _SIZE]
        assert packet[0] == 0x47
        if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
            base = int.from_bytes(packet[6:12], "big")
            yield (base >> 15) * 300 + (base & 0x1FF)


def parameter_sets(data: bytes) -> set[bytes]:
    """The different SPS and PPS of the picture's stream."""
    found = set()
    with av.open(io.BytesIO(data), format="mpegts") as file:
        for packet in file.demux(video=0):
            for unit in _START.split(bytes(packet)):
                if unit and unit[0] & 0x1F in (_SPS, _PPS):
                    found.add(unit.rstrip(b"\x00"))
    return found
