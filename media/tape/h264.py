"""H.264 NAL units: out of RTP payloads (RFC 6184), and the picture size in a parameter set."""

from collections.abc import Sequence

from media.errors import BadPacket

IDR, SPS, PPS, DELIMITER = 5, 7, 8, 9
STAP_A, FU_A = 24, 28
SLICES = frozenset((1, 2, 3, 4, 5))

_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_PARSED = 512  # bytes of a parameter set that are looked at


def kind(unit: bytes) -> int:
    """nal_unit_type."""
    return unit[0] & 0x1F


def units(payloads: Sequence[bytes]) -> list[bytes]:
    """The NAL units of consecutive RTP payloads.  Raises BadPacket."""
    found: list[bytes] = []
    fragments: list[bytes] = []
    for payload in payloads:
        type_ = payload[0] & 0x1F
        if type_ == FU_A:
            _fragment(payload, fragments, found)
        elif fragments:
            raise BadPacket("a fragmented NAL unit breaks off")
        elif type_ == STAP_A:
            found += _aggregated(payload)
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


def _aggregated(payload: bytes) -> list[bytes]:
    """RFC 6184 section 5.7.1: 16-bit sizes, each before its unit."""
    found, at = [], 1
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if size == 0 or len(unit) < size:
            raise BadPacket("an aggregation packet is cut off")
        found.append(unit)
        at += 2 + size
    return found


class _Bits:
    """Reads an RBSP (H.264 section 7.2) without its emulation prevention bytes."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:_PARSED].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, bits: int) -> int:
        if bits > self._left:
            raise BadPacket("a parameter set is cut off")
        self._left -= bits
        return self._value >> self._left & ((1 << bits) - 1)

    def unsigned(self) -> int:
        """ue(v), section 9.1."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise BadPacket("a number in a parameter set is too long")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """se(v), section 9.1.1."""
        number = self.unsigned()
        return (number + 1) // 2 if number & 1 else -(number // 2)


def size(sps: bytes) -> tuple[int, int]:
    """Width and height in pixels after cropping (section 7.4.2.1.1); (0, 0) if unreadable."""
    try:
        return _size(_Bits(sps))
    except BadPacket:
        return 0, 0


def _size(bits: _Bits) -> tuple[int, int]:
    profile = bits.read(8)
    bits.read(16)  # constraint flags, level
    bits.unsigned()  # seq_parameter_set_id
    chroma = _chroma_format(bits) if profile in _HIGH_PROFILES else 1
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (bits.unsigned() + 1)
    rows = bits.unsigned() + 1
    frames_only = bits.read(1)
    height = 16 * rows * (2 - frames_only)
    if not frames_only:
        bits.read(1)  # mb_adaptive_frame_field_flag
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if not (0 < width <= 65536 and 0 < height <= 65536):
        raise BadPacket("a parameter set with an impossible size")
    return width, height


def _chroma_format(bits: _Bits) -> int:
    chroma = bits.unsigned()
    if chroma == 3:
        bits.read(1)  # separate_colour_plane_flag
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.read(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.read(1):
        for i in range(12 if chroma == 3 else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if i < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_order_count(bits: _Bits) -> None:
    kind_ = bits.unsigned()
    if kind_ == 0:
        bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind_ == 1:
        bits.read(1)
        bits.signed()
        bits.signed()
        cycle = bits.unsigned()
        if cycle > 255:
            raise BadPacket("a parameter set with an impossible cycle")
        for _ in range(cycle):
            bits.signed()
