"""A publisher's session: its tracks come in here."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import structlog

from media.errors import BadPacket
from media.room import forward, negotiate
from media.room.channel import Key
from media.room.relay import Relay
from media.room.session import Session
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtp import rtcp
from media.rtp.packet import peek
from media.tape.model import Kind

log = structlog.get_logger(__name__)

VIDEO_BITRATE = 5_000_000  # bit/s, the most we ask browsers to send


class Publisher(Session):
    """Somebody who sends at most one audio and one video track to a channel."""

    role: ClassVar[str] = "publisher"

    def __init__(
        self,
        cname: str,
        key: Key,
        offer: sdp.Description,
        *,
        drain: Drain,
        on_ended: Callable[[Session, str], None],
        addresses: Sequence[str],
    ) -> None:
        self._sections, sent = negotiate.take(offer)
        super().__init__(cname, offer, drain=drain, on_ended=on_ended, addresses=addresses)
        self.key = key
        self.joined_ns = 0  # set when it is let into its channel
        self.stream = secrets.token_hex(8)  # the media stream's name towards subscribers
        self.subscribers: set[Session] = set()
        self._our_ssrc = secrets.randbits(32)
        self._sent = {track.kind: track for track in sent}
        self._relays = {
            track.kind: Relay(track.kind, track.codec, self._our_ssrc, self._peer.send_rtcp)
            for track in sent
        }
        self._by_ssrc: dict[int, Relay] = {}
        for track in sent:
            if track.ssrc is not None:
                self._bind(self._relays[track.kind], track.ssrc)

    @property
    def muted(self) -> dict[str, bool]:
        """Whether audio and video are muted; a kind that is not sent is not muted."""
        return {kind.value: kind in self._relays and self._relays[kind].muted for kind in Kind}

    @property
    def sent(self) -> dict[Kind, negotiate.Sent]:
        """The tracks as subscribers are told about them."""
        return self._sent

    def describe(self) -> dict[str, Any]:
        """For snapshots and the joined event."""
        uid, source = self.key
        return {
            "uid": uid,
            "source": source.value,
            "joined_ns": self.joined_ns,
            "tracks": [relay.describe() for relay in self._relays.values()],
            "muted": self.muted,
        }

    def relay(self, kind: Kind) -> Relay | None:
        """The relay of this kind, None if it is not sent."""
        return self._relays.get(kind)

    def relay_of(self, ssrc: int) -> Relay | None:
        """The relay of this SSRC, None if there is none."""
        return self._by_ssrc.get(ssrc)

    def mute(self, kind: Kind, muted: bool) -> bool:
        """Stop or resume forwarding a kind; False if nothing changed."""
        relay = self._relays.get(kind)
        return relay is not None and relay.mute(muted)

    def report(self, now_ns: int) -> None:
        """Send a receiver report and a generous REMB, without which browsers send little."""
        blocks = [relay.report_block(now_ns) for relay in self._relays.values()]
        report = rtcp.receiver_report(self._our_ssrc, [block for block in blocks if block])
        report += rtcp.source_description(self._our_ssrc, self.stream)
        video = self._relays.get(Kind.VIDEO)
        if video is not None and video.ssrc is not None:
            report += rtcp.remb(self._our_ssrc, VIDEO_BITRATE, [video.ssrc])
        self._peer.send_rtcp(report)

    def _answer(self) -> tuple[sdp.MediaSection, ...]:
        return self._sections

    def _rtp(self, packet: bytes, arrival_ns: int) -> None:
        payload_type, sequence, timestamp, ssrc = peek(packet)
        relay = self._by_ssrc.get(ssrc) or self._adopt(ssrc, payload_type, arrival_ns)
        if relay is not None and payload_type == relay.codec.payload_type:
            relay.rtp(packet, sequence, timestamp, arrival_ns)

    def _adopt(self, ssrc: int, payload_type: int, now_ns: int) -> Relay | None:
        """An SSRC that the offer did not name: known by its payload type (RFC 8843, 9.2).

        A sender may change it any time (RFC 3550, 8.2): then the one before falls silent.
        """
        for relay in self._relays.values():
            if relay.codec.payload_type == payload_type and relay.free(now_ns):
                self._bind(relay, ssrc)
                return relay
        return None

    def _bind(self, relay: Relay, ssrc: int) -> None:
        if relay.ssrc is not None:
            self._by_ssrc.pop(relay.ssrc, None)
        relay.bind(ssrc)
        self._by_ssrc[ssrc] = relay
        self._sent[relay.kind] = replace(self._sent[relay.kind], ssrc=ssrc)

    def _rtcp(self, compound: bytes, arrival_ns: int) -> None:
        try:
            for ssrc, report in forward.reports(compound):
                if relay := self._by_ssrc.get(ssrc):
                    relay.report(report, arrival_ns)
        except BadPacket as error:
            log.debug("a publisher's report is broken", session=self.number, error=str(error))
