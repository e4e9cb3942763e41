"""Plays what is in a bucket in a browser, as a customer's page would: <video> and hls.js."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright import async_api
from playwright.async_api import BrowserContext, Page

_HERE = Path(__file__).parent
_SPARE_S = 30.0  # a busy machine may take so much longer than the media is


@dataclass(frozen=True, slots=True)
class Played:
    """What the page noted, from the first byte to the end."""

    ended: bool
    at_s: float
    duration_s: float
    size: tuple[int, int]
    frames: int  # decoded
    dropped: int  # of these, too late to be shown
    audio_bytes: int
    events: list[tuple[str, float]]  # of the <video>, and where it was
    errors: list[dict[str, Any]]  # of hls.js, the harmless ones too
    fragments: list[tuple[int, float]]  # number of each segment, and where it began
    buffered: list[tuple[float, float]]
    placed: list[Any]  # medium ("main" or "audio"), number and time of each buffered segment

    def waits(self) -> list[float]:
        """Where it had to wait after it had begun to play."""
        names = [name for name, _ in self.events]
        begun = names.index("playing") if "playing" in names else len(names)
        return [at_s for name, at_s in self.events[begun:] if name in ("waiting", "stalled")]


class Shelf(Protocol):
    """Where a player finds files by name, as in a bucket."""

    def get(self, key: str) -> bytes:
        """Raises KeyError."""

    def content_type(self, key: str) -> str:
        """Of the same file."""


async def play(
    context: BrowserContext, bucket: Shelf, playlist: str, length_s: float, *, rate: int = 2
) -> Played:
    """Play a playlist of a bucket from beginning to end, ``rate`` times as fast as it is."""
    async with _served(bucket) as base:
        page = await context.new_page()
        await page.goto(f"{base}/?playlist=/objects/{playlist}&rate={rate}")
        await _until_ended(page, length_s)
        report = await page.evaluate("report()")
        await page.close()
    return Played(**{name: _tuples(value) for name, value in report.items()})


async def play_apart(
    context: BrowserContext, bucket: Shelf, files: dict[str, list[str]]
) -> dict[str, Any]:
    """Play files of several media as a DASH player does: append each to its medium's buffer.

    ``files``: keys in order, by MIME type.
    """
    async with _served(bucket) as base:
        page = await context.new_page()
        await page.goto(f"{base}/apart.html")
        report = await page.evaluate("files => play(files)", files)
        await page.close()
    return dict(report)


async def _until_ended(page: Page, length_s: float) -> None:
    """Until it ended or cannot go on; the report says which."""
    over = "video.ended || video.error || noted.errors.some((error) => error.fatal)"
    try:
        await page.wait_for_function(over, timeout=(length_s + _SPARE_S) * 1000, polling=100)
    except async_api.TimeoutError as exc:
        raise AssertionError(
            f"it did not play to its end: {await page.evaluate('report()')}"
        ) from exc


@asynccontextmanager
async def _served(bucket: Shelf) -> AsyncIterator[str]:
    """The page, and beside it the bucket, each object with the type that the bucket gives it."""

    async def get(request: web.Request) -> web.Response:
        key = request.match_info["key"]
        try:
            body = await asyncio.to_thread(bucket.get, key)
            kind = await asyncio.to_thread(bucket.content_type, key)
        except KeyError as exc:
            raise web.HTTPNotFound from exc
        return web.Response(body=body, content_type=kind)

    async def index(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "index.html")

    async def apart(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "apart.html")

    async def script(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "hls.min.js")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/apart.html", apart)
    app.router.add_get("/hls.min.js", script)
    app.router.add_get("/objects/{key:.+}", get)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def _tuples(value: Any) -> Any:
    """JSON's pairs as pairs."""
    if isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list | dict):
        return tuple(value)
    return [_tuples(item) for item in value] if isinstance(value, list) else value
