"""What a publisher offers: one codec per track, as the source makes it."""

from collections.abc import Iterable

from media.errors import ChannelRefused
from media.publish.encoders import AUDIO_RATE, VIDEO_RATE
from media.publish.sources import MediaSource
from media.publish.track import OutgoingTrack
from media.rtc.sdp import Description, MediaSection
from media.rtp.codec import Codec
from media.tape.model import Kind

_FEEDBACK = ("nack", "nack pli", "ccm fir")
_PAYLOAD_TYPES = {"vp8": 96, "vp9": 98, "h264": 102, "opus": 111}
_NAMES = {"vp8": "VP8", "vp9": "VP9", "h264": "H264"}


def codecs(source: MediaSource) -> dict[Kind, Codec]:
    """The codec of each track of a source."""
    found: dict[Kind, Codec] = {}
    if Kind.AUDIO in source.kinds:
        stereo = ";stereo=1;sprop-stereo=1" if source.channels == 2 else ""
        found[Kind.AUDIO] = Codec(
            "opus",
            _PAYLOAD_TYPES["opus"],
            AUDIO_RATE,
            2,  # RFC 7587 §7: always two, whatever is in it
            f"minptime=20;useinbandfec=0{stereo}",
            ("nack",),
        )
    if Kind.VIDEO in source.kinds and source.video is not None:
        found[Kind.VIDEO] = Codec(
            _NAMES[source.video],
            _PAYLOAD_TYPES[source.video],
            VIDEO_RATE,
            fmtp=_video_fmtp(source),
            feedback=_FEEDBACK,
        )
    return found


def sections(tracks: Iterable[OutgoingTrack], *, stream: str) -> list[MediaSection]:
    """An m-line for each track; all belong to one media stream, hence play in step."""
    return [
        MediaSection(
            kind=track.kind.value,
            mid=str(index),
            direction="sendonly",
            codecs=(track.codec,),
            ssrcs=(track.ssrc,),
            label=f"{stream} {track.kind.value}",
            cname=track.cname,
        )
        for index, track in enumerate(tracks)
    ]


def check(answer: Description, tracks: Iterable[OutgoingTrack]) -> None:
    """Raise ChannelRefused unless every track was taken as offered."""
    for index, track in enumerate(tracks):
        section = answer.section(str(index))
        codec = next(iter(section.codecs), None) if section is not None else None
        if section is None or section.rejected or codec is None:
            raise ChannelRefused(f"the room does not take {track.codec.name}")
        if codec.payload_type != track.codec.payload_type:
            raise ChannelRefused(f"the room renumbered {track.codec.name}")


def _video_fmtp(source: MediaSource) -> str:
    if source.video == "h264":
        profile = source.profile_level_id
        return f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"
    return "profile-id=0" if source.video == "vp9" else ""
