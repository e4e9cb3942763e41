"""The taps of one recording."""

import asyncio

from media.capture.deck import Deck
from media.capture.tap import RtpTap
from media.channels.base import EVERYBODY, Wants
from media.rtc.drain import Drain
from media.rtc.network import ON_THIS_HOST, Network
from media.tape.model import Source

CLOSE_S = 3.0
TICKS_PER_HEARING = 2
TICKS_PER_DROPS = 8  # the kernel's drops are looked at every 2 s: a system call per socket


class Rack:
    """Opens taps for a channel adapter, and does for all of them what is due."""

    def __init__(
        self,
        deck: Deck,
        drain: Drain,
        network: Network = ON_THIS_HOST,
        wants: Wants = EVERYBODY,
    ) -> None:
        self._network = network
        self._wants = wants
        self._deck = deck
        self._ticks = 0
        self._drain = drain
        self._taps: set[RtpTap] = set()

    def open(self, uid: str, *, screen: bool = False) -> RtpTap:
        """A tap for one connection of one publisher."""
        tap = RtpTap(
            self._deck,
            self._drain,
            uid,
            screen=screen,
            network=self._network,
            on_closed=self._taps.discard,
        )
        tap.want(self._wants.kinds(uid))
        self._taps.add(tap)
        return tap

    def want(self, wants: Wants) -> None:
        """From now on the taps put these on tape, and nobody else; whatever still arrives."""
        self._wants = wants
        for tap in self._taps:
            tap.want(wants.kinds(tap.uid))

    def unheard(self, uid: str, reason: str, *, screen: bool = False) -> None:
        """See :class:`media.channels.base.Taps`."""
        self._deck.troubles.failed(uid, reason, screen=screen)

    def tick(self, now_ns: int) -> None:
        """Clock maps, reports and counts; four times a second."""
        self._ticks += 1
        for tap in tuple(self._taps):
            tap.tick(now_ns)
            if self._ticks % TICKS_PER_DROPS == 0:
                tap.count_drops()
        if self._ticks % TICKS_PER_HEARING == 0:
            self._deck.hearing.tick(now_ns)

    def request_keyframes(self, now_ns: int) -> None:
        """Ask every video track for a keyframe."""
        for tap in self._taps:
            tap.request_keyframes(now_ns)

    def mute(self, uid: str, source: Source, *, muted: bool) -> None:
        """The packets of a muted track are withheld, not lost."""
        for tap in self._taps:
            if tap.uid == uid:
                tap.mute(source, muted=muted)

    async def close(self) -> None:
        """Close what a channel adapter left open; bounded."""
        closing = [asyncio.create_task(tap.close()) for tap in self._taps]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)
