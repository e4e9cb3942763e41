"""VP8 (RFC 7741)."""

from collections.abc import Sequence

from media.errors import BadPacket
from media.tape.payload.model import Picture


class Vp8:
    """Frames as the encoder made them."""

    single = False

    def begins(self, payload: bytes) -> bool:
        """Start of partition 0 (section 4.2: S set, PID zero)."""
        return payload[0] & 0x17 == 0x10

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The frame behind the payload descriptors."""
        data = b"".join([payload[_descriptor(payload) :] for payload in payloads])
        if not data:
            raise BadPacket("an empty VP8 frame")
        if data[0] & 1:
            return Picture(data, keyframe=False)
        if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
            raise BadPacket("a VP8 key frame without its start code")
        width = int.from_bytes(data[6:8], "little") & 0x3FFF
        height = int.from_bytes(data[8:10], "little") & 0x3FFF
        return Picture(data, True, width, height)

    def glean(self, payloads: Sequence[bytes]) -> None:
        """Nothing."""


def _descriptor(payload: bytes) -> int:
    """Size of the payload descriptor (section 4.2)."""
    if not payload[0] & 0x80:
        return 1
    if len(payload) < 2:
        raise BadPacket("a VP8 descriptor is cut off")
    flags, size = payload[1], 2
    if flags & 0x80:  # I: picture id of 7 or 15 bits
        if len(payload) < 3:
            raise BadPacket("a VP8 picture id is cut off")
        size += 2 if payload[2] & 0x80 else 1
    if flags & 0x40:  # L: TL0PICIDX
        size += 1
    if flags & 0x30:  # T or K: TID, Y, KEYIDX
        size += 1
    if size > len(payload):
        raise BadPacket("a VP8 descriptor is cut off")
    return size
