"""Both ends of a connection on loopback, each with what it received."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self

from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtc.sdp import Description, MediaSection, parse
from media.rtp.codec import Codec

OPUS = Codec("opus", 96, 48000, 2, "minptime=10;useinbandfec=1", ("nack",))
AUDIO = MediaSection("audio", "0", codecs=(OPUS,))


class Side:
    """A Peer that remembers."""

    def __init__(self, drain: Drain, *, controlling: bool, **settings: Any) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.arrivals_ns: list[int] = []
        self.closed: list[str] = []
        self.peer = Peer(
            controlling=controlling,
            on_rtp=self._take_rtp,
            on_rtcp=lambda packet, _: self.rtcp.append(packet),
            on_closed=self.closed.append,
            drain=drain,
            **settings,
        )

    def _take_rtp(self, packet: bytes, arrival_ns: int) -> None:
        self.rtp.append(packet)
        self.arrivals_ns.append(arrival_ns)

    async def __aenter__(self) -> Self:
        await self.peer.gather()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.close()


class Pair:
    """An offering and an answering side, not yet connected."""

    def __init__(self, drain: Drain, **settings: Any) -> None:
        self.drain = drain
        self.offering = Side(drain, controlling=True, **settings)
        self.answering = Side(drain, controlling=False, **settings)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.offering)
        await self._stack.enter_async_context(self.answering)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def descriptions(self) -> tuple[Description, Description]:
        """Offer and answer, each having gone through its text."""
        offer = parse(self.offering.peer.describe([AUDIO]).to_sdp())
        sections = [section.answer(codecs={"opus"}) for section in offer.media]
        return offer, parse(self.answering.peer.describe(sections, to=offer).to_sdp())

    async def connect(self) -> None:
        offer, answer = self.descriptions()
        await asyncio.gather(self.offering.peer.connect(answer), self.answering.peer.connect(offer))


async def until(true: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Wait for something that packets bring about."""
    async with asyncio.timeout(within_s):
        while not true():  # it is about counters, which tell nobody
            await asyncio.sleep(0.005)


def run(scenario: Callable[[Drain], Awaitable[None]]) -> None:
    """Run a scenario on a loop of its own; it must leave no task and no socket to read."""

    async def whole() -> None:
        drain = Drain()
        try:
            await scenario(drain)
            await asyncio.sleep(0)
            assert not drain.busy
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left
        finally:
            drain.close()

    asyncio.run(whole())


async def connected(drain: Drain, then: Callable[[Pair], Awaitable[None]], **settings: Any) -> None:
    """A scenario that begins with two connected sides."""
    async with Pair(drain, **settings) as pair:
        await pair.connect()
        await then(pair)
