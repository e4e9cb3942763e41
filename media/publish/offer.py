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
_PAYLOAD_TYPES = {
    "vp8": 96,
    "vp9": 98,
    "h264": 102,
    "av1": 45,
    "opus": 111,
    "pcmu": 0,  # RFC 3551 §6: these have their numbers for ever
    "pcma": 8,
    "g722": 9,
}
_TELEPHONE_HZ = 8000  # of G.722 too, by a historic error (RFC 3551 §4.5.2)


def codecs(source: MediaSource) -> dict[Kind, Codec]:
    """The codec of each track of a source."""
    found: dict[Kind, Codec] = {}
    if Kind.AUDIO in source.kinds:
        found[Kind.AUDIO] = _audio(source)
    if Kind.VIDEO in source.kinds and source.video is not None:
        found[Kind.VIDEO] = Codec(
            source.video.upper(),
            _PAYLOAD_TYPES[source.video],
            VIDEO_RATE,
            fmtp=_video_fmtp(source),
            feedback=_FEEDBACK,
        )
    return found


def _audio(source: MediaSource) -> Codec:
    name, feedback = source.audio, ("nack",)
    number = _PAYLOAD_TYPES[name]
    if name != "opus":
        return Codec(name.upper(), number, _TELEPHONE_HZ, feedback=feedback)
    stereo = ";stereo=1;sprop-stereo=1" if source.channels == 2 else ""
    # RFC 7587 §7: always two channels, whatever is in it.
    return Codec(name, number, AUDIO_RATE, 2, f"minptime=20;useinbandfec=0{stereo}", feedback)


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
    return {"vp9": "profile-id=0", "av1": "profile=0"}.get(source.video or "", "")
