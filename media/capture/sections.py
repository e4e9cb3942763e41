"""Which m-line of a description an SSRC belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from media.capture.offers import MID
from media.errors import BadPacket
from media.rtc.sdp import MediaSection
from media.rtp.codec import Codec
from media.rtp.packet import parse_header
from media.tape.model import Kind


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line of media that flows."""

    kind: Kind
    mid: str
    codecs: tuple[Codec, ...]
    ssrcs: tuple[int, ...]
    mid_extension: int | None  # id of the header extension that carries the mid

    def codec(self, payload_type: int) -> Codec | None:
        """The codec of a payload type."""
        return next((each for each in self.codecs if each.payload_type == payload_type), None)


class Sections:
    """The m-lines of one connection (RFC 9143 §9.2: SSRC, then mid, then payload type)."""

    def __init__(self, media: Iterable[MediaSection]) -> None:
        self._all: Sequence[Section] = [
            _section(each) for each in media if each.kind in tuple(Kind) and not each.rejected
        ]

    def find(self, ssrc: int, payload_type: int, packet: bytes) -> Section | None:
        """The m-line of a packet of an SSRC that was not met before."""
        for section in self._all:
            if ssrc in section.ssrcs:
                return section
        mid = self._mid(packet)
        if mid is not None:
            return next((each for each in self._all if each.mid == mid), None)
        fitting = [each for each in self._all if each.codec(payload_type)]
        return fitting[0] if fitting else None

    def video_ssrcs(self) -> list[int]:
        """The SSRCs that are known before any packet."""
        return [ssrc for each in self._all if each.kind is Kind.VIDEO for ssrc in each.ssrcs]

    def _mid(self, packet: bytes) -> str | None:
        numbers = {each.mid_extension for each in self._all} - {None}
        try:
            extensions = parse_header(packet).extensions(packet)
        except BadPacket:
            return None
        found = (extensions[number] for number in numbers if number in extensions)
        return next((value.decode("ascii", "replace") for value in found), None)


def _section(media: MediaSection) -> Section:
    number = next((number for number, uri in media.extensions.items() if uri == MID), None)
    return Section(Kind(media.kind), media.mid, media.codecs, media.ssrcs, number)
