"""One session with a Janus: requests, handles, and the WebSocket under them, which may break."""

import asyncio
import contextlib
import json
import secrets
import ssl
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from media.channels.backoff import Backoff
from media.channels.janus.access import Access
from media.channels.janus.inbox import Inbox
from media.channels.janus.wire import (
    LIMIT,
    NO_SUCH_SESSION,
    PLUGIN,
    PROTOCOL,
    JanusError,
    Message,
    parse,
)
from media.errors import ChannelError

CONNECT_S = 4.0
REPLY_S = 6.0
GOODBYE_S = 1.0
# Janus ends a session whose socket is gone when its last request is older than its
# reclaim_session_timeout; so the last one must never be old (janus.c, janus_check_sessions).
KEEPALIVE_S = 4.0
RECONNECT_MOST_S = 0.5  # what a server that is back sends meanwhile is lost
STEADY_S = 5.0  # a socket that lived so long is missed at once
PATIENCE_S = 90.0  # without a socket; Janus itself waits for 60 s
UNREAD = 1000  # messages to one handle

log = structlog.get_logger(__name__)


class Handle:
    """One attachment of the session to the VideoRoom."""

    def __init__(self, session: "Session", number: int) -> None:
        self.number = number
        self.inbox: Inbox[Message] = Inbox(UNREAD)
        self._session = session

    async def ask(
        self,
        body: Mapping[str, Any],
        *,
        offer: str = "",
        answer: str = "",
        timeout_s: float = REPLY_S,
        queued: asyncio.Event | None = None,
    ) -> Message:
        """What the VideoRoom says to a request, acknowledgements left out.

        ``queued`` is set when Janus acknowledges it.  Only what is asked after that is also
        answered after it: Janus takes each request in a thread of its own.

        Raises JanusError when it says no, ChannelError when it does not answer.
        """
        fields: dict[str, Any] = {"handle_id": self.number, "body": body}
        if offer:
            fields["jsep"] = {"type": "offer", "sdp": offer}
        elif answer:
            fields["jsep"] = {"type": "answer", "sdp": answer}
        return await self._session.ask("message", timeout_s=timeout_s, queued=queued, **fields)

    async def detach(self) -> None:
        """Janus forgets the handle and closes its connection; bounded, idempotent."""
        await self._session.detach(self)


@dataclass(frozen=True, slots=True)
class _Waiting:
    reply: asyncio.Future[Message]
    ack_is_enough: bool
    queued: asyncio.Event | None = None

    def fail(self, error: ChannelError) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


class Session:
    """Keeps one Janus session alive; claims it on a new socket when the old one is lost.

    Every handle gets a message ``claimed`` then: what happened meanwhile nobody told us.  When
    Janus knows the session no more, every inbox fails and so does every request.
    """

    def __init__(
        self,
        access: Access,
        *,
        tls: ssl.SSLContext | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._access = access
        self._tls = tls
        self._patience_s = patience_s
        self._number = 0
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._ready = asyncio.Event()  # requests may be sent, or never more
        self._over: ChannelError | None = None
        self._retired = False
        self._waiting: dict[str, _Waiting] = {}
        self._handles: dict[int, Handle] = {}
        self._stale: set[int] = set()  # handles that Janus was not told to forget
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard_s = 0.0
        self._nonsense = 0

    @property
    def over(self) -> bool:
        """Whether it is gone for good."""
        return self._over is not None

    async def open(self) -> None:
        """Connect and create the session.  Raises ChannelError, or ChannelRefused."""
        self._http = aiohttp.ClientSession()
        self._socket = await self._connect()
        self._spawn(self._live(self._socket), "janus-session")
        try:
            reply = await self._request("create", REPLY_S)
        except JanusError as exc:
            raise exc.verdict() from exc
        self._number = _id(reply)
        self._ready.set()
        self._spawn(self._keep_alive(), "janus-keepalive")

    async def attach(self) -> Handle:
        """A new handle.  Raises ChannelError."""
        reply = await self.ask("attach", plugin=PLUGIN)
        handle = Handle(self, _id(reply))
        self._handles[handle.number] = handle
        return handle

    async def detach(self, handle: Handle) -> None:
        """Let a handle go; when there is no socket now, later."""
        gone = self._handles.pop(handle.number, None) is None
        if gone or self._retired or self._over is not None:
            return
        handle.inbox.fail(ChannelError("the handle was detached"))
        await self._forget(handle.number)

    async def ask(
        self,
        kind: str,
        *,
        timeout_s: float = REPLY_S,
        queued: asyncio.Event | None = None,
        **fields: Any,
    ) -> Message:
        """The answer to a request, sent as soon as there is a socket.

        Raises JanusError when Janus says no, ChannelError when it does not answer in time.
        """
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError as exc:
            raise ChannelError("there is no connection to Janus") from exc
        left_s = timeout_s - (time.monotonic() - began_s)
        return await self._request(kind, left_s, queued, **fields)

    def retire(self) -> None:
        """It is about to be closed: handles need not be detached one by one any more."""
        self._retired = True

    async def close(self) -> None:
        """Destroy the session, with all its handles, and the socket; bounded, idempotent."""
        if self._ready.is_set() and self._over is None:
            with contextlib.suppress(ChannelError):  # then Janus finds out by itself
                await self._request("destroy", GOODBYE_S)
        self._fail(ChannelError("the session was closed"))
        self._handles.clear()  # each knows us: see media/weakly.py
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=GOODBYE_S)
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _request(
        self, kind: str, timeout_s: float, queued: asyncio.Event | None = None, **fields: Any
    ) -> Message:
        if self._over is not None:
            raise self._over
        socket, transaction = self._socket, secrets.token_hex(8)
        if socket is None:
            raise ChannelError("the connection to Janus is lost")
        request = {"janus": kind, "transaction": transaction, **self._access.to_api(), **fields}
        if self._number:
            request["session_id"] = self._number
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = _Waiting(reply, kind == "keepalive", queued)
        try:
            async with asyncio.timeout(timeout_s):
                await socket.send_str(json.dumps(request))
                message = await reply
        except TimeoutError as exc:
            raise ChannelError(f"Janus did not answer in time to {kind!r}") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ChannelError(f"the connection to Janus broke: {type(exc).__name__}") from exc
        finally:
            del self._waiting[transaction]
            if reply.done() and not reply.cancelled():
                reply.exception()  # looked at, so that asyncio does not complain
        if message.error:
            raise self._no(message.error)
        return message

    def _no(self, code: int) -> JanusError:
        error = JanusError(code)
        if code == NO_SUCH_SESSION:
            self._fail(error)
        return error

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self._http is None:
            raise ChannelError("the session was closed")
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._http.ws_connect(
                    self._access.address,
                    protocols=(PROTOCOL,),
                    max_msg_size=LIMIT,
                    ssl=self._tls or True,
                    timeout=aiohttp.ClientWSTimeout(ws_close=GOODBYE_S),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            raise ChannelError(f"Janus cannot be reached: {type(exc).__name__}") from exc

    async def _live(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read for as long as the session lives, on one socket after the other."""
        backoff = Backoff(steady_s=STEADY_S, first_s=0.05, most_s=RECONNECT_MOST_S)
        claim = None
        while True:
            try:
                await self._read(socket)
            finally:
                self._disconnected()
                if claim is not None:
                    claim.cancel()
                await socket.close()
            if not self._number or self._over is not None:
                self._fail(ChannelError("Janus closed the connection"))
                return
            log.warning("the connection to Janus is lost, the session is claimed on a new one")
            again = await self._reconnect(backoff)
            if again is None:
                return
            socket = self._socket = again
            claim = self._spawn(self._claim(socket), "janus-claim")

    async def _reconnect(self, backoff: Backoff) -> aiohttp.ClientWebSocketResponse | None:
        while time.monotonic() - self._heard_s < self._patience_s:
            await asyncio.sleep(backoff.pause_s())
            try:
                return await self._connect()
            except ChannelError as exc:
                log.info("no connection yet", error=str(exc))
        self._fail(ChannelError("Janus could not be reached for too long"))
        return None

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = parse(frame.data)
            if message is not None:
                self._heard_s = time.monotonic()
                self._dispatch(message)
            else:
                self._nonsense += 1
                if self._nonsense == 1:
                    log.warning("Janus sent a message that makes no sense")

    def _dispatch(self, message: Message) -> None:
        waiting = self._waiting.get(message.transaction)
        if waiting is not None:
            if message.kind == "ack" and waiting.queued is not None:
                waiting.queued.set()
            if (message.kind != "ack" or waiting.ack_is_enough) and not waiting.reply.done():
                waiting.reply.set_result(message)
        elif message.kind == "timeout":
            self._no(NO_SUCH_SESSION)
        elif message.sender in self._handles:
            self._handles[message.sender].inbox.put(message)

    async def _claim(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Raises nothing: Janus's no is the end of the session, its silence that of the socket."""
        try:
            await self._request("claim", REPLY_S)
        except JanusError as exc:
            log.warning("Janus does not give the session back", code=exc.code)
            self._fail(exc)
            return
        except ChannelError as exc:
            log.warning("the session could not be claimed", error=str(exc))
            await socket.close()
            return
        log.info("the session was claimed")
        self._ready.set()
        for number in tuple(self._stale):
            self._stale.discard(number)
            self._spawn(self._forget(number), "janus-detach")
        for handle in self._handles.values():
            handle.inbox.put(Message("claimed"))

    async def _forget(self, number: int) -> None:
        if not self._ready.is_set():
            self._stale.add(number)
            return
        try:
            await self._request("detach", GOODBYE_S, handle_id=number)
        except JanusError as exc:
            log.info("a handle was gone before it was detached", code=exc.code)
        except ChannelError:
            self._stale.add(number)

    async def _keep_alive(self) -> None:
        while self._over is None:
            await asyncio.sleep(KEEPALIVE_S)
            socket = self._socket
            if not self._ready.is_set() or socket is None:
                continue
            try:
                await self._request("keepalive", REPLY_S)
            except ChannelError as exc:
                if self._over is None and self._socket is socket:
                    log.warning("Janus does not answer", error=str(exc))
                    await socket.close()

    def _disconnected(self) -> None:
        self._socket = None
        if self._over is None:
            self._ready.clear()
        for waiting in self._waiting.values():
            waiting.fail(ChannelError("the connection to Janus is lost"))

    def _fail(self, error: ChannelError) -> None:
        if self._over is not None:
            return
        self._over = error
        self._ready.set()  # so that nobody waits
        for waiting in self._waiting.values():
            waiting.fail(error)
        for handle in self._handles.values():
            handle.inbox.fail(error)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours must not leave a recording deaf: its owner joins again."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("the session with Janus failed", exc_info=error)
            self._fail(ChannelError("the session with Janus failed"))


def _id(reply: Message) -> int:
    number = reply.data.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ChannelError("Janus gave no id")
    return number
