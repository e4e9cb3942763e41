"""What the first bytes of an MP4 say (ISO/IEC 14496-12)."""

import struct

_HEADER = struct.Struct(">I4s")  # of a box
_SHORT, _LONG = struct.Struct(">8xII"), struct.Struct(">16xIQ")  # of mvhd, by its version


def length_s(begin: bytes) -> float:
    """How long the film is, seconds.

    Raises ValueError unless its index comes before its media, as players on a network want it.
    """
    at = 0
    while at + _HEADER.size <= len(begin):
        size, name = _HEADER.unpack_from(begin, at)
        if name == b"moov":
            return _length_s(begin, at + _HEADER.size)
        if name == b"mdat" or size < _HEADER.size:
            break
        at += size
    raise ValueError("the index does not come first")


def _length_s(begin: bytes, at: int) -> float:
    _, name = _HEADER.unpack_from(begin, at)
    if name != b"mvhd":
        raise ValueError("the index does not begin with its header")
    version = at + _HEADER.size
    layout = _LONG if begin[version] else _SHORT
    scale, duration = layout.unpack_from(begin, version + 4)
    return float(duration / scale)
