"""H.264 as MP4 carries it (ISO/IEC 14496-15 §5.3): from Annex B, which encoders write."""

from media.errors import CutFailed
from media.tape.payload import nal

_START = b"\x00\x00\x01"
_LENGTH = 4  # bytes before each NAL unit
# These say in avcC what their parameter set says of colours and depth, too.
_HIGH = frozenset((100, 110, 122, 144))


def sample(access_unit: bytes) -> bytes:
    """The NAL units of an access unit in Annex B form, each behind its length.

    Parameter sets stay in it, as in every MP4 made from a transport stream.  Players that follow
    only the first of several sample descriptions find the later ones here.
    """
    return b"".join(
        part for unit in _units(access_unit) for part in (len(unit).to_bytes(_LENGTH, "big"), unit)
    )


def configuration(access_unit: bytes) -> bytes:
    """The AVCDecoderConfigurationRecord (avcC) of what begins with this key picture.

    Raises CutFailed when its parameter sets are not with it.
    """
    units = _units(access_unit)
    sequence = [unit for unit in units if nal.kind(unit) == nal.SPS]
    picture = [unit for unit in units if nal.kind(unit) == nal.PPS]
    if not sequence or not picture or len(sequence[0]) < 4:
        raise CutFailed("an H.264 stream begins without its parameter sets")
    first = sequence[0]
    record = [b"\x01", first[1:4], bytes((0xFC | _LENGTH - 1, 0xE0 | len(sequence)))]
    record += map(_sized, sequence)
    record.append(bytes((len(picture),)))
    record += map(_sized, picture)
    if first[1] in _HIGH:
        record.append(_colours(first))
    return b"".join(record)


def _units(access_unit: bytes) -> list[bytes]:
    """Between start codes; zeros before a start code belong to no unit (H.264 Annex B.1)."""
    found = (part.rstrip(b"\x00") for part in access_unit.split(_START)[1:])
    return [unit for unit in found if unit]


def _sized(unit: bytes) -> bytes:
    return len(unit).to_bytes(2, "big") + unit


def _colours(sps: bytes) -> bytes:
    bits = nal.rbsp(sps)
    bits.read(24)  # profile, constraint flags, level
    bits.golomb()  # seq_parameter_set_id
    chroma = bits.golomb()
    if chroma == 3:
        bits.read(1)  # separate_colour_plane_flag
    luma_depth, chroma_depth = bits.golomb(), bits.golomb()  # minus 8
    return bytes((0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0))
