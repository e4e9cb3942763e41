"""H.264 NAL units: out of RTP payloads (RFC 6184), and what parameter sets say."""

from collections.abc import Iterator, Sequence

from media.errors import BadPacket
from media.tape.payload.bits import Bits

IDR, SPS, PPS, DELIMITER = 5, 7, 8, 9
STAP_A, STAP_B, MTAP16, MTAP24, FU_A, FU_B = 24, 25, 26, 27, 28, 29
SLICES = frozenset((1, 2, 3, 4, 5))
SETS = frozenset((SPS, PPS))
START_CODE = b"\x00\x00\x00\x01"

_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_SLICE_HEAD = 24  # bytes; three numbers are within
_PARSED = 512  # bytes of a parameter set that are looked at


def kind(unit: bytes) -> int:
    """nal_unit_type.  The unit must not be empty."""
    return unit[0] & 0x1F


def annex_b(units: Sequence[bytes]) -> bytes:
    """The units with a start code before each (H.264, Annex B)."""
    return START_CODE + START_CODE.join(units)


def units(payloads: Sequence[bytes]) -> list[bytes]:
    """The NAL units of consecutive payloads of packetization modes 0 and 1.  Raises BadPacket."""
    found: list[bytes] = []
    fragments: list[bytes] = []
    for payload in payloads:
        type_ = payload[0] & 0x1F
        if type_ == FU_A:
            _fragment(payload, fragments, found)
        elif fragments:
            raise BadPacket("a fragmented NAL unit breaks off")
        elif type_ == STAP_A:
            found += aggregated(payload, 1)
        elif 0 < type_ < STAP_A:
            found.append(payload)
        else:
            raise BadPacket("an RTP payload of an unknown H.264 type")
    if fragments or not found:
        raise BadPacket("a fragmented NAL unit breaks off")
    return found


def _fragment(payload: bytes, fragments: list[bytes], found: list[bytes]) -> None:
    """RFC 6184 section 5.8: FU indicator, FU header, a piece."""
    if len(payload) < 3:
        raise BadPacket("a fragment without content")
    header = payload[1]
    if bool(header & 0x80) != (not fragments):
        raise BadPacket("a fragmented NAL unit begins twice or not at all")
    if not fragments:
        fragments.append(bytes((payload[0] & 0xE0 | header & 0x1F,)))
    fragments.append(payload[2:])
    if header & 0x40:
        found.append(b"".join(fragments))
        fragments.clear()


def aggregated(payload: bytes, at: int) -> Iterator[bytes]:
    """The units of a STAP from ``at`` on: each behind 16 bits of size (RFC 6184 section 5.7.1).

    Raises BadPacket.
    """
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if size == 0 or len(unit) < size:
            raise BadPacket("an aggregation packet is cut off")
        yield unit
        at += 2 + size


def size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels after cropping (section 7.4.2.1.1); (0, 0) if unreadable."""
    try:
        return _size(rbsp(sps))
    except BadPacket:
        return 0, 0


def rbsp(unit: bytes) -> Bits:
    """A parameter set's content, without emulation prevention bytes (H.264 section 7.2)."""
    return Bits(unit[1:_PARSED].replace(b"\x00\x00\x03", b"\x00\x00"))


def number(parameter_set: bytes) -> int:
    """seq_parameter_set_id or pic_parameter_set_id.  Raises BadPacket."""
    bits = rbsp(parameter_set)
    if kind(parameter_set) == SPS:
        bits.read(24)  # profile, constraint flags, level
    return bits.golomb()


def sps_of(pps: bytes) -> int:
    """The number of the sequence parameter set that it refers to.  Raises BadPacket."""
    bits = rbsp(pps)
    bits.golomb()
    return bits.golomb()


def pps_of(slice_: bytes) -> int:
    """The number of the picture parameter set that a slice refers to.  Raises BadPacket."""
    bits = rbsp(slice_[:_SLICE_HEAD])
    bits.golomb()  # first_mb_in_slice
    bits.golomb()  # slice_type
    return bits.golomb()


def _size(bits: Bits) -> tuple[int, int]:
    profile = bits.read(8)
    bits.read(16)  # constraint flags, level
    bits.golomb()  # seq_parameter_set_id
    chroma = _chroma_format(bits) if profile in _HIGH_PROFILES else 1
    bits.golomb()  # log2_max_frame_num_minus4
    _skip_order_count(bits)
    bits.golomb()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (bits.golomb() + 1)
    rows = bits.golomb() + 1
    frames_only = bits.read(1)
    height = 16 * rows * (2 - frames_only)
    if not frames_only:
        bits.read(1)  # mb_adaptive_frame_field_flag
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if not (0 < width <= 65536 and 0 < height <= 65536):
        raise BadPacket("a parameter set with an impossible size")
    return width, height


def _chroma_format(bits: Bits) -> int:
    chroma = bits.golomb()
    if chroma == 3:
        bits.read(1)  # separate_colour_plane_flag
    bits.golomb()  # bit_depth_luma_minus8
    bits.golomb()  # bit_depth_chroma_minus8
    bits.read(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.read(1):
        for i in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if i < 6 else 64)
    return chroma


def _skip_scaling_list(bits: Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _skip_order_count(bits: Bits) -> None:
    kind_ = bits.golomb()
    if kind_ == 0:
        bits.golomb()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind_ == 1:
        bits.read(1)
        bits.signed_golomb()
        bits.signed_golomb()
        cycle = bits.golomb()
        if cycle > 255:
            raise BadPacket("a parameter set with an impossible cycle")
        for _ in range(cycle):
            bits.signed_golomb()
