"""Which m-line of a description a packet belongs to, and what was agreed for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from media.capture.offers import MID, RID
from media.errors import BadPacket
from media.rtc.sdp import MediaSection
from media.rtp.codec import RTX, Codec
from media.rtp.packet import parse_header
from media.tape.model import Kind, Source, Track

_SENDING = ("sendonly", "sendrecv")


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line of media that flows to us, as agreed."""

    kind: Kind
    mid: str
    source: Source
    codecs: tuple[Codec, ...]  # of media
    ssrcs: tuple[int, ...]  # those known before any packet
    extensions: tuple[tuple[int, str], ...]  # (id, URI)
    retransmits: Mapping[int, int] = field(hash=False)  # RTX payload type: the original one
    repairs: tuple[tuple[int, int], ...] = ()  # (SSRC, SSRC of its retransmissions)

    def codec(self, payload_type: int) -> Codec | None:
        """The codec of a payload type."""
        return next((each for each in self.codecs if each.payload_type == payload_type), None)

    def extension(self, uri: str) -> int | None:
        """The id of a header extension, None if it was not agreed on."""
        return next((number for number, each in self.extensions if each == uri), None)

    def means_another(self, track: Track, payload_type: int) -> bool:
        """Whether a payload type is something else on this m-line than a track of it says."""
        now, then = self.codec(payload_type), track.codec(payload_type)
        if self.source is not track.source:
            return True
        return now is not None and then is not None and now.to_json() != then.to_json()


class Sections:
    """The m-lines of one connection that media flows on."""

    def __init__(self, sections: Iterable[Section] = ()) -> None:
        self.all = tuple(sections)
        self.retransmits = {
            rtx: original for each in self.all for rtx, original in each.retransmits.items()
        }
        self.repairs = {rtx: original for each in self.all for original, rtx in each.repairs}

    def find(self, ssrc: int, payload_type: int, packet: bytes) -> Section | None:
        """The m-line of a packet of an SSRC that was not met before.

        By SSRC, then by the mid in the packet, then by payload type (RFC 9143 §9.2).
        """
        for section in self.all:
            if ssrc in section.ssrcs:
                return section
        mid = self.text(packet, MID)
        named = None if mid is None else self.of(mid)
        fitting = [each for each in self.all if each.codec(payload_type)]
        if named is not None:
            return named
        if mid is not None and len(fitting) > 1:
            return None
        return fitting[0] if fitting else None

    def of(self, mid: str) -> Section | None:
        """The m-line of a mid."""
        return next((each for each in self.all if each.mid == mid), None)

    def video_ssrcs(self) -> list[int]:
        """The SSRCs that are known before any packet."""
        return [ssrc for each in self.all if each.kind is Kind.VIDEO for ssrc in each.ssrcs]

    def rid(self, packet: bytes) -> str:
        """Which of several encodings a packet is of (RFC 8852); empty when there is but one."""
        return self.text(packet, RID) or ""

    def text(self, packet: bytes, uri: str) -> str | None:
        """What a header extension says in a packet, None if it is not there."""
        numbers = {each.extension(uri) for each in self.all} - {None}
        if not numbers:
            return None
        try:
            extensions = parse_header(packet).extensions(packet)
        except BadPacket:
            return None
        found = (extensions[number] for number in numbers if number in extensions)
        return next((value.decode("ascii", "replace") for value in found), None)


def section_of(theirs: MediaSection, agreed: MediaSection, source: Source) -> Section | None:
    """What flows on an m-line; None when nothing does.

    ``theirs`` says what they send, ``agreed`` (the answer, ours or theirs) what may be sent.
    """
    if agreed.rejected or theirs.rejected or theirs.direction not in _SENDING:
        return None
    return Section(
        Kind(theirs.kind),
        theirs.mid,
        source,
        tuple(codec for codec in agreed.codecs if codec.key != RTX),
        theirs.ssrcs,
        tuple(sorted(agreed.extensions.items())),
        {codec.payload_type: codec.apt for codec in agreed.codecs if codec.apt is not None},
        theirs.repairs,
    )
