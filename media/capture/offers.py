"""What a recorder offers to receive, and takes of what is offered.

Nothing is decoded, so every codec in use is welcome.
"""

from collections.abc import Iterable
from dataclasses import replace

from media.rtc.sdp import FEEDBACK, MediaSection
from media.rtp import twcc
from media.rtp.codec import RTX, Codec
from media.tape.model import Kind

# No transport-cc: a server that knows it and goog-remb would take it, and tell ten times a second
# what one REMB per second says better: that nobody has to hold back for a recorder.
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_AUDIO_FEEDBACK = ("nack",)

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_ORIENTATION = "urn:3gpp:video-orientation"
# The numbers are those of libwebrtc: servers that forward packets as they come can agree only to
# a number that the publisher's browser uses as well.
EXTENSIONS = {
    Kind.AUDIO: {1: _LEVEL, 2: _SEND_TIME, 4: MID},
    Kind.VIDEO: {2: _SEND_TIME, 4: MID, 10: RID, 11: REPAIRED_RID, 13: _ORIENTATION},
}


def _video(payload_type: int, name: str, fmtp: str = "") -> Codec:
    return Codec(name, payload_type, 90_000, 1, fmtp, _VIDEO_FEEDBACK)


def _with_rtx(*codecs: Codec) -> tuple[Codec, ...]:
    """Each with its retransmissions, under the number after its own."""
    pairs = (
        (
            codec,
            Codec(RTX, codec.payload_type + 1, codec.clock_rate, 1, f"apt={codec.payload_type}"),
        )
        for codec in codecs
    )
    return tuple(codec for pair in pairs for codec in pair)


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
    Kind.VIDEO: _with_rtx(
        _video(96, "VP8"),
        _h264(102, "42001f", 1),
        _h264(104, "42001f", 0),
        _h264(106, "42e01f", 1),
        _h264(108, "42e01f", 0),
        _h264(112, "4d001f", 1),
        _h264(114, "4d001f", 0),
        _h264(116, "64001f", 1),
        _h264(118, "64001f", 0),
        _video(98, "VP9", "profile-id=0"),
        _video(100, "VP9", "profile-id=2"),
        _video(45, "AV1", "level-idx=5;profile=0;tier=0"),
    ),
}


def kinds_in_order(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Audio first, as browsers do."""
    wanted = frozenset(kinds)
    return tuple(kind for kind in (Kind.AUDIO, Kind.VIDEO) if kind in wanted)


def answer_to(section: MediaSection) -> MediaSection:
    """What we take of an m-line that is offered to us.

    Transport-wide feedback only from a sender of video that knows no other estimate: it costs
    ten packets a second where a REMB costs one.
    """
    if section.kind not in tuple(Kind):
        return section.reject()
    kind = Kind(section.kind)
    feedback, extensions = set(FEEDBACK), set(EXTENSIONS[kind].values())
    if kind is Kind.VIDEO and not any("goog-remb" in codec.feedback for codec in section.codecs):
        feedback.add("transport-cc")
        extensions.add(twcc.URI)
    answer = section.answer(
        codecs={codec.key for codec in CODECS[kind]}, extensions=extensions, feedback=feedback
    )
    if answer.rejected:
        return answer
    if kind is Kind.AUDIO:
        answer = replace(answer, codecs=tuple(map(_repeatable, answer.codecs)))
    sends = section.direction in ("sendonly", "sendrecv")
    return replace(answer, direction="recvonly" if sends else "inactive")


def _repeatable(codec: Codec) -> Codec:
    """Named to be sent again when lost.

    Janus does that for audio as well, though only an answer says so, never its offer.
    """
    return replace(codec, feedback=tuple(dict.fromkeys((*codec.feedback, "nack"))))
