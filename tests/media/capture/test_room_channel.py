"""The adapter against a scripted server: what it makes of events, and of a server that fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from media.channels.base import (
    ChannelEvent,
    Entrance,
    Occupancy,
    PublisherJoined,
    PublisherLeft,
    PublisherStopped,
    TrackMuted,
    Wants,
)
from media.channels.registry import open_channel
from media.channels.room import RoomChannel
from media.channels.sse import messages
from media.errors import ChannelError, ChannelRefused
from media.tape.model import Kind, Source


class FakeTap:
    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.connected = self.closed = False

    async def offer(self, kinds: Iterable[Kind]) -> str:
        return "offer " + ",".join(sorted(kinds))

    async def accept(self, answer: str) -> None:
        assert answer == "answer"
        self.connected = True

    async def answer(self, offer: str) -> str:
        raise NotImplementedError

    async def ended(self) -> str:
        return await asyncio.shield(self.over)

    async def close(self) -> None:
        self.closed = True


class FakeTaps:
    def __init__(self) -> None:
        self.all: list[FakeTap] = []
        self.troubles: list[tuple[str, str, bool]] = []

    def open(self, uid: str, *, screen: bool = False) -> FakeTap:
        self.all.append(FakeTap(f"{uid}/screen" if screen else uid))
        return self.all[-1]

    def unheard(self, uid: str, reason: str, *, screen: bool = False) -> None:
        self.troubles.append((uid, reason, screen))

    def living(self) -> list[str]:
        return sorted(tap.uid for tap in self.all if tap.connected and not tap.closed)


class Server:
    """Says what it is told to say, remembers what it was asked."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.asked: list[str] = []
        self.status = 200
        self.whep_status = 201

    def say(self, event: str, **data: Any) -> None:
        self.said.put_nowait(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())

    def snapshot(self, *publishers: dict[str, Any], listeners: tuple[str, ...] = ()) -> None:
        self.say("snapshot", publishers=publishers, listeners=listeners)

    def hang_up(self) -> None:
        self.said.put_nowait(None)

    async def events(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"GET {request.path_qs}")
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        while (chunk := await self.said.get()) is not None:
            await response.write(b": keep-alive\n\n" + chunk)
        return response

    async def whep(self, request: web.Request) -> web.Response:
        self.asked.append(f"POST {request.path_qs} {await request.text()}")
        headers = {"Location": f"/sessions/{len(self.asked)}"}
        return web.Response(status=self.whep_status, text="answer", headers=headers)

    async def leave(self, request: web.Request) -> web.Response:
        self.asked.append("DELETE")
        return web.Response()


def publisher(uid: str, *, joined_ns: int = 1, source: str = "camera", **muted: bool) -> dict:
    mutes = {"audio": False, "video": False, **muted}
    return {"uid": uid, "source": source, "joined_ns": joined_ns, "tracks": [], "muted": mutes}


class Scene:
    """A channel joined to a scripted server."""

    def __init__(self, address: str, server: Server, **options: Any) -> None:
        self.server, self.taps = server, FakeTaps()
        entrance = Entrance(f"room+{address}", "my room", "rec")
        self.channel = RoomChannel(entrance, **{"wants": Wants(), **options}, taps=self.taps)
        self.events = self.channel.events()

    async def next(self, count: int) -> list[ChannelEvent]:
        async with asyncio.timeout(10):
            return [await anext(self.events) for _ in range(count)]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # what is watched sets no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    server = Server()
    app = web.Application()
    app.router.add_get("/channels/{cname}/events", server.events)
    app.router.add_post("/whep/{cname}/{uid}", server.whep)
    app.router.add_delete("/sessions/{session}", server.leave)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    made = Scene(f"http://127.0.0.1:{port}", server, **options)
    try:
        yield made
    finally:
        await made.channel.leave()
        await runner.cleanup()


def play(story: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with scene(**options) as made:
            await story(made)

    asyncio.run(main())


def test_everybody_in_the_snapshot_is_tapped_and_left_in_the_end() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(
            publisher("a"), publisher("b", source="screen"), listeners=("rec", "x")
        )
        await made.channel.join()
        assert await made.next(3) == [PublisherJoined("a"), PublisherJoined("b"), Occupancy(3)]
        await made.until(lambda: made.taps.living() == ["a", "b/screen"])
        assert made.server.asked[0] == "GET /channels/my%20room/events?as=rec"
        posts = sorted(made.server.asked[1:])
        assert posts == [
            "POST /whep/my%20room/a?as=rec offer audio,video",
            "POST /whep/my%20room/b?source=screen&as=rec offer audio,video",
        ]
        await made.channel.leave()
        assert made.taps.living() == []
        assert made.server.asked.count("DELETE") == 2

    play(story)


def test_who_is_not_wanted_is_seen_but_not_tapped() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a"), publisher("b"))
        await made.channel.join()
        assert await made.next(3) == [PublisherJoined("a"), PublisherJoined("b"), Occupancy(2)]
        await made.until(lambda: made.taps.living() == ["b"])
        assert "offer audio" in made.server.asked[-1]
        assert "video" not in made.server.asked[-1]

    play(story, wants=Wants(video=False, not_audio_uids=frozenset({"a"})))


def test_coming_going_and_muting_are_followed() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot()
        await made.channel.join()
        made.server.say("joined", **publisher("a", audio=True), at_ns=1)
        made.server.say("muted", uid="a", source="camera", kind="audio", muted=False, at_ns=2)
        made.server.say("joined", **publisher("a", source="screen"), at_ns=3)
        made.server.say("left", uid="a", source="camera", at_ns=4)
        made.server.say("listener_joined", uid="z", at_ns=5)
        made.server.say("left", uid="a", source="screen", at_ns=6)
        assert await made.next(8) == [
            Occupancy(0),
            PublisherJoined("a"),
            TrackMuted("a", Source.MICROPHONE, True),
            Occupancy(1),
            TrackMuted("a", Source.MICROPHONE, False),
            Occupancy(2),
            PublisherLeft("a"),
            Occupancy(1),
        ]
        await made.until(lambda: made.taps.living() == [])

    play(story)


def test_who_stops_publishing_and_still_listens_has_not_left() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a", audio=True), listeners=("a", "b"))
        await made.channel.join()
        await made.next(3)
        made.server.say("left", uid="a", source="camera", at_ns=1)
        assert await made.next(2) == [
            PublisherStopped("a"),
            TrackMuted("a", Source.MICROPHONE, False),
        ]
        await made.until(lambda: made.taps.living() == [])
        made.server.say("joined", **publisher("a"), at_ns=2)
        assert await made.next(1) == [PublisherJoined("a")]
        made.server.say("left", uid="a", source="camera", at_ns=3)
        made.server.say("listener_left", uid="b", at_ns=4)
        made.server.say("listener_left", uid="a", at_ns=5)
        assert await made.next(4) == [
            PublisherStopped("a"),
            Occupancy(1),
            PublisherLeft("a"),
            Occupancy(0),
        ]

    play(story)


def test_who_stopped_and_is_not_there_after_a_broken_stream_has_left() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a"), publisher("b"), listeners=("a", "b"))
        await made.channel.join()
        await made.next(3)
        made.server.say("left", uid="a", source="camera", at_ns=1)
        assert await made.next(1) == [PublisherStopped("a")]
        made.server.hang_up()
        made.server.snapshot(listeners=("b",))
        assert await made.next(3) == [PublisherStopped("b"), PublisherLeft("a"), Occupancy(1)]

    play(story)


NOT_A = Wants(not_audio_uids=frozenset({"a"}), not_video_uids=frozenset({"a"}))


def test_who_is_not_wanted_any_more_is_left_and_found_again() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a"), publisher("a", source="screen"), publisher("b"))
        await made.channel.join()
        await made.next(3)
        await made.until(lambda: made.taps.living() == ["a", "a/screen", "b"])
        made.channel.want(NOT_A)
        await made.until(lambda: made.taps.living() == ["b"])
        await made.until(lambda: made.server.asked.count("DELETE") == 2)
        made.channel.want(Wants())
        await made.until(lambda: made.taps.living() == ["a", "a/screen", "b"])
        assert [tap.uid for tap in made.taps.all].count("b") == 1
        made.channel.want(Wants(video=False))  # taps drop what comes beside it
        made.channel.want(Wants())
        await asyncio.sleep(0.1)
        assert len(made.taps.all) == 5

    play(story)


def test_more_of_a_publisher_comes_by_a_tap_of_its_own() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a"))
        await made.channel.join()
        await made.until(lambda: made.taps.living() == ["a"])
        made.channel.want(Wants())
        await made.until(lambda: made.taps.living() == ["a", "a"])
        offers = [asked.rpartition("offer ")[2] for asked in made.server.asked[1:]]
        assert offers == ["audio", "video"]
        made.channel.want(Wants(audio=False))
        await made.until(lambda: made.taps.living() == ["a"])
        assert made.taps.all[0].closed
        made.server.say("left", uid="a", source="camera", at_ns=1)
        await made.until(lambda: made.taps.living() == [])

    play(story, wants=Wants(video=False))


def test_a_camera_that_comes_back_unmuted_beside_a_screen_is_unmuted() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a", audio=True), publisher("a", source="screen"))
        await made.channel.join()
        assert TrackMuted("a", Source.MICROPHONE, True) in await made.next(3)
        made.server.say("left", uid="a", source="camera", at_ns=2)
        made.server.say("joined", **publisher("a", joined_ns=3), at_ns=3)
        assert await made.next(1) == [TrackMuted("a", Source.MICROPHONE, False)]

    play(story)


def test_a_fault_of_ours_never_leaves_a_recording_deaf(monkeypatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError

    async def story(made: Scene) -> None:
        made.server.snapshot()
        await made.channel.join()
        await made.next(1)
        monkeypatch.setattr(made.channel, "_translate", broken)
        made.server.say("joined", **publisher("a"), at_ns=1)
        with pytest.raises(ChannelError):
            await made.next(1)

    play(story)


def test_a_tap_that_fails_in_an_unforeseen_way_is_opened_again(monkeypatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError

    async def story(made: Scene) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(FakeTap, "accept", broken)
            made.server.snapshot(publisher("a"))
            await made.channel.join()
            await made.until(lambda: made.taps.all and made.taps.all[0].closed)
        await made.until(lambda: made.taps.living() == ["a"])

    play(story)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_publisher_that_is_refused_is_told_of_and_tried_again(status: int) -> None:
    async def story(made: Scene) -> None:
        made.server.whep_status = status
        made.server.snapshot(publisher("a", source="screen"))
        await made.channel.join()
        await made.until(lambda: made.taps.troubles)
        uid, reason, screen = made.taps.troubles[0]
        assert (uid, screen) == ("a", True)
        assert str(status) in reason
        made.server.whep_status = 201
        await made.until(lambda: made.taps.living() == ["a/screen"])

    play(story)


def test_a_broken_event_stream_is_opened_again_and_compared() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("stays"), publisher("goes"), publisher("again"))
        await made.channel.join()
        await made.next(4)
        await made.until(lambda: len(made.taps.living()) == 3)
        first = {tap.uid: tap for tap in made.taps.all}
        made.server.hang_up()
        made.server.snapshot(
            publisher("stays", audio=True), publisher("again", joined_ns=2), publisher("new")
        )
        events = await made.next(5)
        assert set(events) == {
            PublisherLeft("goes"),
            TrackMuted("stays", Source.MICROPHONE, True),
            PublisherLeft("again"),
            PublisherJoined("again"),
            PublisherJoined("new"),
        }
        await made.until(lambda: made.taps.living() == ["again", "new", "stays"])
        assert not first["stays"].closed
        assert first["again"].closed

    play(story)


def test_a_tap_that_dies_is_opened_again() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot(publisher("a"))
        await made.channel.join()
        await made.until(lambda: made.taps.living() == ["a"])
        made.taps.all[0].over.set_result("consent lost")
        await made.until(lambda: len(made.taps.all) == 2 and made.taps.living() == ["a"])
        assert made.taps.all[0].closed

    play(story)


def test_a_server_that_is_gone_for_too_long_is_an_error() -> None:
    async def story(made: Scene) -> None:
        made.server.snapshot()
        await made.channel.join()
        await made.next(1)
        made.server.status = 500
        made.server.hang_up()
        with pytest.raises(ChannelError):
            await made.next(1)

    play(story, patience_s=0.2)


@pytest.mark.parametrize(("status", "error"), [(403, ChannelRefused), (500, ChannelError)])
def test_a_server_that_says_no_at_once_is_heard(status: int, error: type[Exception]) -> None:
    async def story(made: Scene) -> None:
        made.server.status = status
        with pytest.raises(error) as caught:
            await made.channel.join()
        assert type(caught.value) is error
        await made.channel.leave()

    play(story)


def test_a_server_that_is_not_there_is_an_error_worth_another_try(free_port) -> None:
    async def main() -> None:
        url = f"room+http://127.0.0.1:{free_port()}"
        channel = open_channel(Entrance(url, "c", "r"), wants=Wants(), taps=FakeTaps())
        await channel.leave()
        with pytest.raises(ChannelError) as caught:
            await channel.join()
        assert caught.value.retryable

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_may_be_torn_anywhere(size: int) -> None:
    text = b': hello\n\nevent: a\ndata: {"x":\ndata: 1}\n\nid: 3\ndata:{"y":"\xc3\xa4"}\r\n\r\n'

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(text), size):
            yield text[at : at + size]

    async def main() -> list[tuple[str, dict[str, Any]]]:
        return [message async for message in messages(chunks())]

    assert asyncio.run(main()) == [("a", {"x": 1}), ("message", {"y": "ä"})]


@pytest.mark.parametrize("text", [b"data: [1]\n\n", b"data: {\n\n"])
def test_nonsense_is_a_channel_error(text: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield text

    async def main() -> None:
        async for _ in messages(chunks()):
            pass

    with pytest.raises(ChannelError):
        asyncio.run(main())
