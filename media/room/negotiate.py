"""Answers to offers, as pure functions: which codec, which header extensions, which direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from media.room.errors import NothingInCommon
from media.rtc.sdp import FEEDBACK, Description, MediaSection
from media.rtp.codec import Codec
from media.tape.model import Kind

CODECS: Mapping[Kind, frozenset[str]] = {
    Kind.AUDIO: frozenset({"opus", "pcmu", "pcma", "g722"}),
    Kind.VIDEO: frozenset({"vp8", "h264", "vp9", "av1"}),
}
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXTENSIONS = frozenset(
    {
        MID,
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "urn:3gpp:video-orientation",
    }
)
_TO_SUBSCRIBERS = frozenset(FEEDBACK) - {"goog-remb"}  # we could not slow a publisher for one
# What must agree, most important first, for a decoder to understand the stream.
_PARAMETERS = {
    "h264": ("packetization-mode", "profile-level-id"),
    "vp9": ("profile-id",),
    "av1": ("profile",),
}
_SETS = "sprop-parameter-sets"
_DEFAULTS = {"packetization-mode": "0", "profile-level-id": "420010"}  # RFC 6184, section 8.1


@dataclass(frozen=True, slots=True)
class Sent:
    """One track as its publisher sends it, by the publisher's offer."""

    kind: Kind
    codec: Codec
    ssrc: int | None  # None: to be learned from the first packet
    cname: str = ""
    extensions: Mapping[int, str] = field(default_factory=dict, hash=False)


def take(offer: Description) -> tuple[tuple[MediaSection, ...], tuple[Sent, ...]]:
    """The answer to a publisher, and the tracks it is going to send: at most one of each kind.

    Raises NothingInCommon when that would be none.
    """
    answer: list[MediaSection] = []
    tracks: dict[Kind, Sent] = {}
    for section in offer.media:
        sent = _sent(section)
        if sent is None or sent.kind in tracks:
            answer.append(section.reject())
            continue
        tracks[sent.kind] = sent
        answer.append(_accept(section, sent))
    if not tracks:
        raise NothingInCommon("the room takes Opus, G.711 and G.722, and VP8, H.264, VP9 and AV1")
    return tuple(answer), tuple(tracks.values())


def give(
    offer: Description, tracks: Mapping[Kind, Sent], *, stream: str
) -> tuple[tuple[MediaSection, ...], dict[Kind, int]]:
    """The answer to a subscriber, and the payload type it wants for each kind.

    A kind that the publisher lacks, or sends in a way unknown to the subscriber, is inactive.
    """
    answer: list[MediaSection] = []
    wanted: dict[Kind, int] = {}
    for section in offer.media:
        sent = _track_for(section, tracks)
        codec = _most_like(sent.codec, section) if sent else None
        if sent is None or codec is None or sent.kind in wanted:
            answer.append(_inactive(section))
            continue
        wanted[sent.kind] = codec.payload_type
        answer.append(_offer_up(section, sent, codec, stream))
    return tuple(answer), wanted


def _sent(section: MediaSection) -> Sent | None:
    if section.rejected or section.direction not in ("sendonly", "sendrecv"):
        return None
    kind = _kind(section)
    codec = next((codec for codec in section.codecs if kind and codec.key in CODECS[kind]), None)
    if kind is None or codec is None:
        return None
    ssrc = section.ssrcs[0] if section.ssrcs else None
    return Sent(kind, codec, ssrc, section.cname, section.extensions)


def _kind(section: MediaSection) -> Kind | None:
    return Kind(section.kind) if section.kind in tuple(Kind) else None


def _accept(section: MediaSection, sent: Sent) -> MediaSection:
    feedback = tuple(each for each in sent.codec.feedback if each in FEEDBACK)
    return MediaSection(
        section.kind,
        section.mid,
        "recvonly",
        (replace(sent.codec, feedback=feedback),),
        {number: uri for number, uri in section.extensions.items() if uri in EXTENSIONS},
    )


def _track_for(section: MediaSection, tracks: Mapping[Kind, Sent]) -> Sent | None:
    if section.rejected or section.direction not in ("recvonly", "sendrecv"):
        return None
    kind = _kind(section)
    return tracks.get(kind) if kind else None


def _offer_up(section: MediaSection, sent: Sent, codec: Codec, stream: str) -> MediaSection:
    feedback = tuple(each for each in codec.feedback if each in _TO_SUBSCRIBERS)
    # Packets go on as they are, so only extensions with the same number on both sides can be
    # agreed on; and never the mid, for it names the publisher's m-line, not the subscriber's.
    extensions = {
        number: uri
        for number, uri in section.extensions.items()
        if uri in EXTENSIONS - {MID} and sent.extensions.get(number) == uri
    }
    return MediaSection(
        section.kind,
        section.mid,
        "sendonly",
        (replace(codec, feedback=feedback, fmtp=_with_sets(codec.fmtp, sent.codec)),),
        extensions,
        ssrcs=() if sent.ssrc is None else (sent.ssrc,),
        label=f"{stream} {stream}-{sent.kind.value}",
        cname=sent.cname,
    )


def _inactive(section: MediaSection) -> MediaSection:
    kind = _kind(section)
    codecs = tuple(codec for codec in section.codecs if kind and codec.key in CODECS[kind])
    if section.rejected or not codecs:
        return section.reject()
    plain = tuple(replace(codec, feedback=()) for codec in codecs[:1])
    return MediaSection(section.kind, section.mid, "inactive", plain)


def _most_like(sent: Codec, section: MediaSection) -> Codec | None:
    """Of the subscriber's codecs the one that describes the publisher's stream best."""
    same = [
        codec
        for codec in section.codecs
        if (codec.key, codec.clock_rate, codec.channels)
        == (sent.key, sent.clock_rate, sent.channels)
    ]
    return max(same, key=lambda codec: _likeness(sent, codec), default=None)


def _likeness(sent: Codec, offered: Codec) -> tuple[bool, ...]:
    names = _PARAMETERS.get(sent.key, ())
    return tuple(_parameter(sent, name) == _parameter(offered, name) for name in names)


def _parameter(codec: Codec, name: str) -> str:
    value = _stated(codec, name) or _DEFAULTS.get(name, "0")
    # Of a profile-level-id only profile and constraints matter: levels may differ.
    return value[:4].lower() if name == "profile-level-id" else value


def _stated(codec: Codec, name: str) -> str:
    pairs = (pair.strip().partition("=") for pair in codec.fmtp.split(";"))
    return next((value for key, _, value in pairs if key.lower() == name), "")


def _with_sets(fmtp: str, sent: Codec) -> str:
    """With the publisher's parameter sets, which it may say nowhere else (RFC 6184, 8.2.1)."""
    sets = _stated(sent, _SETS)
    return f"{fmtp};{_SETS}={sets}".lstrip(";") if sets and _SETS not in fmtp else fmtp
