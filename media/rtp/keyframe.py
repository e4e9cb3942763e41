"""Whether a payload begins a key frame, told by its first bytes.  Pure; decodes nothing."""

from collections.abc import Callable

_SPS, _IDR = 7, 5
_STAP_A, _FU_A = 24, 28


def begins_keyframe(codec: str, payload: bytes) -> bool:
    """Whether this may be the first packet of a key frame.

    ``codec`` is a :attr:`media.rtp.codec.Codec.key`.  Payloads that are cut off begin none.
    """
    look = _FORMATS.get(codec)
    if look is None:
        return False
    try:
        return look(payload)
    except IndexError:
        return False


def is_known(codec: str) -> bool:
    """Whether key frames of a codec can be told from others here."""
    return codec in _FORMATS


def _vp8(payload: bytes) -> bool:
    """RFC 7741 §4.2 and §4.3: the first partition begins, and P is not set."""
    first, at = payload[0], 1
    if first & 0x17 != 0x10:
        return False
    if first & 0x80:
        flags, at = payload[1], 2
        if flags & 0x80:
            at += 2 if payload[2] & 0x80 else 1
        at += (flags >> 6 & 1) + (flags & 0x30 != 0)
    return payload[at] & 1 == 0


def _vp9(payload: bytes) -> bool:
    """RFC 9628 §4.2: a frame begins that is predicted from no other picture, in the base layer."""
    first, at = payload[0], 1
    if first & 0x40 or not first & 0x08:
        return False
    if first & 0x80:
        at += 2 if payload[1] & 0x80 else 1
    return not first & 0x20 or payload[at] >> 1 & 0x07 == 0


def _h264(payload: bytes) -> bool:
    """RFC 6184 §5: parameter sets or an IDR slice, alone, aggregated or as the first fragment."""
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        kind = payload[3] & 0x1F
    elif kind == _FU_A:
        kind = payload[1] & 0x1F if payload[1] & 0x80 else 0
    return kind in (_SPS, _IDR)


def _av1(payload: bytes) -> bool:
    """AV1 RTP payload format 1.0 §4.4: N says that a coded video sequence begins."""
    return payload[0] & 0x08 != 0


_FORMATS: dict[str, Callable[[bytes], bool]] = {
    "vp8": _vp8,
    "vp9": _vp9,
    "h264": _h264,
    "av1": _av1,
}
