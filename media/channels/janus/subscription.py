"""One subscription to one publisher: a handle, a tap, and what becomes of them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from media.channels.base import Tap
from media.channels.janus.feeds import Stream
from media.channels.janus.session import Handle, Session
from media.channels.janus.trickle import with_candidates
from media.channels.janus.wire import Message
from media.channels.listening import Listening
from media.errors import ChannelError, ConnectFailed
from media.rtc import sdp
from media.tape.model import Kind, Source

_WANTED = Message("wanted")

log = structlog.get_logger(__name__)


class _StreamsEnded(ChannelError):
    """The publisher stopped; whether for good the room will tell."""


class Subscription:
    """Listens to one publisher, and tries again while the publisher is there.

    One connection for each publisher: Janus reuses the m-lines of a connection to many for
    whoever comes next, and one publisher's fault would be everybody's.
    """

    def __init__(
        self,
        session: Session,
        feed: str | int,
        of_room: Callable[[], Mapping[str, Any]],
        open_tap: Callable[[], Tap],
        unheard: Callable[[str], None],
        substream: int,
    ) -> None:
        self._session = session
        self._feed = feed
        self._of_room = of_room  # what Janus wants to know of who subscribes in this room
        self._open_tap = open_tap
        self._substream = substream
        self._wanted: dict[str, Stream] = {}
        self._has_wishes = asyncio.Event()
        self._handle: Handle | None = None
        self._taken: dict[str, Stream] = {}  # what Janus was asked to send, by the publisher's mid
        self._sources: dict[str, Source] = {}  # by the mid of our connection
        self._listening = Listening(self._listen, unheard)

    def want(self, streams: Iterable[Stream]) -> None:
        """What to listen to from now on."""
        self._wanted = {stream.mid: stream for stream in streams}
        if self._wanted:
            self._has_wishes.set()
        else:
            self._has_wishes.clear()
        if self._handle is not None:
            self._handle.inbox.put(_WANTED)

    async def close(self) -> None:
        """Leave the publisher; bounded, idempotent."""
        await self._listening.close()

    async def _listen(self) -> None:
        await self._has_wishes.wait()
        try:
            await self._connect()
        except _StreamsEnded:
            log.info("a publisher ended its streams")

    async def _connect(self) -> None:
        """One connection, from the first offer until it dies or nothing of it is wanted."""
        handle, tap = await self._session.attach(), self._open_tap()
        watch = asyncio.create_task(self._watch(tap, handle), name="janus-tap")
        try:
            self._taken, self._sources = dict(self._wanted), {}
            streams = [self._ask_for(stream) for stream in self._taken.values()]
            join = {"request": "join", "ptype": "subscriber", "streams": streams}
            reply = await handle.ask({**join, **self._of_room()})
            self._handle = handle
            handle.inbox.put(_WANTED)  # which may have changed while we were let in
            offer = await with_candidates(reply.sdp, handle.inbox)
            await self._negotiate(tap, handle, replace(reply, sdp=offer))
            while self._wanted:
                await self._take(tap, handle, await handle.inbox.get())
        finally:
            self._handle = None
            watch.cancel()
            try:
                await tap.close()
            finally:
                await handle.detach()

    async def _watch(self, tap: Tap, handle: Handle) -> None:
        handle.inbox.fail(ConnectFailed(await tap.ended()))

    async def _take(self, tap: Tap, handle: Handle, message: Message) -> None:
        """What is not named here tells us nothing to act on: slowlink, media, webrtcup, layers."""
        match message.kind:
            case "wanted":
                await self._update(tap, handle)
            case "claimed":
                await self._synchronize(tap, handle)
            case "event":
                await self._negotiate(tap, handle, message)
            case "hangup" | "detached":
                raise ChannelError(f"Janus ended the connection: {message.kind}")

    async def _update(self, tap: Tap, handle: Handle) -> None:
        """Tell Janus the difference between what we want and what we have."""
        gone = [each for mid, each in self._taken.items() if self._wanted.get(mid) != each]
        new = [each for mid, each in self._wanted.items() if self._taken.get(mid) != each]
        if not self._wanted or not (gone or new):
            return
        body: dict[str, Any] = {"request": "update"}
        if gone:
            body["unsubscribe"] = [{"feed": self._feed, "mid": each.mid} for each in gone]
        if new:
            body["subscribe"] = [self._ask_for(each) for each in new]
        self._taken = dict(self._wanted)
        await self._negotiate(tap, handle, await handle.ask(body))

    async def _synchronize(self, tap: Tap, handle: Handle) -> None:
        """After a time without news: make sure that Janus still sends what we take it for."""
        reply = await _current_offer(handle)
        if _flowing(reply.sdp) < len(self._taken):
            raise ChannelError("the publisher changed while nobody told us")
        await self._negotiate(tap, handle, reply)
        await self._update(tap, handle)

    async def _negotiate(self, tap: Tap, handle: Handle, message: Message) -> None:
        """Answer an offer, if this is one."""
        if not message.sdp:
            return
        self._read_sources(message.data.get("streams"))
        if not _flowing(message.sdp):
            raise _StreamsEnded
        answer = await tap.answer(message.sdp, sources=dict(self._sources))
        await handle.ask({"request": "start"}, answer=answer)

    def _read_sources(self, rows: object) -> None:
        """Which of the publisher's streams each m-line of our connection carries now."""
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            mid, stream = row.get("mid"), self._taken.get(str(row.get("feed_mid")))
            if isinstance(mid, str) and stream is not None:
                self._sources[mid] = stream.source

    def _ask_for(self, stream: Stream) -> dict[str, Any]:
        asked: dict[str, Any] = {"feed": self._feed, "mid": stream.mid}
        if stream.kind is Kind.VIDEO:  # said to all: what has no layers does not care
            asked |= {"substream": self._substream, "temporal": 2}
            asked |= {"spatial_layer": self._substream, "temporal_layer": 2}
        return asked


async def _current_offer(handle: Handle) -> Message:
    """An offer of what Janus sends now.  Raises ChannelError when an earlier one got lost.

    While Janus waits for our answer to an offer it puts this request off without a word.  The
    reply to a second one, which it got later, gives that away when it comes first.
    """
    queued = asyncio.Event()

    async def probe() -> None:
        await queued.wait()
        await handle.ask({"request": "configure"})

    update = asyncio.create_task(
        handle.ask({"request": "configure", "update": True}, queued=queued)
    )
    probing = asyncio.create_task(probe())
    try:
        await asyncio.wait({update, probing}, return_when=asyncio.FIRST_COMPLETED)
        if not update.done():
            raise ChannelError("an offer of Janus got lost")
        return update.result()
    finally:
        for task in (update, probing):
            task.cancel()
        await asyncio.gather(update, probing, return_exceptions=True)


def _flowing(offer: str) -> int:
    """How many m-lines of an offer carry media.  Raises BadDescription."""
    if not offer:
        return 0
    return sum(
        section.direction in ("sendonly", "sendrecv") and not section.rejected
        for section in sdp.parse(offer).media
    )
