"""The test publisher in a real Janus room."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from media.channels.janus.access import Access
from media.channels.janus.session import Session
from media.errors import ChannelError, ChannelRefused
from media.publish.options import PublishOptions, Video
from media.publish.publisher import Command, Leave, Mute, publish
from media.tape.model import Kind, Source
from tests.janus import Janus, start_janus

pytestmark = pytest.mark.server

WAIT_S = 20.0
PIN = "0815 &?"
QUERY = "?pin=0815%20%26%3F"


@pytest.fixture
def janus(tmp_path, need) -> Iterator[Janus]:
    need("janus")
    with start_janus(tmp_path, string_ids=True) as server:
        yield server


@pytest.fixture
def numbered(tmp_path, need) -> Iterator[Janus]:
    need("janus")
    with start_janus(tmp_path, string_ids=False) as server:
        yield server


class Sending:
    """A publisher that runs."""

    def __init__(self, options: PublishOptions) -> None:
        self.stop = asyncio.Event()
        self.commands: asyncio.Queue[Command] = asyncio.Queue()
        self.ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(
            publish(options, self.stop, on_ready=self.ready.set_result, commands=self.commands)
        )

    async def until_ready(self) -> None:
        """Raises what publish() raises."""
        await asyncio.wait(
            {self.task, self.ready}, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if self.task.done():
            self.task.result()


@asynccontextmanager
async def sending(url: str, cname: str, uid: str, **options: Any):
    one = Sending(PublishOptions(url, cname, uid, **options))
    try:
        await one.until_ready()
        yield one
    finally:
        one.stop.set()
        await asyncio.wait({one.task}, timeout=WAIT_S)
        assert one.task.done()
        one.task.cancelled() or one.task.exception()  # not everybody looks at it


def play(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


async def there(janus: Janus, room: str | int, uid: str) -> None:
    """Janus calls somebody a publisher a moment after the connection stands."""
    async with asyncio.timeout(WAIT_S):
        while not janus.participants(room).get(uid, {}).get("publisher"):
            await asyncio.sleep(0.02)


async def publishers(url: str, **room: Any) -> dict[str, dict[str, Any]]:
    """Who publishes what, as Janus tells somebody who joins."""
    session = Session(Access.of(url, None))
    try:
        await session.open()
        handle = await session.attach()
        reply = await handle.ask({"request": "join", "ptype": "publisher", **room})
        return {str(row["id"]): row for row in reply.data["publishers"]}
    finally:
        await session.close()


@pytest.mark.parametrize("video", [Video.VP8, Video.H264, Video.VP9, Video.AV1])
def test_it_publishes_with_each_codec_and_leaves(janus: Janus, video: Video) -> None:
    janus.create_room("a-room", pin=PIN)
    url = janus.url + QUERY

    async def story() -> None:
        async with sending(url, "a-room", "somebody", video=video) as one:
            await there(janus, "a-room", "somebody")
            seen = await publishers(url, room="a-room", pin=PIN)
            streams = {row["type"]: row for row in seen["somebody"]["streams"]}
            assert streams["audio"]["codec"] == "opus"
            assert streams["video"]["codec"] == video.value
            assert not any("description" in row for row in streams.values())
            await one.commands.put(Mute(Kind.AUDIO, muted=True))
            await one.commands.put(Mute(Kind.AUDIO, muted=False))
            await one.commands.put(Leave())
            report = await asyncio.wait_for(one.task, WAIT_S)
        assert report.reason == "left"
        assert "somebody" not in janus.participants("a-room")

    play(story)


def test_a_screen_says_that_it_is_one(janus: Janus) -> None:
    janus.create_room("a-room")

    async def story() -> None:
        async with sending(janus.url, "a-room", "1", source=Source.SCREEN):
            await there(janus, "a-room", "1")
            seen = await publishers(janus.url, room="a-room")
            assert {row["description"] for row in seen["1"]["streams"]} == {"screen"}

    play(story)


def test_where_ids_are_numbers_room_and_uid_must_be_numbers(numbered: Janus) -> None:
    numbered.create_room(1234)

    async def story() -> None:
        async with sending(numbered.url, "1234", "77"):
            await there(numbered, 1234, "77")
        with pytest.raises(ChannelRefused, match="publishers by number, and 'anna' is none"):
            async with sending(numbered.url, "1234", "anna"):
                pass
        with pytest.raises(ChannelRefused, match="rooms by number, and 'hall' is none"):
            async with sending(numbered.url, "hall", "77"):
                pass
        assert not numbered.participants(1234)

    play(story)


def test_a_refusal_says_why_and_not_the_pin(janus: Janus) -> None:
    janus.create_room("a-room", pin=PIN)
    url = janus.url + QUERY

    async def story() -> None:
        for wrong, why in (("?pin=4711", "refused its PIN"), ("", "asks for a PIN")):
            with pytest.raises(ChannelRefused, match=why) as refused:
                async with sending(janus.url + wrong, "a-room", "1"):
                    pass
            assert "4711" not in str(refused.value)
        async with sending(url, "a-room", "1"):
            with pytest.raises(ChannelRefused, match="under this UID already"):
                async with sending(url, "a-room", "1"):
                    pass
            await there(janus, "a-room", "1")

    play(story)


def test_who_is_thrown_out_ends_with_the_reason(janus: Janus) -> None:
    janus.create_room("a-room")
    janus.create_room("b-room")

    async def story() -> None:
        async with (
            sending(janus.url, "a-room", "1") as kicked,
            sending(janus.url, "b-room", "1") as homeless,
        ):
            janus.kick("a-room", "1")
            with pytest.raises(ChannelError, match="kicked out"):
                await asyncio.wait_for(kicked.task, WAIT_S)
            janus.destroy_room("b-room")
            with pytest.raises(ChannelError, match="destroyed"):
                await asyncio.wait_for(homeless.task, WAIT_S)

    play(story)


def test_it_ends_when_janus_was_restarted(janus: Janus) -> None:
    janus.create_room("a-room")

    async def story() -> None:
        async with sending(janus.url, "a-room", "1") as one:
            janus.kill()
            janus.start()
            with pytest.raises(ChannelError, match="the connection was lost"):
                await asyncio.wait_for(one.task, WAIT_S)
        async with sending(janus.url, "a-room", "1"):
            await there(janus, "a-room", "1")

    play(story)


def test_nobody_there_is_said_so(free_port: Callable[[], int]) -> None:
    async def story() -> None:
        with pytest.raises(ChannelError, match="cannot be reached"):
            async with sending(f"janus+ws://127.0.0.1:{free_port()}", "a-room", "1"):
                pass

    play(story)
