"""Session descriptions (RFC 8866, JSEP RFC 9429) as frozen values; aiortc reads and prints them.

Always one transport for all media: BUNDLE (RFC 9143) and rtcp-mux (RFC 5761).
"""

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from aiortc import sdp as aiortc_sdp
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceParameters
from aiortc.rtcrtpparameters import (
    RTCRtcpFeedback,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)

from media.errors import ChannelError
from media.rtp.codec import RTX, Codec

MAX_TEXT = 256 * 1024  # characters; a browser's largest offers have some ten thousand
FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")  # what this side understands
_PROTOCOL = "UDP/TLS/RTP/SAVPF"
_MIRROR = {"sendonly": "recvonly", "recvonly": "sendonly"}
_REPAIR_GROUPS = frozenset({"FID", "FEC-FR", "FEC"})


class BadDescription(ChannelError):
    """A session description that cannot be read, or that leaves out what WebRTC needs."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of a certificate (RFC 8122): ``"sha-256"`` and ``"AB:CD:…"``."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ``a=candidate`` line (RFC 8839)."""

    foundation: str
    component: int
    transport: str
    priority: int
    host: str
    port: int
    type: str
    related: tuple[str, int] | None = None  # what it was made from (RFC 8839 §5.1: raddr, rport)

    @property
    def usable(self) -> bool:
        """Whether we can send checks there: UDP to an address, not to a browser's mDNS name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return self.transport.lower() == "udp" and self.component == 1 and 0 < self.port < 65536


@dataclass(frozen=True, slots=True)
class MediaSection:
    """One m-line."""

    kind: str  # "audio", "video", "application"
    mid: str
    direction: str = "sendrecv"  # or sendonly, recvonly, inactive; from the writer's view
    codecs: tuple[Codec, ...] = ()  # in order of preference
    extensions: Mapping[int, str] = field(default_factory=dict, hash=False)  # id: URI
    ssrcs: tuple[int, ...] = ()  # of media; retransmission and FEC are in repair_ssrcs
    label: str = ""  # the text of a=msid: "<stream id> <track id>"
    cname: str = ""
    repair_ssrcs: tuple[int, ...] = ()
    repairs: tuple[tuple[int, int], ...] = ()  # (SSRC, SSRC of its retransmissions), RFC 4588
    rejected: bool = False
    protocol: str = _PROTOCOL
    formats: tuple[str, ...] = ()  # the end of the m-line, where there are no codecs

    def reject(self) -> "MediaSection":
        """The answer to this section when nothing of it is wanted."""
        formats = self.formats or tuple(str(codec.payload_type) for codec in self.codecs)
        return MediaSection(
            self.kind,
            self.mid,
            "inactive",
            rejected=True,
            protocol=self.protocol,
            formats=formats or ("0",),
        )

    def answer(
        self,
        *,
        codecs: Collection[str],
        extensions: Collection[str] = (),
        feedback: Collection[str] = FEEDBACK,
        ssrcs: tuple[int, ...] = (),
        label: str = "",
        cname: str = "",
    ) -> "MediaSection":
        """The answer that takes what both sides know, under the offer's numbers.

        ``codecs`` are lower-case names, ``extensions`` URIs.  Rejected when no codec is common.
        ``rtx`` among the codecs stands for retransmissions of those that are common.
        """
        media = {
            codec.payload_type for codec in self.codecs if codec.key in codecs and codec.key != RTX
        }
        common = tuple(
            replace(codec, feedback=tuple(each for each in codec.feedback if each in feedback))
            for codec in self.codecs
            if codec.payload_type in media or (RTX in codecs and codec.apt in media)
        )
        if self.rejected or not common:
            return self.reject()
        return MediaSection(
            self.kind,
            self.mid,
            _MIRROR.get(self.direction, self.direction),
            common,
            {number: uri for number, uri in self.extensions.items() if uri in extensions},
            ssrcs,
            label,
            cname,
        )


@dataclass(frozen=True, slots=True)
class Description:
    """An offer or an answer."""

    type: str  # "offer" or "answer"
    media: tuple[MediaSection, ...]
    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    setup: str  # "actpass", "active", "passive"
    candidates: tuple[Candidate, ...] = ()
    ice_lite: bool = False
    end_of_candidates: bool = True

    def section(self, mid: str) -> MediaSection | None:
        """The m-line of this mid."""
        for section in self.media:
            if section.mid == mid:
                return section
        return None

    def to_sdp(self) -> str:
        """The text, with the candidates inline."""
        session = aiortc_sdp.SessionDescription()
        session.origin = "- 1 1 IN IP4 127.0.0.1"
        session.type = self.type
        mids: list[int | str] = [each.mid for each in self.media if not each.rejected]
        session.group = [aiortc_sdp.GroupDescription("BUNDLE", mids)]
        session.msid_semantic = [aiortc_sdp.GroupDescription("WMS", ["*"])]
        session.media = [self._print_section(section) for section in self.media]
        return str(session)

    def _print_section(self, section: MediaSection) -> aiortc_sdp.MediaDescription:
        if section.rejected:
            return _print_rejected(section)
        printed = _print_media(section)
        default = self.candidates[0] if self.candidates else None
        printed.port = default.port if default else 9
        printed.host = default.host if default else "0.0.0.0"  # RFC 9429: "none yet"
        printed.ice = RTCIceParameters(usernameFragment=self.ufrag, password=self.pwd)
        printed.ice_candidates = [_print_candidate(each) for each in self.candidates]
        printed.ice_candidates_complete = self.end_of_candidates
        printed.dtls = RTCDtlsParameters(
            [RTCDtlsFingerprint(each.algorithm, each.value) for each in self.fingerprints],
            aiortc_sdp.DTLS_SETUP_ROLE[self.setup],
        )
        return printed


def parse(text: str) -> Description:
    """Read an offer or answer.  Raises BadDescription.

    Only ``a=setup:actpass`` tells an offer from an answer; the transport is that of the first
    m-line in use, as BUNDLE has it.
    """
    if len(text) > MAX_TEXT:
        raise BadDescription("the session description is too long")
    try:
        session = aiortc_sdp.SessionDescription.parse(text)
        bundled = _bundled(session)
        media = tuple(_read_section(section, bundled) for section in session.media)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise BadDescription(f"the session description cannot be read: {exc!r}") from exc
    except (AssertionError, StopIteration) as exc:  # how aiortc refuses some lines
        raise BadDescription("the session description contradicts itself") from exc
    for section, read in zip(session.media, media, strict=True):
        if not read.rejected:
            return _read_transport(section, media)
    raise BadDescription("the session description has no media in use")


def _bundled(session: aiortc_sdp.SessionDescription) -> frozenset[str]:
    groups: Iterable[aiortc_sdp.GroupDescription] = session.group
    return frozenset(
        str(mid) for group in groups if group.semantic == "BUNDLE" for mid in group.items
    )


def _read_transport(
    section: aiortc_sdp.MediaDescription, media: tuple[MediaSection, ...]
) -> Description:
    ice, dtls = section.ice, section.dtls
    if ice is None or not ice.usernameFragment or not ice.password:
        raise BadDescription("no ice-ufrag and ice-pwd")
    if dtls is None or not dtls.fingerprints:
        raise BadDescription("no fingerprint, or no setup attribute")
    for secret in (ice.usernameFragment, ice.password):
        if len(secret) > 256 or not (secret.isascii() and secret.isprintable()):
            raise BadDescription("ice-ufrag or ice-pwd is not what RFC 8839 allows")
    setup = aiortc_sdp.DTLS_ROLE_SETUP[dtls.role]
    return Description(
        "offer" if setup == "actpass" else "answer",
        media,
        ice.usernameFragment,
        ice.password,
        tuple(Fingerprint(each.algorithm, each.value) for each in dtls.fingerprints),
        setup,
        tuple(_read_candidate(each) for each in section.ice_candidates),
        ice.iceLite,
        section.ice_candidates_complete,
    )


def _read_section(section: aiortc_sdp.MediaDescription, bundled: frozenset[str]) -> MediaSection:
    repairs = frozenset(
        int(ssrc)
        for group in section.ssrc_group
        if group.semantic in _REPAIR_GROUPS
        for ssrc in group.items[1:]
    )
    ssrcs = tuple(_within(each.ssrc, 1 << 32) for each in section.ssrc)
    mid = section.rtp.muxId
    # Port 0 alone says "bundle-only" in an offer; refused m-lines are in no bundle.
    rejected = section.port == 0 and mid not in bundled
    return MediaSection(
        kind=section.kind,
        mid=mid,
        direction=section.direction or "sendrecv",
        codecs=tuple(_read_codec(codec) for codec in section.rtp.codecs),
        extensions={_within(each.id, 256): each.uri for each in section.rtp.headerExtensions},
        ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc not in repairs),
        label=section.msid or "",
        cname=next((each.cname for each in section.ssrc if each.cname), ""),
        repairs=tuple(
            (_within(int(group.items[0]), 1 << 32), _within(int(group.items[1]), 1 << 32))
            for group in section.ssrc_group
            if group.semantic == "FID" and len(group.items) == 2
        ),
        repair_ssrcs=tuple(ssrc for ssrc in ssrcs if ssrc in repairs),
        rejected=rejected,
        protocol=section.profile,
        formats=tuple(str(each) for each in section.fmt),
    )


def _within(number: int, end: int) -> int:
    """The number itself, where the wire has room for it."""
    if not 0 <= number < end:
        raise ValueError(f"{number} is out of range")
    return number


def _read_codec(codec: RTCRtpCodecParameters) -> Codec:
    return Codec(
        codec.name,
        _within(codec.payloadType or 0, 128),
        _within(codec.clockRate, 1 << 32),
        codec.channels or 1,
        aiortc_sdp.parameters_to_sdp(codec.parameters),
        tuple(
            f"{each.type} {each.parameter}" if each.parameter else each.type
            for each in codec.rtcpFeedback
        ),
    )


def _read_candidate(candidate: RTCIceCandidate) -> Candidate:
    return Candidate(
        candidate.foundation,
        candidate.component,
        candidate.protocol,
        candidate.priority,
        candidate.ip,
        candidate.port,
        candidate.type,
        None
        if candidate.relatedAddress is None or candidate.relatedPort is None
        else (candidate.relatedAddress, candidate.relatedPort),
    )


def _print_rejected(section: MediaSection) -> aiortc_sdp.MediaDescription:
    printed = aiortc_sdp.MediaDescription(
        section.kind, 0, section.protocol, list(section.formats or ("0",))
    )
    printed.host = "0.0.0.0"  # nothing is sent there
    printed.direction = "inactive"
    printed.ice = RTCIceParameters()
    printed.rtp = RTCRtpParameters(muxId=section.mid)
    return printed


def _print_media(section: MediaSection) -> aiortc_sdp.MediaDescription:
    payload_types = [codec.payload_type for codec in section.codecs]
    printed = aiortc_sdp.MediaDescription(section.kind, 9, section.protocol, payload_types)
    printed.direction = section.direction
    printed.rtcp_port, printed.rtcp_host, printed.rtcp_mux = 9, "0.0.0.0", True
    printed.msid = section.label or None
    printed.ssrc = [
        aiortc_sdp.SsrcDescription(
            ssrc, cname=section.cname or section.mid or "-", msid=section.label or None
        )
        for ssrc in (*section.ssrcs, *section.repair_ssrcs)
    ]
    printed.ssrc_group = [
        aiortc_sdp.GroupDescription("FID", [ssrc, repair]) for ssrc, repair in section.repairs
    ]
    printed.rtp = RTCRtpParameters(
        codecs=[_print_codec(section.kind, codec) for codec in section.codecs],
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=number, uri=uri)
            for number, uri in section.extensions.items()
        ],
        muxId=section.mid,
    )
    return printed


def _print_codec(kind: str, codec: Codec) -> RTCRtpCodecParameters:
    feedback = [each.partition(" ") for each in codec.feedback]
    return RTCRtpCodecParameters(
        mimeType=f"{kind}/{codec.name}",
        clockRate=codec.clock_rate,
        channels=codec.channels if kind == "audio" else None,
        payloadType=codec.payload_type,
        rtcpFeedback=[
            RTCRtcpFeedback(type=name, parameter=parameter or None)
            for name, _, parameter in feedback
        ],
        parameters=aiortc_sdp.parameters_from_sdp(codec.fmtp) if codec.fmtp else {},
    )


def _print_candidate(candidate: Candidate) -> RTCIceCandidate:
    return RTCIceCandidate(
        component=candidate.component,
        foundation=candidate.foundation,
        ip=candidate.host,
        port=candidate.port,
        priority=candidate.priority,
        protocol=candidate.transport,
        type=candidate.type,
        relatedAddress=candidate.related[0] if candidate.related else None,
        relatedPort=candidate.related[1] if candidate.related else None,
    )
