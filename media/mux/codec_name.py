"""Codecs as players are told of them: the ``codecs`` parameter of RFC 6381."""

_FIXED = {"aac": "mp4a.40.2", "opus": "opus", "vp8": "vp8"}
_SPS = 7


def codec_name(codec: str, first: bytes) -> str:
    """The name of ``codec`` (a Codec.key, or ``aac``); "" if there is none.

    ``first`` is the first packet of a file, best a key frame: it tells the profile.  Levels of VP9
    and AV1 are those that every player for the web has.
    """
    if codec in _FIXED:
        return _FIXED[codec]
    if codec == "h264":
        return f"avc1.{_h264_profile(first).hex()}"
    if codec == "vp9":
        profile = first[0] >> 5 & 1 | first[0] >> 3 & 2 if first else 0
        return f"vp09.{profile:02}.41.{8 if profile < 2 else 10:02}"
    return "av01.0.08M.08" if codec == "av1" else ""


def _h264_profile(unit: bytes) -> bytes:
    """Profile, constraints and level, of the sequence parameter set of an Annex B access unit."""
    at = 0
    while (at := unit.find(b"\x00\x00\x01", at)) >= 0:
        at += 3
        if at + 4 <= len(unit) and unit[at] & 0x1F == _SPS:
            return unit[at + 1 : at + 4]
    return b"\x42\xe0\x1f"  # what WebRTC must at least know (RFC 7742 §6.2)
