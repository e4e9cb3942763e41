"""AV1 open bitstream units, as far as recording looks into them (AV1 bitstream, section 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from media.errors import BadPacket
from media.tape.payload.bits import Bits

SEQUENCE_HEADER, FRAME_HEADER, TILE_GROUP, METADATA, FRAME = 1, 3, 4, 5, 6
REDUNDANT_FRAME_HEADER = 7
# Not temporal delimiters, tile lists and padding.
STORED = frozenset(
    (SEQUENCE_HEADER, FRAME_HEADER, TILE_GROUP, METADATA, FRAME, REDUNDANT_FRAME_HEADER)
)
_HAS_SIZE, _HAS_EXTENSION = 0x02, 0x04
_KEY_FRAME = 0
_SELECT = 2  # the frame header says it
_PARSED = 256  # bytes of a header that are looked at


def kind(unit: bytes) -> int:
    """obu_type.  The unit must not be empty."""
    return unit[0] >> 3 & 15


def leb128(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` (section 4.10.5), and where it ends.  Raises BadPacket."""
    value = 0
    for i, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * i
        if not byte & 0x80:
            return value, at + i + 1
    raise BadPacket("an AV1 size is cut off")


def to_leb128(value: int) -> bytes:
    """The inverse of :func:`leb128`, in as few bytes as possible."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def content(unit: bytes) -> bytes:
    """What stands behind the header, and behind the size if there is one.  Raises BadPacket."""
    at = 2 if unit[0] & _HAS_EXTENSION else 1
    if at > len(unit):
        raise BadPacket("an OBU is cut off")
    if not unit[0] & _HAS_SIZE:
        return unit[at:]
    size, at = leb128(unit, at)
    if size > len(unit) - at:
        raise BadPacket("an OBU is cut off")
    return unit[at : at + size]


def sized(unit: bytes) -> bytes:
    """The unit in the low-overhead format (section 5.2): with its size.  Raises BadPacket."""
    inside = content(unit)
    head = unit[: 2 if unit[0] & _HAS_EXTENSION else 1]
    if len(head) == 1:
        return bytes((head[0] | _HAS_SIZE,)) + to_leb128(len(inside)) + inside
    return bytes((head[0] | _HAS_SIZE, head[1])) + to_leb128(len(inside)) + inside


def unsized(unit: bytes) -> bytes:
    """The unit without its size, as RTP carries it.  Raises BadPacket."""
    head = unit[: 2 if unit[0] & _HAS_EXTENSION else 1]
    return bytes((head[0] & ~_HAS_SIZE,)) + head[1:] + content(unit)


def units(stream: bytes) -> Iterator[bytes]:
    """The units of a low-overhead stream.  Raises BadPacket."""
    at = 0
    while at < len(stream):
        head = stream[at]
        begin, at = at, at + (2 if head & _HAS_EXTENSION else 1)
        if not head & _HAS_SIZE:
            raise BadPacket("an OBU in a stream without its size")
        size, at = leb128(stream, at)
        at += size
        if at > len(stream):
            raise BadPacket("an OBU is cut off")
        yield stream[begin:at]


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What of a sequence header it takes to read a key frame's size."""

    reduced: bool
    width_bits: int
    height_bits: int
    width: int
    height: int
    timed: bool = False  # a frame header may carry a presentation time
    time_bits: int = 0
    id_bits: int = 0
    screen_content: int = 0
    integer_motion: int = 0
    order_bits: int = 0
    modelled: bool = False  # a frame header may carry buffer removal times
    removals: tuple[int, ...] = ()  # the lengths of those that a first layer's frame carries


def key_frame_size(found: Sequence[bytes]) -> tuple[int, int] | None:
    """Width and height in pixels if a temporal unit begins with a key frame, else None.

    Those of the highest spatial layer.  (0, 0) when the key frame lacks its sequence header, or
    that cannot be read.
    """
    sequence: _Sequence | None = None
    layered = any(unit[0] & _HAS_EXTENSION and unit[1:2] >= b"\x08" for unit in found)
    for unit in found:
        if kind(unit) == SEQUENCE_HEADER:
            sequence = _sequence_of(unit)
        elif kind(unit) in (FRAME, FRAME_HEADER):
            head = content(unit)
            still = sequence is not None and sequence.reduced
            # Its first bits: show_existing_frame, then two of frame_type.
            if not still and (not head or head[0] & 0x80 or head[0] >> 5 & 3 != _KEY_FRAME):
                return None
            if sequence is None:
                return 0, 0
            whole = sequence.width, sequence.height
            return whole if still or layered else _own_size(head, sequence)
    return None


def _own_size(head: bytes, sequence: _Sequence) -> tuple[int, int]:
    try:
        return _frame_size(Bits(head[:_PARSED]), sequence)
    except BadPacket:
        return 0, 0


def _sequence_of(unit: bytes) -> _Sequence | None:
    try:
        return _sequence(Bits(content(unit)[:_PARSED]))
    except BadPacket:
        return None


def _sequence(bits: Bits) -> _Sequence:
    """sequence_header_obu(), section 5.5.1, up to order_hint_bits_minus_1."""
    bits.read(4)  # seq_profile, still_picture
    if bits.read(1):
        bits.read(5)
        return _Sequence(True, *_limits(bits))
    timed, delay_bits, removal_bits, time_bits = _timing(bits)
    removals = _operating_points(bits, delay_bits, removal_bits)
    limits = _limits(bits)
    id_bits = 0
    if bits.read(1):
        delta_bits = bits.read(4) + 2
        id_bits = delta_bits + bits.read(3) + 1
    bits.read(7)  # superblocks, filters, compound predictions, warped motion, dual filter
    ordered = bits.read(1)
    if ordered:
        bits.read(2)
    screen_content = _SELECT if bits.read(1) else bits.read(1)
    integer_motion = _SELECT
    if screen_content and not bits.read(1):
        integer_motion = bits.read(1)
    order_bits = bits.read(3) + 1 if ordered else 0
    return _Sequence(
        False,
        *limits,
        timed,
        time_bits,
        id_bits,
        screen_content,
        integer_motion,
        order_bits,
        delay_bits > 0,
        removals,
    )


def _limits(bits: Bits) -> tuple[int, int, int, int]:
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return width_bits, height_bits, bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _timing(bits: Bits) -> tuple[bool, int, int, int]:
    """timing_info() and decoder_model_info(): (timed, lengths of three fields)."""
    if not bits.read(1):
        return False, 0, 0, 0
    bits.read(64)
    equal_intervals = bits.read(1)
    if equal_intervals:
        bits.golomb()
    if not bits.read(1):
        return False, 0, 0, 0
    delay_bits = bits.read(5) + 1
    bits.read(32)
    removal_bits, time_bits = bits.read(5) + 1, bits.read(5) + 1
    return not equal_intervals, delay_bits, removal_bits, time_bits


def _operating_points(bits: Bits, delay_bits: int, removal_bits: int) -> tuple[int, ...]:
    delayed = bits.read(1)
    removals = []
    for _ in range(bits.read(5) + 1):
        idc = bits.read(12)
        if bits.read(5) > 7:  # seq_level_idx
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
            if idc == 0 or idc & 0x101 == 0x101:
                removals.append(removal_bits)
        if delayed and bits.read(1):
            bits.read(4)
    return tuple(removals)


def _frame_size(bits: Bits, sequence: _Sequence) -> tuple[int, int]:
    """uncompressed_header(), section 5.9.2, of a key frame up to frame_size()."""
    bits.read(3)
    shown = bits.read(1)
    if shown and sequence.timed:
        bits.read(sequence.time_bits)
    if not shown:
        bits.read(2)  # showable_frame, error_resilient_mode
    bits.read(1)  # disable_cdf_update
    screen_content = sequence.screen_content
    if screen_content == _SELECT:
        screen_content = bits.read(1)
    if screen_content and sequence.integer_motion == _SELECT:
        bits.read(1)
    bits.read(sequence.id_bits)
    overridden = bits.read(1)
    bits.read(sequence.order_bits)
    if sequence.modelled and bits.read(1):
        bits.read(sum(sequence.removals))
    if not shown:
        bits.read(8)  # refresh_frame_flags
    if overridden:
        return bits.read(sequence.width_bits) + 1, bits.read(sequence.height_bits) + 1
    return sequence.width, sequence.height
