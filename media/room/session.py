"""What publishers and subscribers have in common: one WebRTC connection, answered and ended."""

import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from media.room.errors import BadOffer
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.network import LOOPBACK, Network
from media.rtc.peer import Peer

_numbers = itertools.count(1)


class Session(ABC):
    """A client's session, named by an id that only the client knows.

    ``on_ended(session, reason)`` is called exactly once, whatever ends it.
    """

    role: ClassVar[str]

    def __init__(
        self,
        cname: str,
        offer: sdp.Description,
        *,
        drain: Drain,
        on_ended: Callable[["Session", str], None],
        addresses: Sequence[str] = LOOPBACK,
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.number = next(_numbers)  # for logs; the id would let anybody end the session
        self.cname = cname
        self._offer = offer
        self._on_ended = on_ended
        self._reason = ""
        self._peer = Peer(
            controlling=False,
            on_rtp=self._rtp,
            on_rtcp=self._rtcp,
            on_closed=self._closed,
            drain=drain,
            network=Network(addresses=tuple(addresses)),
        )

    async def answer(self) -> str:
        """Open sockets and answer the offer.  Raises ConnectFailed."""
        await self._peer.gather()
        return self._peer.describe(self._answer(), to=self._offer).to_sdp()

    async def connect(self) -> None:
        """Bring the connection up.  Raises ConnectFailed, and has ended then."""
        await self._peer.connect(self._offer)

    async def close(self, reason: str) -> None:
        """End it, with a goodbye to the client.  Idempotent; the first reason counts."""
        self._reason = self._reason or reason
        await self._peer.close()

    def _closed(self, reason: str) -> None:
        self._on_ended(self, self._reason or reason)

    @abstractmethod
    def _answer(self) -> tuple[sdp.MediaSection, ...]:
        """The m-lines of the answer."""

    @abstractmethod
    def _rtp(self, packet: bytes, arrival_ns: int) -> None:
        """A decrypted RTP packet."""

    @abstractmethod
    def _rtcp(self, compound: bytes, arrival_ns: int) -> None:
        """A decrypted RTCP packet."""


def read_offer(text: str) -> sdp.Description:
    """The client's offer.  Raises BadOffer."""
    try:
        return sdp.parse(text)
    except sdp.BadDescription as error:
        raise BadOffer(str(error)) from error
