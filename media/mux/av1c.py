"""What containers must know of an AV1 stream: av1C (AV1 in ISO base media, section 2.3)."""

from media.errors import BadPacket
from media.tape.payload import obu
from media.tape.payload.bits import Bits

_PARSED = 256  # bytes of a sequence header that are looked at
_SELECT = 2
_SRGB = (1, 13, 0)  # BT.709 primaries, sRGB transfer, identity matrix: always 4:4:4


def av1c(unit: bytes) -> bytes:
    """The AV1CodecConfigurationRecord of a temporal unit that begins with a sequence header.

    Raises BadPacket when there is none, or it cannot be read.
    """
    header = next((u for u in obu.units(unit) if obu.kind(u) == obu.SEQUENCE_HEADER), None)
    if header is None:
        raise BadPacket("an AV1 stream begins without its sequence header")
    return _record(Bits(obu.content(header)[:_PARSED])) + obu.sized(header)


def _record(bits: Bits) -> bytes:
    profile = bits.read(3)
    bits.read(1)  # still_picture
    level, tier = (bits.read(5), 0) if (reduced := bits.read(1)) else _operating_point(bits)
    _skip_tools(bits, reduced=bool(reduced))
    return bytes((0x81, profile << 5 | level, tier << 7 | _colour(bits, profile), 0))


def _operating_point(bits: Bits) -> tuple[int, int]:
    """Level and tier of the first operating point; reads all of them (section 5.5.1)."""
    delay_bits = 0
    if bits.read(1):  # timing_info_present_flag
        bits.read(64)
        if bits.read(1):
            bits.golomb()
        if bits.read(1):  # decoder_model_info_present_flag
            delay_bits = bits.read(5) + 1
            bits.read(42)
    delayed = bits.read(1)
    points = []
    for _ in range(bits.read(5) + 1):
        bits.read(12)  # operating_point_idc
        level = bits.read(5)
        points.append((level, bits.read(1) if level > 7 else 0))
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if delayed and bits.read(1):
            bits.read(4)
    return points[0]


def _skip_tools(bits: Bits, *, reduced: bool) -> None:
    """From the picture's size up to color_config()."""
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width_bits + height_bits)
    if not reduced and bits.read(1):  # frame_id_numbers_present_flag
        bits.read(7)
    bits.read(3)  # superblocks, intra filter and edge filter
    if not reduced:
        bits.read(4)  # compound predictions, warped motion, dual filter
        ordered = bits.read(1)
        bits.read(2 if ordered else 0)
        screen_content = _SELECT if bits.read(1) else bits.read(1)
        if screen_content and not bits.read(1):
            bits.read(1)
        bits.read(3 if ordered else 0)
    bits.read(3)  # super-resolution, CDEF, restoration


def _colour(bits: Bits, profile: int) -> int:
    """The seven bits of av1C that say how a sample looks (section 5.5.2)."""
    high = bits.read(1)
    twelve = bits.read(1) if profile == 2 and high else 0
    grey = bits.read(1) if profile != 1 else 0
    described = tuple(bits.read(8) for _ in range(3)) if bits.read(1) else ()
    x, y, position = 1, 1, 0
    if described == _SRGB and not grey:
        x = y = 0
    elif not grey:
        bits.read(1)  # color_range
        x, y = _subsampling(bits, profile, twelve)
        position = bits.read(2) if x and y else 0
    return high << 6 | twelve << 5 | grey << 4 | x << 3 | y << 2 | position


def _subsampling(bits: Bits, profile: int, twelve: int) -> tuple[int, int]:
    if profile == 0:
        return 1, 1
    if profile == 1:
        return 0, 0
    if not twelve:
        return 1, 0
    x = bits.read(1)
    return x, bits.read(1) if x else 0
