"""A subscriber's session: one publisher's tracks go out here."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import structlog

from media.errors import BadPacket
from media.room import negotiate
from media.room.publisher import Publisher
from media.room.relay import Relay
from media.room.session import Session
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtp import rtcp
from media.tape.model import Kind

log = structlog.get_logger(__name__)


class Subscriber(Session):
    """Somebody who hears and sees one publisher."""

    role: ClassVar[str] = "subscriber"

    def __init__(
        self,
        publisher: Publisher,
        offer: sdp.Description,
        *,
        listener: str | None,
        drain: Drain,
        on_ended: Callable[[Session, str], None],
        addresses: Sequence[str],
    ) -> None:
        self._sections, self._wanted = negotiate.give(
            offer, publisher.sent, stream=publisher.stream
        )
        super().__init__(
            publisher.cname, offer, drain=drain, on_ended=on_ended, addresses=addresses
        )
        self.publisher = publisher
        self.listener = listener  # counts as present under this uid
        self.attached = False

    def attach(self) -> None:
        """Let the packets flow; once, after connecting."""
        self.attached = True
        for relay, payload_type in self._feeds():
            relay.subscribe(payload_type, self._peer.send_rtp, self._peer.send_rtcp)

    def detach(self) -> None:
        """The inverse of :meth:`attach`."""
        self.attached = False
        for relay, payload_type in self._feeds():
            relay.unsubscribe(payload_type, self._peer.send_rtp, self._peer.send_rtcp)

    def _feeds(self) -> Iterator[tuple[Relay, int]]:
        for kind, payload_type in self._wanted.items():
            if relay := self.publisher.relay(kind):
                yield relay, payload_type

    def _answer(self) -> tuple[sdp.MediaSection, ...]:
        return self._sections

    def _rtp(self, packet: bytes, arrival_ns: int) -> None:
        """Subscribers send no media; what comes is ignored."""

    def _rtcp(self, compound: bytes, arrival_ns: int) -> None:
        try:
            packets = rtcp.parse(compound)
        except BadPacket as error:
            log.debug("a subscriber's RTCP is broken", session=self.number, error=str(error))
            return
        if self.attached:
            for packet in packets:
                self._feedback(packet)

    def _feedback(self, packet: rtcp.Packet) -> None:
        match packet:
            case rtcp.Nack(media_ssrc=ssrc, sequences=sequences):
                self._lost(ssrc, sequences)
            case rtcp.Pli(media_ssrc=ssrc):
                self._ask_keyframe(ssrc)
            case rtcp.Fir(targets=targets):
                for ssrc, _ in targets:
                    self._ask_keyframe(ssrc)
            case _:
                pass  # reports and estimates end here: each leg has its own

    def _lost(self, ssrc: int, sequences: Sequence[int]) -> None:
        relay = self.publisher.relay_of(ssrc)
        payload_type = self._wanted.get(relay.kind) if relay else None
        if relay is not None and payload_type is not None:
            relay.lost(sequences, payload_type, self._peer.send_rtp)

    def _ask_keyframe(self, ssrc: int) -> None:
        relay = self.publisher.relay_of(ssrc)
        if relay is not None and relay.kind is Kind.VIDEO and Kind.VIDEO in self._wanted:
            relay.ask_keyframe()
