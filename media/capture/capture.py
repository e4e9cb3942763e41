"""One recording's capture: in the channel until told to stop, everything heard put on tape."""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable
from typing import Any

import structlog

from media.capture.cast import Cast
from media.capture.deck import Deck
from media.capture.idle import Idle
from media.capture.observer import CaptureObserver
from media.capture.rack import Rack
from media.channels.backoff import Backoff
from media.channels.base import (
    Channel,
    ChannelEvent,
    Entrance,
    Occupancy,
    PublisherJoined,
    PublisherLeft,
    PublisherStopped,
    RoomClosed,
    TrackMuted,
    Wants,
)
from media.channels.registry import open_channel
from media.errors import ChannelError, ChannelRefused
from media.rtc import steady
from media.rtc.drain import Drain
from media.rtc.network import ON_THIS_HOST, Network
from media.rtc.rounds import beat
from media.tape.model import NS, Source
from media.tape.writer import TapeWriter

TICK_S = 0.25
JOIN_S = 10.0
LEAVE_S = 6.0
STEADY_S = 30.0  # in the channel for so long: it is missed at once
REJOIN_MOST_S = 1.0  # what a room that is open again hears meanwhile is lost
RETURN_S = 60.0  # a server that starts anew may get its tokens later than its guests come back
GRACE_S = 300.0  # a channel that cannot be reached counts as empty only after this

log = structlog.get_logger(__name__)


class Capture:
    """Joins a channel, taps every wanted publisher, and stays until there is a reason to go.

    The writer stays open: who made it closes it.  With ``keyframe_every_s`` each video track is
    asked for a keyframe so often, counted from its own beginning: where its slices may end.
    """

    def __init__(
        self,
        *,
        channel_url: str,
        cname: str,
        recorder_uid: str,
        token: str | None,
        wants: Wants,
        writer: TapeWriter,
        live: bool,
        max_idle_s: float,
        observer: CaptureObserver,
        track_prefix: str,
        drain: Drain,
        network: Network = ON_THIS_HOST,
        keyframe_every_s: float = 0.0,
        simulcast_substream: int = 2,
    ) -> None:
        self._entrance = Entrance(
            channel_url, cname, recorder_uid, token, network.tls, simulcast_substream
        )
        self._wants = wants
        self._observer = observer
        self._deck = Deck(writer, observer, track_prefix, int(keyframe_every_s * NS))
        self._cast = Cast(self._deck, wants)
        self._rack = Rack(self._deck, drain, network, wants)
        self._channel: Channel | None = None
        self._idle = Idle(live=live, max_idle_s=max_idle_s, now_s=time.monotonic())
        self._idle_changed = asyncio.Event()
        self._was_in_s = -math.inf  # when we left the channel last, or lost it

    async def run(self, stop: asyncio.Event) -> str:
        """Record until the end; why it is.

        ``"stopped"``, ``"idle"``, ``"refused: <why>"`` by the channel, ``"token refused: <why>"``,
        or ``"removed: <why>"`` from it.
        """
        tasks = [
            asyncio.create_task(work, name=f"capture-{name}")
            for name, work in (
                ("stop", self._until_stopped(stop)),
                ("idle", self._until_idle()),
                ("channel", self._stay()),
                ("tick", self._tick()),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task in done).result()
        finally:
            await self._end(tasks)

    def request_keyframes(self) -> None:
        """Ask every video track for a keyframe, each at most once a second."""
        self._rack.request_keyframes(steady.now_ns())

    def want(self, wants: Wants, at_ns: int) -> None:
        """Record these from now on, and nobody else; the tape says so from ``at_ns`` on.

        That may lie a moment back, but not before the beginning of the tape's open part.
        """
        self._wants = wants
        self._cast.want(wants, at_ns)
        self._rack.want(wants)
        if self._channel is not None:
            self._channel.want(wants)

    async def _until_stopped(self, stop: asyncio.Event) -> str:
        await stop.wait()
        return "stopped"

    async def _until_idle(self) -> str:
        while True:
            self._idle_changed.clear()
            left_s = self._idle.remaining_s(time.monotonic())
            if left_s == 0.0:
                return "idle"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._idle_changed.wait()

    async def _stay(self) -> str:
        """Join, and join again whenever the channel is lost; only a refusal ends it.

        Who was in the channel a moment ago asks again for a while before it believes one.
        """
        backoff = Backoff(steady_s=STEADY_S, most_s=REJOIN_MOST_S)
        while True:
            try:
                return await self._attempt()
            except ChannelError as exc:
                away_s = time.monotonic() - self._was_in_s
                if isinstance(exc, ChannelRefused) and away_s > RETURN_S:
                    return f"{'token refused' if exc.is_token else 'refused'}: {exc}"
                log.warning("the channel was lost, joining again", error=str(exc))
                self._nobody()
                self._idle_changed.set()
            await asyncio.sleep(backoff.pause_s())

    async def _attempt(self) -> str:
        channel = open_channel(self._entrance, wants=self._wants, taps=self._rack)
        self._channel = channel
        try:
            await self._join(channel)
            try:
                async for event in channel.events():
                    self._take(event)
                    if isinstance(event, RoomClosed):
                        return f"removed: {event.reason}"
            finally:
                self._was_in_s = time.monotonic()
            raise ChannelError("the channel ended its events without a reason")
        finally:
            self._channel = None
            await self._leave(channel)

    async def _join(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(JOIN_S):
                await channel.join()
        except TimeoutError as exc:
            raise ChannelError("joining the channel took too long") from exc

    async def _leave(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(LEAVE_S):
                await channel.leave()
        except TimeoutError:
            log.warning("leaving the channel took too long")

    def _take(self, event: ChannelEvent) -> None:
        match event:
            case PublisherJoined(uid):
                self._joined(uid)
            case PublisherLeft(uid):
                self._left(uid)
            case PublisherStopped(uid):
                self._stopped(uid)
            case TrackMuted(uid, source, muted):
                self._muted(uid, source, muted=muted)
            case Occupancy(others):
                self._idle.occupied(others, time.monotonic())
            case RoomClosed():
                self._nobody()
        self._idle_changed.set()

    def _joined(self, uid: str) -> None:
        if uid != self._entrance.uid:
            self._idle.joined(uid, time.monotonic())
            self._cast.joined(uid)

    def _left(self, uid: str) -> None:
        self._rest(uid)
        self._cast.left(uid)

    def _stopped(self, uid: str) -> None:
        self._rest(uid)
        self._cast.stopped(uid)

    def _rest(self, uid: str) -> None:
        self._idle.left(uid, time.monotonic())
        self._deck.troubles.left(uid)

    def _muted(self, uid: str, source: Source, *, muted: bool) -> None:
        if self._cast.muted(uid, source, muted=muted):
            self._rack.mute(uid, source, muted=muted)

    def _nobody(self) -> None:
        for uid in self._cast.there:
            self._left(uid)
        self._idle.lost(time.monotonic(), GRACE_S)

    async def _tick(self) -> str:
        return await beat(TICK_S, self._do_what_is_due, first_s=TICK_S)

    def _do_what_is_due(self, lag_s: float) -> None:
        self._observer.loop_lag(lag_s)
        self._rack.tick(steady.now_ns())

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Everybody was asked by the reason itself; who does not go by then is cancelled."""
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LEAVE_S + 1)
        await self._rack.close()
        self._deck.hearing.end(steady.now_ns())
