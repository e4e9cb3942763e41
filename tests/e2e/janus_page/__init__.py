"""A page that publishes Chromium's camera and microphone into a Janus room."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page

_PAGE = Path(__file__).parent / "index.html"


@asynccontextmanager
async def publishing(
    context: BrowserContext, url: str, room: str, uid: str, **query: str
) -> AsyncIterator[Page]:
    """A browser that sends; ``url`` is the channel's.

    ``query``: ``codec`` (vp8, h264, vp9, av1), ``pin``, ``numeric``, ``layers``.  When the
    connection is lost it joins again by itself.
    """
    async with _served() as base:
        page = await context.new_page()
        asked = urlencode({"server": url.removeprefix("janus+"), "room": room, "uid": uid, **query})
        await page.goto(f"{base}/?{asked}")
        await until(page, "in")
        try:
            yield page
        finally:
            await page.evaluate("window.leave?.()")
            await page.close()


async def until(page: Page, state: str) -> None:
    """Until the page is "in" or "out"."""
    await page.wait_for_selector(f'html[data-state="{state}"]', state="attached")


@asynccontextmanager
async def _served() -> AsyncIterator[str]:
    async def page(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE)

    app = web.Application()
    app.router.add_get("/", page)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()
