"""The room: all channels and sessions of one server."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from media.errors import ConnectFailed
from media.room.channel import Channel
from media.room.errors import BadRequest, NotThere, RoomFull
from media.room.events import Watcher
from media.room.limits import Limits
from media.room.publisher import Publisher
from media.room.session import Session, read_offer
from media.room.subscriber import Subscriber
from media.rtc.drain import Drain
from media.rtc.network import LOOPBACK
from media.tape.model import Kind, Source

log = structlog.get_logger(__name__)

REPORT_EVERY_S = 1.0


class Room:
    """Lets publishers and subscribers in and out; belongs to one event loop."""

    def __init__(self, limits: Limits, *, addresses: Sequence[str] = LOOPBACK) -> None:
        self._limits = limits
        self._addresses = addresses
        self._drain = Drain()
        self._channels: dict[str, Channel[Publisher]] = {}
        self._sessions: dict[str, Session] = {}
        self._watchers: set[Watcher] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._spawn(self._report(), "room reports")

    def counts(self) -> dict[str, int]:
        """How much is going on, for health checks."""
        return {
            "channels": len(self._channels),
            "sessions": len(self._sessions),
            "watchers": len(self._watchers),
        }

    async def publish(self, cname: str, uid: str, source: Source, offer: str) -> tuple[str, str]:
        """Take a publisher's offer; returns its session's id and our answer.

        The publisher is present, and replaces an older one of the same name, once connected.
        """
        self._check_place()
        if channel := self._channels.get(cname):
            channel.check_place((uid, source), self._limits.publishers)
        publisher = Publisher(
            cname,
            (uid, source),
            read_offer(offer),
            drain=self._drain,
            on_ended=self._ended,
            addresses=self._addresses,
        )
        return await self._enter(publisher, self._joined)

    async def subscribe(
        self, cname: str, uid: str, source: Source, offer: str, *, listener: str | None
    ) -> tuple[str, str]:
        """Take the offer of somebody who wants to hear a publisher.  Raises NotThere."""
        self._check_place()
        channel = self._channels.get(cname)
        publisher = channel.find((uid, source)) if channel else None
        if publisher is None:
            raise NotThere("this uid does not publish in this channel")
        subscriber = Subscriber(
            publisher,
            read_offer(offer),
            listener=listener,
            drain=self._drain,
            on_ended=self._ended,
            addresses=self._addresses,
        )
        publisher.subscribers.add(subscriber)
        return await self._enter(subscriber, self._subscribed)

    async def end(self, session_id: str) -> None:
        """A client leaves; what it sent before is forwarded.  Raises NotThere."""
        self._drain.flush()
        await self._find(session_id).close("left")

    def mute(self, session_id: str, kind: Kind, muted: bool) -> dict[str, bool]:
        """Stop or resume forwarding a publisher's track; returns what is muted now.

        What the publisher sent before it asked has arrived and is forwarded.
        """
        self._drain.flush()
        publisher = self._find(session_id)
        if not isinstance(publisher, Publisher):
            raise BadRequest("only a publisher can be muted")
        if publisher.mute(kind, muted) and (channel := self._channels.get(publisher.cname)):
            channel.muted(publisher, kind, muted)
        return publisher.muted

    @contextmanager
    def watching(
        self, cname: str, listener: str | None, on_overflow: Callable[[], None]
    ) -> Iterator[Watcher]:
        """A watcher of a channel; ``listener`` is present as such meanwhile."""
        if self._closing or len(self._watchers) >= self._limits.watchers:
            raise RoomFull("too many event streams are open")
        watcher = Watcher(self._limits.waiting_events, on_overflow)
        channel = self._channel(cname)
        if listener is not None:
            channel.listen(listener)
        channel.watch(watcher)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            channel.unwatch(watcher)
            if listener is not None:
                channel.unlisten(listener)
            self._tidy(channel)

    async def close(self) -> None:
        """End every session and event stream.  Idempotent."""
        self._closing = True
        sessions = list(self._sessions.values())
        await asyncio.gather(*(session.close("the room closes") for session in sessions))
        for watcher in self._watchers:
            watcher.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drain.close()

    async def _enter(self, session: Session, connected: Callable[[Any], None]) -> tuple[str, str]:
        self._sessions[session.id] = session
        try:
            answer = await session.answer()
        except BaseException:  # also when the client has gone meanwhile: leave no socket open
            await session.close("no answer")
            raise
        if session.id not in self._sessions:
            raise NotThere("the publisher has just left")
        self._spawn(self._connect(session, connected), "connect a session")
        return session.id, answer

    async def _connect(self, session: Session, connected: Callable[[Any], None]) -> None:
        try:
            await session.connect()
        except ConnectFailed as error:
            log.info("a session did not connect", session=session.number, error=str(error))
            await session.close("not connected")
        else:
            if session.id in self._sessions:
                connected(session)

    def _joined(self, publisher: Publisher) -> None:
        channel = self._channel(publisher.cname)
        try:
            channel.check_place(publisher.key, self._limits.publishers)
        except RoomFull:
            self._spawn(publisher.close("the channel is full"), "close a session")
            return
        publisher.joined_ns = time.time_ns()
        replaced = channel.join(publisher)
        if replaced is not None:
            self._spawn(replaced.close("replaced"), "close a replaced publisher")

    def _subscribed(self, subscriber: Subscriber) -> None:
        subscriber.attach()
        if subscriber.listener is not None:
            self._channel(subscriber.publisher.cname).listen(subscriber.listener)

    def _ended(self, session: Session, reason: str) -> None:
        """Called once by every session, when it is over for whatever reason."""
        self._sessions.pop(session.id, None)
        channel = self._channels.get(session.cname)
        log.info("a session ended", session=session.number, role=session.role, reason=reason)
        if isinstance(session, Publisher):
            self._publisher_ended(session, channel)
        elif isinstance(session, Subscriber):
            self._subscriber_ended(session, channel)
        if channel is not None:
            self._tidy(channel)

    def _publisher_ended(self, publisher: Publisher, channel: Channel[Publisher] | None) -> None:
        for subscriber in tuple(publisher.subscribers):
            self._spawn(subscriber.close("the publisher left"), "close a subscriber")
        if channel is not None:
            channel.leave(publisher)

    def _subscriber_ended(self, subscriber: Subscriber, channel: Channel[Publisher] | None) -> None:
        subscriber.publisher.subscribers.discard(subscriber)
        if not subscriber.attached:
            return
        subscriber.detach()
        if channel is not None and subscriber.listener is not None:
            channel.unlisten(subscriber.listener)

    def _check_place(self) -> None:
        if self._closing or len(self._sessions) >= self._limits.sessions:
            raise RoomFull("the room has no place for one more session")

    def _find(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise NotThere("no such session, or it has ended")
        return session

    def _channel(self, cname: str) -> Channel[Publisher]:
        return self._channels.setdefault(cname, Channel(cname))

    def _tidy(self, channel: Channel[Publisher]) -> None:
        if channel.empty and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            for session in self._sessions.values():
                if isinstance(session, Publisher):
                    session.report(time.time_ns())

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work of the room failed", work=task.get_name(), exc_info=error)
