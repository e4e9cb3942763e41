"""The embedded room as a channel: ``room+http://host:port``, or ``room+https``."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import structlog

from media.channels.backoff import Backoff
from media.channels.base import (
    ChannelEvent,
    Entrance,
    Occupancy,
    PublisherJoined,
    PublisherLeft,
    PublisherStopped,
    RoomClosed,
    Taps,
    TrackMuted,
    Wants,
)
from media.channels.sse import Message, messages
from media.channels.whep import Subscription, channel_errors, refuse
from media.errors import ChannelError
from media.tape.model import Kind, Source

QUEUE = 1000  # events; a fuller queue stops the reading, and the server then cuts us off
OPEN_S = 5.0  # to open the event stream and to get the snapshot
SILENCE_S = 25.0  # the server sends a comment every 10 s
STEADY_S = 5.0  # an event stream that lived so long is missed at once
PATIENCE_S = 120.0  # without the event stream; then it is up to the owner of the channel

log = structlog.get_logger(__name__)

Key = tuple[str, str]  # uid, "camera" or "screen"


def source_of(kind: Kind, *, screen: bool) -> Source:
    """What a publisher's track of this kind shows."""
    if kind is Kind.AUDIO:
        return Source.SCREEN_AUDIO if screen else Source.MICROPHONE
    return Source.SCREEN if screen else Source.CAMERA


@dataclass(slots=True)
class _Session:
    """One WHIP session of a publisher as we know it."""

    joined_ns: int
    # By what they are for: who is heard already is not cut off when more is wanted.
    subscriptions: dict[frozenset[Kind], Subscription] = field(default_factory=dict)
    muted: dict[Kind, bool] = field(default_factory=dict)


class RoomChannel:
    """Follows who is there by server-sent events and keeps a WHEP tap on each wanted publisher.

    When the event stream breaks it is opened again and compared with what we know; taps that
    live go on meanwhile.
    """

    def __init__(
        self,
        entrance: Entrance,
        *,
        wants: Wants,
        taps: Taps,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._base = entrance.url.removeprefix("room+").rstrip("/")
        self._cname = quote(entrance.cname, safe="")
        self._uid = entrance.uid
        token = entrance.token
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._wants = wants
        self._taps = taps
        self._tls = entrance.tls
        self._patience_s = patience_s
        self._queue: asyncio.Queue[ChannelEvent | ChannelError] = asyncio.Queue(QUEUE)
        self._sessions: dict[Key, _Session] = {}
        self._listeners: set[str] = set()
        self._stopped: set[str] = set()  # who published, and only listens now
        self._others = -1
        self._http: aiohttp.ClientSession | None = None
        self._follower: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Enter as a listener and begin to subscribe to everybody at once."""
        connector = aiohttp.TCPConnector(ssl=self._tls or True)
        self._http = aiohttp.ClientSession(headers=self._headers, connector=connector)
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._follower = asyncio.create_task(self._follow(opened), name="room-events")
        self._follower.add_done_callback(self._followed)
        try:
            async with asyncio.timeout(OPEN_S):
                await opened
        except TimeoutError as exc:
            await self.leave()
            raise ChannelError("the channel did not answer in time") from exc
        except BaseException:
            await self.leave()
            raise

    async def events(self) -> AsyncIterator[ChannelEvent]:
        """What happens in the room; raises ChannelError when the server is gone for too long."""
        while True:
            event = await self._queue.get()
            if isinstance(event, ChannelError):
                raise event
            yield event
            if isinstance(event, RoomClosed):
                return

    def want(self, wants: Wants) -> None:
        """From now on these are to be heard, and nobody else."""
        self._wants = wants
        for key, session in self._sessions.items():
            self._adjust(key, session)

    async def leave(self) -> None:
        """Close every tap and the event stream; bounded, idempotent."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.cancel()
            await asyncio.wait({follower}, timeout=OPEN_S)
        for key in list(self._sessions):
            self._unsubscribe(self._sessions.pop(key))
        if self._closing:
            await asyncio.wait(self._closing, timeout=OPEN_S)
        http, self._http = self._http, None
        if http is not None:
            await http.close()
            with contextlib.suppress(asyncio.QueueFull):  # then nobody listens anyway
                self._queue.put_nowait(RoomClosed("we left"))

    async def _follow(self, opened: asyncio.Future[None]) -> None:
        backoff, seen_s = Backoff(steady_s=STEADY_S), time.monotonic()
        while True:
            try:
                async with contextlib.aclosing(self._stream()) as stream:
                    async for name, data in stream:
                        await self._take(name, data)
                        seen_s = time.monotonic()
                        if not opened.done():
                            opened.set_result(None)
            except ChannelError as exc:
                if not opened.done():
                    opened.set_exception(exc)
                    return
                log.warning("the event stream of the channel broke", error=str(exc))
                if not exc.retryable or time.monotonic() - seen_s > self._patience_s:
                    await self._queue.put(exc)
                    return
            await asyncio.sleep(backoff.pause_s())

    def _followed(self, follower: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a recording deaf: its owner joins again."""
        error = None if follower.cancelled() else follower.exception()
        if error is not None:
            log.error("following the channel failed", exc_info=error)
            with contextlib.suppress(asyncio.QueueFull):
                self._queue.put_nowait(ChannelError("following the channel failed"))

    async def _stream(self) -> AsyncGenerator[Message]:
        url = f"{self._base}/channels/{self._cname}/events?" + urlencode({"as": self._uid})
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_S, sock_read=SILENCE_S)
        with channel_errors("the event stream of the channel"):
            async with self._http_session().get(url, timeout=timeout) as response:
                refuse(response.status, "entering the channel")
                async for message in messages(response.content.iter_any()):
                    yield message
        raise ChannelError("the server ended the event stream")

    async def _take(self, name: str, data: dict[str, Any]) -> None:
        try:
            events = self._translate(name, data)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ChannelError(f"an event of the channel is malformed: {name}") from exc
        others = len(({uid for uid, _ in self._sessions} | self._listeners) - {self._uid})
        if others != self._others:
            self._others = others
            events.append(Occupancy(others))
        for event in events:
            await self._queue.put(event)

    def _translate(self, name: str, data: dict[str, Any]) -> list[ChannelEvent]:
        match name:
            case "snapshot":
                return self._reconcile(data)
            case "joined":
                return self._came(self._key(data), data)
            case "left":
                return self._gone(self._key(data))
            case "muted":
                return self._muted(self._key(data), Kind(data["kind"]), bool(data["muted"]))
            case "listener_joined":
                self._listeners.add(str(data["uid"]))
            case "listener_left":
                self._listeners.discard(str(data["uid"]))
                return self._gone_for_good()
        return []

    def _reconcile(self, snapshot: dict[str, Any]) -> list[ChannelEvent]:
        """What must have happened while we did not see it."""
        self._listeners = {str(uid) for uid in snapshot["listeners"]}
        there = {self._key(row): row for row in snapshot["publishers"]}
        events = [
            event for key in self._sessions.keys() - there.keys() for event in self._gone(key)
        ]
        for key, row in there.items():
            session = self._sessions.get(key)
            if session is None or session.joined_ns != int(row["joined_ns"]):
                events += self._came(key, row)
            for kind in Kind:
                events += self._muted(key, kind, bool(row["muted"][kind.value]))
        return events + self._gone_for_good()

    def _came(self, key: Key, row: dict[str, Any]) -> list[ChannelEvent]:
        events, uid = self._gone(key), key[0]
        if not self._there(uid):
            events.append(PublisherJoined(uid))
        joined_ns = int(row["joined_ns"] if "joined_ns" in row else row["at_ns"])
        self._sessions[key] = session = _Session(joined_ns)
        self._adjust(key, session)
        self._stopped.discard(uid)
        for kind in Kind:
            events += self._muted(key, kind, bool(row.get("muted", {}).get(kind.value)))
        return events

    def _gone(self, key: Key) -> list[ChannelEvent]:
        session = self._sessions.pop(key, None)
        if session is None:
            return []
        uid, source = key
        self._unsubscribe(session)
        if not self._there(uid) and uid not in self._listeners:
            return [PublisherLeft(uid)]
        events: list[ChannelEvent] = []
        if not self._there(uid):
            self._stopped.add(uid)
            events.append(PublisherStopped(uid))
        # The publisher stays, so no leaving ends the mutes of this session.
        for kind, muted in session.muted.items():
            if muted:
                events.append(TrackMuted(uid, source_of(kind, screen=source == "screen"), False))
        return events

    def _gone_for_good(self) -> list[ChannelEvent]:
        """Who stopped and does not listen any more either."""
        gone = sorted(self._stopped - self._listeners)
        self._stopped &= self._listeners
        return [PublisherLeft(uid) for uid in gone]

    def _muted(self, key: Key, kind: Kind, muted: bool) -> list[ChannelEvent]:
        session = self._sessions.get(key)
        if session is None or session.muted.get(kind, False) == muted:
            return []
        session.muted[kind] = muted
        source = source_of(kind, screen=key[1] == "screen")
        return [TrackMuted(key[0], source, muted)]

    def _there(self, uid: str) -> bool:
        return any(known == uid for known, _ in self._sessions)

    def _key(self, row: dict[str, Any]) -> Key:
        return str(row["uid"]), "screen" if row.get("source") == "screen" else "camera"

    def _adjust(self, key: Key, session: _Session) -> None:
        """Listen to what is wanted; a connection that brings more than that is kept."""
        uid = key[0]
        kinds = self._wants.kinds(uid) if uid != self._uid else frozenset()
        for taken in tuple(session.subscriptions):
            if not taken & kinds:
                self._close(session.subscriptions.pop(taken))
        missing = kinds.difference(*session.subscriptions)
        if missing:
            session.subscriptions[missing] = self._subscribe(key, missing)

    def _subscribe(self, key: Key, kinds: frozenset[Kind]) -> Subscription:
        uid, source = key
        screen = source == "screen"
        query = {"source": "screen"} if screen else {}
        url = f"{self._base}/whep/{self._cname}/{quote(uid, safe='')}?"
        url += urlencode({**query, "as": self._uid})
        return Subscription(
            self._http_session(),
            url,
            lambda: self._taps.open(uid, screen=screen),
            kinds,
            lambda reason: self._taps.unheard(uid, reason, screen=screen),
        )

    def _unsubscribe(self, session: _Session) -> None:
        for subscription in session.subscriptions.values():
            self._close(subscription)
        session.subscriptions.clear()

    def _close(self, subscription: Subscription) -> None:
        task = asyncio.create_task(subscription.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _http_session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise ChannelError("the channel was left")
        return self._http
