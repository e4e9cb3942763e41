"""Boxes of ISO base media files (ISO/IEC 14496-12 §4.2), and those that describe codecs."""

import struct

from media.mux.piece import TrackFormat

U32 = (1 << 32) - 1
# 16.16 fixed point (§8.2.2).
_ONE = 1 << 16
_TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_RESOLUTION = 72 << 16  # dots per inch; everybody writes this
_DEPTH = 24


def matrix(rotation: int = 0) -> bytes:
    """How pictures are shown: turned clockwise by so many degrees (§6.2.2).

    Where that puts them is left at zero, as by FFmpeg, whose players turn the picture and nothing
    else.
    """
    a, b, c, d = (_ONE * one for one in _TURNS[rotation])
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def box(name: str, *content: bytes) -> bytes:
    """A box of at most 4 GB."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name.encode()) + body


def full(name: str, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(name, struct.pack(">I", version << 24 | flags), *content)


def avc1(format_: TrackFormat) -> bytes:
    """The sample entry of H.264 (ISO/IEC 14496-12 §12.1.3, 14496-15 §5.4.2)."""
    head = struct.pack(
        ">6xH16xHHIIIH32xHh",
        1,  # data_reference_index
        format_.width,
        format_.height,
        _RESOLUTION,
        _RESOLUTION,
        0,
        1,  # frame_count
        _DEPTH,
        -1,
    )
    return box("avc1", head, box("avcC", format_.config))


def mp4a(format_: TrackFormat, bitrate: int, peak: int) -> bytes:
    """The sample entry of AAC (ISO/IEC 14496-14 §5.6); bit rates in bit/s."""
    head = struct.pack(">6xH8xHHIHH", 1, format_.channels, 16, 0, format_.timescale & 0xFFFF, 0)
    return box("mp4a", head, full("esds", _elementary(format_.config, bitrate, peak)))


def _elementary(config: bytes, bitrate: int, peak: int) -> bytes:
    """The ES descriptor (ISO/IEC 14496-1 §7.2.6.5)."""
    aac, audio = 0x40, 0x05 << 2 | 1
    decoder = struct.pack(">BBxHII", aac, audio, 0, peak, bitrate) + _descriptor(5, config)
    return _descriptor(3, struct.pack(">Hx", 0), _descriptor(4, decoder), _descriptor(6, b"\x02"))


def _descriptor(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    # The length in four bytes of seven bits, as every writer does: some readers want no other.
    sized = bytes((len(body) >> shift & 0x7F | (0x80 if shift else 0)) for shift in (21, 14, 7, 0))
    return bytes((tag,)) + sized + body
