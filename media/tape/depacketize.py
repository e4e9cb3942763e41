"""From RTP payloads to frames: VP8 (RFC 7741), H.264 (RFC 6184), Opus (RFC 7587).  Pure."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from media.errors import BadPacket
from media.tape import h264

START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class Picture:
    """What the payloads of one frame make together."""

    data: bytes
    keyframe: bool
    width: int = 0  # pixels; of key frames only, 0 when unknown
    height: int = 0
    shown: bool = True  # False: nothing to decode yet, it belongs before the next frame


class Depacketizer(Protocol):
    """Knows the payload format of one codec."""

    single: bool  # every packet is a frame

    def begins(self, payload: bytes) -> bool:
        """Whether a frame can begin with this payload."""
        ...

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The frame of a complete run of payloads.  Raises BadPacket."""
        ...


class Opus:
    """RFC 7587: each packet is a frame."""

    single = True

    def begins(self, payload: bytes) -> bool:
        """Always."""
        return True

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The packet itself."""
        return Picture(payloads[0] if len(payloads) == 1 else b"".join(payloads), True)


class Vp8:
    """RFC 7741."""

    single = False

    def begins(self, payload: bytes) -> bool:
        """Start of partition 0 (section 4.2: S set, PID zero)."""
        return payload[0] & 0x17 == 0x10

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The frame behind the payload descriptors."""
        data = b"".join([payload[_vp8_descriptor(payload) :] for payload in payloads])
        if not data:
            raise BadPacket("an empty VP8 frame")
        if data[0] & 1:
            return Picture(data, keyframe=False)
        if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
            raise BadPacket("a VP8 key frame without its start code")
        width = int.from_bytes(data[6:8], "little") & 0x3FFF
        height = int.from_bytes(data[8:10], "little") & 0x3FFF
        return Picture(data, True, width, height)


def _vp8_descriptor(payload: bytes) -> int:
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


class H264:
    """RFC 6184, packetization modes 0 and 1; frames come out in Annex B form."""

    single = False

    def __init__(self, fmtp: str = "") -> None:
        """Takes ``sprop-parameter-sets`` (section 8.1) to put before key frames that lack them."""
        sets = _parameter_sets(fmtp)
        self._sps = [unit for unit in sets if h264.kind(unit) == h264.SPS]
        self._pps = [unit for unit in sets if h264.kind(unit) == h264.PPS]

    def begins(self, payload: bytes) -> bool:
        """Whether an access unit can begin here: no slice but the first of a picture."""
        kind = payload[0] & 0x1F
        if kind == h264.FU_A:
            if len(payload) < 3 or not payload[1] & 0x80:
                return False
            kind, body = payload[1] & 0x1F, payload[2]
        elif kind == h264.STAP_A:
            if len(payload) < 5:
                return False
            kind, body = payload[3] & 0x1F, payload[4]
        elif len(payload) > 1:
            body = payload[1]
        else:
            return kind == h264.DELIMITER
        # A slice header begins with first_mb_in_slice, Exp-Golomb: one set bit means zero.
        return kind not in h264.SLICES or body & 0x80 != 0

    def join(self, payloads: Sequence[bytes]) -> Picture:
        """The access unit in Annex B form, with parameter sets before an IDR picture."""
        units = h264.units(payloads)
        kinds = {h264.kind(unit) for unit in units}
        if not kinds & h264.SLICES:
            return Picture(_annex_b(units), False, shown=False)
        if h264.IDR not in kinds:
            return Picture(_annex_b(units), False)
        missing = [] if h264.SPS in kinds else self._sps
        missing = missing if h264.PPS in kinds else missing + self._pps
        at = 1 if h264.kind(units[0]) == h264.DELIMITER else 0
        units[at:at] = missing
        sps = next((unit for unit in units if h264.kind(unit) == h264.SPS), b"")
        width, height = h264.size(sps) if sps else (0, 0)
        return Picture(_annex_b(units), True, width, height)


def _annex_b(units: Sequence[bytes]) -> bytes:
    return START_CODE + START_CODE.join(units)


def _parameter_sets(fmtp: str) -> list[bytes]:
    for part in fmtp.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "sprop-parameter-sets":
            return [unit for text in value.split(",") if (unit := _base64(text))]
    return []


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""  # what the SDP says wrongly is as good as unsaid


def depacketizer(name: str, fmtp: str) -> Depacketizer | None:
    """The depacketizer of a codec (lower-case name), or None if there is none."""
    match name:
        case "opus":
            return Opus()
        case "vp8":
            return Vp8()
        case "h264":
            return H264(fmtp)
    return None
