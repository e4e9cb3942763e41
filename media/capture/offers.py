"""What a recorder offers to receive.  Nothing is decoded, so every codec in use is welcome."""

from collections.abc import Iterable

from media.rtp.codec import Codec
from media.tape.model import Kind

_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_AUDIO_FEEDBACK = ("nack",)

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXTENSIONS = {
    Kind.AUDIO: {
        1: MID,
        2: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        3: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    },
    Kind.VIDEO: {
        1: MID,
        3: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        4: "urn:3gpp:video-orientation",
    },
}


def _video(payload_type: int, name: str, fmtp: str = "") -> Codec:
    return Codec(name, payload_type, 90_000, 1, fmtp, _VIDEO_FEEDBACK)


def _h264(payload_type: int, profile: str, mode: int) -> Codec:
    fmtp = f"level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"
    return _video(payload_type, "H264", fmtp)


def _audio(payload_type: int, name: str, rate: int, channels: int = 1, fmtp: str = "") -> Codec:
    return Codec(name, payload_type, rate, channels, fmtp, _AUDIO_FEEDBACK)


# No RTX: lost packets come again on their own SSRC and are one track with the rest.
# The RTP clock of G722 runs at 8000 Hz by a historic error (RFC 3551 §4.5.2).
CODECS: dict[Kind, tuple[Codec, ...]] = {
    Kind.AUDIO: (
        _audio(111, "opus", 48_000, 2, "minptime=10;useinbandfec=1"),
        _audio(9, "G722", 8000),
        _audio(0, "PCMU", 8000),
        _audio(8, "PCMA", 8000),
    ),
    Kind.VIDEO: (
        _video(96, "VP8"),
        _h264(102, "42001f", 1),
        _h264(104, "42001f", 0),
        _h264(106, "42e01f", 1),
        _h264(108, "42e01f", 0),
        _video(98, "VP9", "profile-id=0"),
        _video(100, "AV1"),
    ),
}


def kinds_in_order(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Audio first, as browsers do."""
    wanted = frozenset(kinds)
    return tuple(kind for kind in (Kind.AUDIO, Kind.VIDEO) if kind in wanted)
