"""The room over HTTP: WHIP (RFC 9725), WHEP, mute, presence events and the page."""

import asyncio
import json
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from media.errors import ChannelError
from media.room.errors import BadRequest, RoomError, RoomFull, WrongContentType
from media.room.limits import Limits
from media.room.room import Room
from media.rtc.network import LOOPBACK
from media.tape.model import Kind, Source

log = structlog.get_logger(__name__)

DEFAULT_LIMITS = Limits()
ROOM = web.AppKey("room", Room)
LIMITS = web.AppKey("limits", Limits)
SDP = "application/sdp"
STATIC = Path(__file__).parent / "static"
UNACKNOWLEDGED_MS = 20_000  # a reader whose host is gone counts as gone after this
EVENT_BUFFER_BYTES = 64 * 1024  # of the kernel, for one event stream
SHUTDOWN_S = 5.0
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob: mediastream:",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    limits: Limits = DEFAULT_LIMITS,
    addresses: Sequence[str] = LOOPBACK,
) -> None:
    """Run a room until ``stop`` is set; then close every session and return.

    ``addresses`` are the local ones that media uses.  Raises OSError when ``host`` and ``port``
    cannot be bound.
    """
    room = Room(limits, addresses=addresses)
    runner = web.AppRunner(
        application(room, limits),
        access_log=None,
        handler_cancellation=True,  # a closed event stream is a listener who left
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        log.info("the room is open", host=host, port=port)
        await stop.wait()
    finally:
        await runner.cleanup()
        log.info("the room is closed")


def run(
    host: str,
    port: int,
    *,
    limits: Limits = DEFAULT_LIMITS,
    addresses: Sequence[str] = LOOPBACK,
) -> None:
    """Serve a room until SIGINT or SIGTERM."""
    asyncio.run(_until_signalled(host, port, limits, addresses))


async def _until_signalled(host: str, port: int, limits: Limits, addresses: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(host, port, stop=stop, limits=limits, addresses=addresses)


def application(room: Room, limits: Limits) -> web.Application:
    """The routes of a room, which it closes when it shuts down."""
    app = web.Application(middlewares=[_answers], client_max_size=limits.body_bytes)
    app[ROOM], app[LIMITS] = room, limits
    app.router.add_post("/whip/{cname}/{uid}", _publish)
    app.router.add_post("/whep/{cname}/{uid}", _subscribe)
    app.router.add_delete("/sessions/{session}", _leave)
    app.router.add_post("/sessions/{session}/mute", _mute)
    app.router.add_get("/channels/{cname}/events", _events)
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/", _page)
    app.router.add_static("/static", STATIC)
    app.on_shutdown.append(_close)
    return app


async def _close(app: web.Application) -> None:
    await app[ROOM].close()


@web.middleware
async def _answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """CORS for everything, and every refusal as problem details (RFC 9457)."""
    if request.method == "OPTIONS":
        return web.Response(status=204, headers=CORS | PREFLIGHT)
    try:
        response = await handler(request)
    except RoomError as error:
        response = _problem(error.status, error.title, str(error))
    except ChannelError as error:  # no socket for the session, and the like
        response = _problem(503, "Not now", str(error))
    except web.HTTPError as error:
        response = _problem(error.status, error.reason, "")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    if not response.prepared:
        response.headers.update(CORS)
    return response


def _problem(status: int, title: str, detail: str) -> web.Response:
    text = json.dumps({"status": status, "title": title, "detail": detail})
    response = web.Response(status=status, text=text, content_type="application/problem+json")
    if status == RoomFull.status:
        response.headers["Retry-After"] = "5"
    return response


async def _publish(request: web.Request) -> web.Response:
    cname, uid, source = _target(request)
    session, answer = await request.app[ROOM].publish(cname, uid, source, await _offer(request))
    return _created(session, answer)


async def _subscribe(request: web.Request) -> web.Response:
    cname, uid, source = _target(request)
    session, answer = await request.app[ROOM].subscribe(
        cname, uid, source, await _offer(request), listener=_listener(request)
    )
    return _created(session, answer)


def _created(session: str, answer: str) -> web.Response:
    headers = {"Location": f"/sessions/{session}"}
    return web.Response(status=201, text=answer, content_type=SDP, headers=headers)


async def _leave(request: web.Request) -> web.Response:
    await request.app[ROOM].end(request.match_info["session"])
    return web.Response()


async def _mute(request: web.Request) -> web.Response:
    kind, muted = _mute_order(await _json(request))
    state = request.app[ROOM].mute(request.match_info["session"], kind, muted)
    return web.json_response({"muted": state})


async def _events(request: web.Request) -> web.StreamResponse:
    cname, listener = _name(request, "cname"), _listener(request)
    response = web.StreamResponse(
        headers=CORS
        | {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    with request.app[ROOM].watching(cname, listener, lambda: _hang_up(request)) as watcher:
        await response.prepare(request)
        _notice_bad_readers(request)
        async for chunk in watcher.chunks(request.app[LIMITS].keep_alive_s):
            await response.write(chunk)
    return response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _notice_bad_readers(request: web.Request) -> None:
    """Let a reader's socket show soon that its host is gone or that it reads too slowly."""
    sock = request.transport.get_extra_info("socket") if request.transport else None
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, EVENT_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


async def _alive(request: web.Request) -> web.Response:
    return web.json_response(request.app[ROOM].counts())


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)


def _target(request: web.Request) -> tuple[str, str, Source]:
    source = request.query.get("source", Source.CAMERA.value)
    if source not in (Source.CAMERA.value, Source.SCREEN.value):
        raise BadRequest("source must be camera or screen")
    return _name(request, "cname"), _name(request, "uid"), Source(source)


def _name(request: web.Request, part: str) -> str:
    return _checked(request, part, request.match_info[part])


def _listener(request: web.Request) -> str | None:
    uid = request.query.get("as")
    return None if uid is None else _checked(request, "as", uid)


def _checked(request: web.Request, part: str, name: str) -> str:
    most = request.app[LIMITS].name_chars
    if not 1 <= len(name) <= most:
        raise BadRequest(f"{part} must have 1 to {most} characters")
    if not name.isprintable():
        raise BadRequest(f"{part} must be printable")
    return name


async def _offer(request: web.Request) -> str:
    if request.content_type != SDP:
        raise WrongContentType(f"an SDP offer comes as {SDP}")
    return await _text(request)


async def _json(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise WrongContentType("this comes as application/json")
    try:
        return json.loads(await _text(request))
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error


async def _text(request: web.Request) -> str:
    body = await request.read()  # raises HTTPRequestEntityTooLarge
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8") from error


def _mute_order(body: Any) -> tuple[Kind, bool]:
    if not isinstance(body, dict) or body.keys() != {"kind", "muted"}:
        raise BadRequest("mute takes kind and muted, nothing else")
    kind, muted = body["kind"], body["muted"]
    if kind not in tuple(Kind):
        raise BadRequest("kind must be audio or video")
    if not isinstance(muted, bool):
        raise BadRequest("muted must be true or false")
    return Kind(kind), muted
