"""VP9 (RFC 9628): pictures of one or several spatial layers."""

from collections.abc import Sequence
from dataclasses import dataclass

from media.errors import BadPacket
from media.tape.payload.bits import Bits
from media.tape.payload.model import Picture

_I, _P, _L, _F, _B, _V = 0x80, 0x40, 0x20, 0x10, 0x08, 0x02
_MOST_REFERENCES = 3  # P_DIFF, in flexible mode
_MOST_FRAMES = 8  # in a superframe
_SYNC = 0x498342
_RGB = 7  # color_space
_HEADER = 16  # bytes of a key frame that are looked at


class Vp9:
    """Pictures as a decoder takes them: one frame, or the layers' frames in a superframe."""

    single = False

    def begins(self, payload: bytes) -> bool:
        """Start of a frame (section 4.2.1: B)."""
        return payload[0] & _B != 0

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """All layers of one picture.

        Layers that refer to each other cannot be told from those that do not without decoding,
        so every layer stays.
        """
        layers: list[list[bytes]] = []
        sizes: tuple[tuple[int, int], ...] = ()
        spatial = 0
        for payload in payloads:
            if len(payloads) == 1 or payload[0] & _B:
                layers.append([])
            elif not layers:
                raise BadPacket("a VP9 picture begins in the middle of a frame")
            descriptor = _descriptor(payload)
            sizes, spatial = descriptor.sizes or sizes, descriptor.spatial
            layers[-1].append(payload[descriptor.length :])
        frames = [b"".join(pieces) for pieces in layers]
        data = frames[0] if len(frames) == 1 else _superframe(frames)
        size = key_frame_size(data)
        if size is None:
            return Picture(data, keyframe=False)
        if len(frames) > 1 and spatial < len(sizes):
            size = sizes[spatial]
        return Picture(data, True, *size)

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """What of a payload descriptor counts here."""

    length: int  # bytes
    spatial: int = 0  # SID
    sizes: tuple[tuple[int, int], ...] = ()  # of the spatial layers


def _descriptor(payload: bytes) -> _Descriptor:
    """The payload descriptor (section 4.2)."""
    flags, at, spatial = payload[0], 1, 0
    try:
        if flags & _I:
            at += 2 if payload[at] & 0x80 else 1
        if flags & _L:
            spatial = payload[at] >> 1 & 7
            at += 1 if flags & _F else 2  # TL0PICIDX in non-flexible mode
        if flags & _P and flags & _F:
            at = _after_references(payload, at)
        if not flags & _V:
            sizes: tuple[tuple[int, int], ...] = ()
        else:
            at, sizes = _structure(payload, at)
    except IndexError:
        raise BadPacket("a VP9 descriptor is cut off") from None
    if at >= len(payload):
        raise BadPacket("a VP9 packet without content")
    return _Descriptor(at, spatial, sizes)


def _after_references(payload: bytes, at: int) -> int:
    for _ in range(_MOST_REFERENCES):
        at += 1
        if not payload[at - 1] & 1:  # N: one more follows
            return at
    raise BadPacket("a VP9 frame with more than three references")


def _structure(payload: bytes, at: int) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The scalability structure (section 4.2.1): where it ends, and the layers' sizes."""
    head, at = payload[at], at + 1
    sizes = []
    if head & 0x10:  # Y
        for _ in range((head >> 5) + 1):
            if at + 4 > len(payload):
                raise IndexError
            sizes.append(
                (
                    int.from_bytes(payload[at : at + 2], "big"),
                    int.from_bytes(payload[at + 2 : at + 4], "big"),
                )
            )
            at += 4
    if head & 0x08:  # G
        pictures, at = payload[at], at + 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return at, tuple(sizes)


def _superframe(frames: Sequence[bytes]) -> bytes:
    """The frames with a superframe index behind them (VP9 bitstream, Annex B)."""
    if len(frames) > _MOST_FRAMES:
        raise BadPacket("a VP9 picture of too many layers")
    width = (max(map(len, frames)).bit_length() + 7) // 8
    if width > 4:
        raise BadPacket("a VP9 frame that is too large")
    marker = bytes((0xC0 | (width - 1) << 3 | len(frames) - 1,))
    sizes = b"".join(len(frame).to_bytes(width, "little") for frame in frames)
    return b"".join((*frames, marker, sizes, marker))


def key_frame_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in pixels if this is a key frame, else None (bitstream, section 6.2).

    Raises BadPacket when it is no VP9 frame.
    """
    if frame[0] >> 6 != 2:
        raise BadPacket("a VP9 frame without its marker")
    bits = Bits(frame[:_HEADER])
    bits.read(2)
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3:
        bits.read(1)
    if bits.read(1) or bits.read(1):  # show_existing_frame, frame_type
        return None
    bits.read(2)  # show_frame, error_resilient_mode
    if bits.read(24) != _SYNC:
        raise BadPacket("a VP9 key frame without its sync code")
    if profile >= 2:
        bits.read(1)  # ten_or_twelve_bit
    if bits.read(3) != _RGB:
        bits.read(1 if profile in (0, 2) else 4)  # color_range, subsampling
    elif profile in (1, 3):
        bits.read(1)
    else:
        raise BadPacket("a VP9 key frame in colours that its profile has not")
    return bits.read(16) + 1, bits.read(16) + 1
