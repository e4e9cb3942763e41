"""A page that plays one file from a server with ranges, and says what it shows."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page

from media.publish.read_pattern import read_frame_number

_PAGE = """<!doctype html><meta charset="utf-8"><title>File</title><video id="video"></video>
<script>
  const video = document.getElementById("video");
  const canvas = new OffscreenCanvas(16, 16);
  const noted = [];
  for (const name of ["waiting", "stalled", "error", "ended"]) {
    video.addEventListener(name, () => noted.push([name, video.currentTime]));
  }
  const happens = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
  });

  async function load(url) {
    const ready = happens("loadeddata");
    video.src = url;
    await ready;
    return video.duration;
  }

  function shown() {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const drawing = canvas.getContext("2d", { willReadFrequently: true });
    drawing.drawImage(video, 0, 0);
    const { data, width, height } = drawing.getImageData(0, 0, canvas.width, canvas.height);
    let red = "";
    for (let at = 0; at < data.length; at += 4) red += String.fromCharCode(data[at]);
    return { at_s: video.currentTime, width, height, red: btoa(red) };
  }

  // A seek may be over before its picture is painted; what is there already is not painted again.
  const painted = () => new Promise((resolve) => {
    video.requestVideoFrameCallback(resolve);
    setTimeout(resolve, 2000);
  });

  async function seek(to_s) {
    const there = Promise.all([happens("seeked"), painted()]);
    video.currentTime = to_s;
    await there;
    return shown();
  }

  async function play(rate) {
    const over = happens("ended");
    video.playbackRate = rate;
    await video.play();
    await over;
    const { totalVideoFrames } = video.getVideoPlaybackQuality();
    return { at_s: video.currentTime, frames: totalVideoFrames, noted,
             audio_bytes: video.webkitAudioDecodedByteCount };
  }

  async function heard(url) {
    const bytes = await (await fetch(url)).arrayBuffer();
    const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes);
    const samples = sound.getChannelData(0), levels = [];
    for (let at = 0; at + 4800 <= samples.length; at += 4800) {
      let power = 0;
      for (let i = at; i < at + 4800; i++) power += samples[i] ** 2;
      levels.push(Math.sqrt(power / 4800));
    }
    return levels;
  }
</script>"""


@dataclass(frozen=True)
class Shown:
    at_s: float  # currentTime
    size: tuple[int, int]
    number: int | None  # of the test pattern


class Player:
    """The page, with a file loaded."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def load(self, name: str) -> float:
        """The duration that it knows as soon as it can show a picture, in s."""
        return await self._page.evaluate("(url) => load(url)", f"/files/{name}")

    async def seek(self, to_s: float) -> Shown:
        """What is to be seen after a seek."""
        row = await self._page.evaluate("(to_s) => seek(to_s)", to_s)
        red = np.frombuffer(base64.b64decode(row["red"]), np.uint8)
        found = read_frame_number(red.reshape(row["height"], row["width"]))
        return Shown(row["at_s"], (row["width"], row["height"]), found[1] if found else None)

    async def heard(self, name: str) -> list[float]:
        """How loud each tenth of a second of a file's sound is."""
        return await self._page.evaluate("(url) => heard(url)", f"/files/{name}")

    async def play(self, rate: float = 4) -> dict:
        """Play to the end, and what was noted meanwhile."""
        return await self._page.evaluate("(rate) => play(rate)", rate)


@asynccontextmanager
async def player(context: BrowserContext, folder: Path) -> AsyncIterator[Player]:
    """A page beside the files of a folder."""

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_static("/files", folder)
    server = TestServer(app)
    await server.start_server()
    page = await context.new_page()
    try:
        await page.goto(str(server.make_url("/")))
        yield Player(page)
    finally:
        await page.close()
        await server.close()
