"""A VideoRoom as a channel."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Set
from dataclasses import dataclass, field
from typing import Any

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
from media.channels.janus.access import Access
from media.channels.janus.feeds import Feed, read_feeds
from media.channels.janus.inbox import Inbox
from media.channels.janus.room import Room, others
from media.channels.janus.session import PATIENCE_S, Session
from media.channels.janus.subscription import Subscription
from media.channels.janus.wire import JanusError, Message
from media.errors import ChannelError
from media.tape.model import Source

QUEUE = 1000  # events that nobody took yet
COUNT_S = 5.0  # passive participants come and go unannounced
CLOSE_S = 3.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Publisher:
    """Somebody who publishes, or did and is still in the room, as we know it."""

    feed: Feed
    subscription: Subscription | None = None
    active: bool = True
    muted: set[Source] = field(default_factory=set)


class JanusChannel:
    """Follows who publishes in a room and keeps a subscription to each wanted publisher.

    When the WebSocket breaks the session is claimed on a new one and the room looked at again;
    taps that live go on meanwhile.
    """

    def __init__(
        self,
        entrance: Entrance,
        *,
        wants: Wants,
        taps: Taps,
        patience_s: float = PATIENCE_S,
    ) -> None:
        access = Access.of(entrance.url, entrance.token)
        self._session = Session(access, tls=entrance.tls, patience_s=patience_s)
        self._room = Room(self._session, access, entrance.cname, entrance.uid)
        self._wants = wants
        self._taps = taps
        self._substream = entrance.simulcast_substream
        self._events: Inbox[ChannelEvent] = Inbox(QUEUE)
        self._publishers: dict[str, _Publisher] = {}
        self._others = -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._entered = False

    async def join(self) -> None:
        """Enter as a listener and begin to subscribe to everybody at once."""
        self._entered = True
        try:
            await self._session.open()
            self._look(await self._room.enter())
        except JanusError as exc:
            await self.leave()
            raise exc.verdict() from exc
        except BaseException:
            await self.leave()
            raise
        self._spawn(self._follow(), "janus-room")
        self._spawn(self._count(), "janus-count")

    async def events(self) -> AsyncIterator[ChannelEvent]:
        """What happens in the room; raises ChannelError when the session is over."""
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, RoomClosed):
                return

    def want(self, wants: Wants) -> None:
        """From now on these are to be heard, and nobody else."""
        self._wants = wants
        for publisher in self._publishers.values():
            self._listen_to(publisher)

    async def leave(self) -> None:
        """Close every tap and the session; bounded, idempotent."""
        if not self._entered:
            return
        self._entered = False
        self._session.retire()
        for uid in tuple(self._publishers):
            self._unsubscribe(self._publishers.pop(uid))
        closing = {task for task in self._tasks if task.get_name() == "janus-close"}
        for task in self._tasks - closing:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_S)
        await self._session.close()
        self._events.put(RoomClosed("we left"))

    async def _follow(self) -> None:
        """Until the channel ends, whose reason the last event or the error is."""
        try:
            while True:
                message = await self._room.news()
                if not await self._take(message):
                    return
        except JanusError as exc:
            self._events.fail(exc.verdict())
        except ChannelError as exc:
            self._events.fail(exc)

    async def _take(self, message: Message) -> bool:
        """Whether it goes on.  What is not named here tells us nothing to act on."""
        if message.kind in ("claimed", "detached"):
            if message.kind == "detached":
                self._room.left()
            await self._look_again()
        elif message.about == "destroyed":
            raise ChannelError("the room was destroyed")
        elif message.about == "event":
            return await self._take_event(message)
        return True

    async def _take_event(self, message: Message) -> bool:
        data = message.data
        if data.get("leaving") == "ok":
            if data.get("reason") == "kicked":
                self._events.put(RoomClosed("the recorder was kicked out of the room"))
                return False
            return True
        self._merge(read_feeds(data.get("publishers"), self._room.ids, self._feeds()))
        if "unpublished" in data:
            self._stop(self._named(data["unpublished"]))
        for what in ("leaving", "kicked"):
            if what in data:
                await self._gone(self._named(data[what]))
        if "moderation" in data:
            self._moderated(data)
        return True

    async def _look_again(self) -> None:
        """Enter anew for the list of publishers; until it is done, or the session is over."""
        backoff = Backoff(first_s=0.1)
        while True:
            try:
                entered = await self._room.enter()
                people = await self._people()
            except JanusError:
                raise
            except ChannelError as exc:
                log.warning("looking at the room again failed", error=str(exc))
                if self._session.over:
                    raise
                await asyncio.sleep(backoff.pause_s())
            else:
                self._look(entered, people)
                return

    async def _people(self) -> Set[str]:
        """Who is in the room, publishing or not; nobody where Janus does not say."""
        try:
            return (await self._room.participants()).keys()
        except JanusError as exc:
            log.info("Janus does not say who is in the room", code=exc.code)
            return frozenset()

    def _look(self, entered: Message, people: Set[str] = frozenset()) -> None:
        """What must have happened while we did not see it."""
        there = read_feeds(entered.data.get("publishers"), self._room.ids, self._feeds())
        for uid in self._publishers.keys() - there.keys():
            if uid in people:
                self._stop(uid)
            else:
                self._remove(uid)
        self._merge(there)
        for uid in there.keys() & self._publishers.keys():
            publisher = self._publishers[uid]
            for stream in publisher.feed.streams:
                self._mute(uid, stream.source, muted=stream.mid in publisher.feed.moderated)

    def _merge(self, feeds: dict[str, Feed]) -> None:
        for uid, feed in feeds.items():
            if uid == self._room.uid:
                continue
            publisher = self._publishers.get(uid)
            if publisher is None:
                publisher = self._publishers[uid] = _Publisher(feed, active=False)
            if not publisher.active:
                publisher.active = True
                self._events.put(PublisherJoined(uid))
            publisher.feed = feed
            for stream in feed.streams:
                if stream.mid in feed.moderated:
                    self._mute(uid, stream.source, muted=True)
            self._listen_to(publisher)

    def _listen_to(self, publisher: _Publisher) -> None:
        """Subscribe to what is wanted and sent, and to nothing else."""
        uid = publisher.feed.uid
        kinds = self._wants.kinds(uid)
        if not kinds or not publisher.active:
            self._unsubscribe(publisher)
            return
        if publisher.subscription is None:
            publisher.subscription = self._subscribe(uid)
        publisher.subscription.want(each for each in publisher.feed.streams if each.kind in kinds)

    def _named(self, value: object) -> str:
        """Whom an event is about; "" when that makes no sense."""
        try:
            return self._room.ids.text(value)
        except ValueError:
            return ""

    async def _gone(self, uid: str) -> None:
        """Said once for each of several reasons, and again; the first time counts."""
        self._remove(uid)
        if uid and uid == self._room.rival:
            await self._look_again()

    def _remove(self, uid: str) -> None:
        publisher = self._publishers.pop(uid, None)
        if publisher is not None:
            self._unsubscribe(publisher)
            self._events.put(PublisherLeft(uid))

    def _stop(self, uid: str) -> None:
        """A publisher sends nothing more, and stays until we hear that it left."""
        publisher = self._publishers.get(uid)
        if publisher is None or not publisher.active:
            return
        publisher.active = False
        self._unsubscribe(publisher)
        self._events.put(PublisherStopped(uid))
        for source in tuple(publisher.muted):
            self._mute(uid, source, muted=False)

    def _miss(self, people: Set[str]) -> None:
        """Who stopped and is not in the room any more has left, whether or not Janus said so."""
        for uid, publisher in tuple(self._publishers.items()):
            if not publisher.active and uid not in people:
                self._remove(uid)

    def _moderated(self, data: Any) -> None:
        """A moderator muted or unmuted a stream; Janus sends nothing of it meanwhile."""
        publisher = self._publishers.get(self._named(data.get("id")))
        if publisher is None:
            return
        for stream in publisher.feed.streams:
            if stream.mid == data.get("mid"):
                muted = data.get("moderation") == "muted"
                self._mute(publisher.feed.uid, stream.source, muted=muted)

    def _mute(self, uid: str, source: Source, *, muted: bool) -> None:
        known = self._publishers[uid].muted
        if muted != (source in known):
            known.symmetric_difference_update({source})
            self._events.put(TrackMuted(uid, source, muted))

    async def _count(self) -> None:
        """Who follows the room sees its end; a count that fails is nobody's, and told once."""
        counted = True
        while True:
            try:
                people = await self._room.participants()
            except ChannelError as exc:
                if counted:
                    log.info("who is in the room cannot be counted", error=str(exc))
                counted = False
            else:
                counted = True
                self._miss(people.keys())
                people.pop(self._room.uid, None)
                if (count := others(people)) != self._others:
                    self._others = count
                    self._events.put(Occupancy(count))
            await asyncio.sleep(COUNT_S)

    def _subscribe(self, uid: str) -> Subscription:
        return Subscription(
            self._session,
            self._room.ids.to_wire(uid, "publisher"),
            self._room.of_subscriber,
            lambda: self._taps.open(uid),
            lambda reason: self._taps.unheard(uid, reason),
            self._substream,
        )

    def _unsubscribe(self, publisher: _Publisher) -> None:
        subscription, publisher.subscription = publisher.subscription, None
        if subscription is not None:
            self._spawn(subscription.close(), "janus-close")

    def _feeds(self) -> dict[str, Feed]:
        return {uid: publisher.feed for uid, publisher in self._publishers.items()}

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a recording deaf: its owner joins again."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("following the room failed", exc_info=error)
            self._events.fail(ChannelError("following the room failed"))
