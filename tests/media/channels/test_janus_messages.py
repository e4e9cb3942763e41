"""What a Janus may send, and what it should not: nothing of it ends a recording."""

import asyncio
import json
from typing import Any

import pytest
import structlog
from aiohttp import WSMsgType, web
from hypothesis import given, settings
from hypothesis import strategies as st

from media.channels.base import (
    Entrance,
    Occupancy,
    PublisherJoined,
    PublisherLeft,
    PublisherStopped,
    RoomClosed,
    TrackMuted,
    Wants,
)
from media.channels.janus.access import Access
from media.channels.janus.channel import JanusChannel
from media.channels.janus.feeds import Feed, Stream, read_feeds, read_participants
from media.channels.janus.ids import Ids
from media.channels.janus.inbox import Inbox
from media.channels.janus.subscription import _current_offer
from media.channels.janus.trickle import with_candidates
from media.channels.janus.wire import Message, parse
from media.channels.registry import open_channel
from media.errors import ChannelError, ChannelRefused
from media.tape.model import Kind, Source

NAMES = ("janus", "transaction", "sender", "plugindata", "data", "jsep", "sdp", "error", "code")
NAMES += ("error_code", "videoroom", "id", "streams", "mid", "type", "description", "disabled")
NAMES += ("moderated", "dummy", "display", "publisher", "x")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(
    st.text()
    | JSON.map(json.dumps)
    | JSON.map(lambda row: json.dumps({"janus": "event", "x": row}))
)
def test_any_text_is_a_message_or_none(text: str) -> None:
    message = parse(text)
    assert message is None or (isinstance(message.kind, str) and isinstance(message.about, str))


def test_a_message_nested_without_end_is_none() -> None:
    assert parse("[" * 100_000) is None


@given(JSON, st.booleans())
def test_any_list_of_publishers_can_be_read(rows: object, numeric: bool) -> None:
    feeds = read_feeds(rows, Ids(numeric), {})
    assert read_feeds(rows, Ids(numeric), feeds) == feeds
    read_participants(rows, Ids(numeric))


@given(st.text())
def test_any_url_is_understood_or_refused(url: str) -> None:
    try:
        access = Access.of("janus+ws://" + url, "secret")
    except ChannelRefused:
        return
    assert "secret" not in repr(access)


@pytest.mark.parametrize(
    ("query", "token", "room", "api"),
    [
        ("", None, {}, {}),
        ("", "abc", {"pin": "abc", "token": "abc"}, {}),
        ("?pin=1&apisecret=s&token=t", None, {"pin": "1"}, {"apisecret": "s", "token": "t"}),
        ("?pin=1", "token=x", {"pin": "1", "token": "x"}, {}),
        ("?pin=1", "pin=2&token=x%20y", {"pin": "2", "token": "x y"}, {}),
        ("", "pin=2&other=3", {"pin": "pin=2&other=3", "token": "pin=2&other=3"}, {}),
    ],
)
def test_what_opens_a_room(query: str, token: str | None, room: dict, api: dict) -> None:
    access = Access.of("janus+wss://host:8989/janus" + query, token)
    assert access.address == "wss://host:8989/janus"
    assert access.to_room() == room
    assert access.to_api() == api


def test_an_entrance_shows_no_secret() -> None:
    shown = repr(Entrance("janus+ws://host?pin=secret", "c", "rec", "secret"))
    assert "secret" not in shown


def test_numbers_are_ids_when_the_server_says_so() -> None:
    ids = Ids(numeric=True)
    assert ids.to_wire("77", "room") == 77
    assert ids.text(77) == "77"
    assert Ids().to_wire("77", "room") == "77"
    for name in ("room", "0", "-1", "1.5", "9" * 30, "٣", ""):
        with pytest.raises(ChannelRefused):
            ids.to_wire(name, "room")
    for value in (None, "", True, 1.5, []):
        with pytest.raises(ValueError):
            ids.text(value)


def line(mid: str, kind: str = "video", **more: Any) -> dict[str, Any]:
    return {"mid": mid, "type": kind, "codec": "vp8", **more}


def feed(*lines: dict[str, Any], known: dict[str, Feed] | None = None) -> dict[str, Source]:
    feeds = read_feeds([{"id": "a", "streams": list(lines)}], Ids(), known or {})
    return {stream.mid: stream.source for stream in feeds["a"].streams}


def test_a_second_video_is_the_screen_and_so_is_what_says_it() -> None:
    assert feed(line("0", "audio"), line("1"), line("2")) == {
        "0": Source.MICROPHONE,
        "1": Source.CAMERA,
        "2": Source.SCREEN,
    }
    assert feed(line("1", description="The SCREEN of a"), line("2")) == {
        "1": Source.SCREEN,
        "2": Source.CAMERA,
    }
    assert feed(line("1", disabled=True), line("2"), line("3", "data")) == {"2": Source.CAMERA}
    assert feed(*(line(str(number)) for number in range(9))) == {
        "0": Source.CAMERA,
        "1": Source.SCREEN,
    }


def test_a_stream_stays_what_it_is_while_it_is_sent() -> None:
    screen = Stream("2", Kind.VIDEO, Source.SCREEN, "vp8")
    known = {"a": Feed("a", (screen,))}
    assert feed(line("1", disabled=True), line("2"), known=known) == {"2": Source.SCREEN}
    assert feed(line("2"), line("3"), known=known) == {"2": Source.SCREEN, "3": Source.CAMERA}


def test_an_inbox_ends_when_it_is_full_and_gives_what_it_holds() -> None:
    async def main() -> None:
        inbox: Inbox[int] = Inbox(2)
        for number in range(4):
            inbox.put(number)
        assert [await inbox.get(), await inbox.get()] == [0, 1]
        with pytest.raises(ChannelError):
            await inbox.get()

    asyncio.run(main())


class SlowHandle:
    """Puts the first request off for a while, or for good."""

    def __init__(self, *, for_good: bool) -> None:
        self.for_good = for_good
        self.asked: list[dict[str, Any]] = []

    async def ask(self, body: dict[str, Any], *, queued: asyncio.Event | None = None) -> Message:
        self.asked.append(body)
        if queued is not None:
            await asyncio.sleep(0.05)  # Janus has not even read it
            assert len(self.asked) == 1
            queued.set()
            await asyncio.sleep(60 if self.for_good else 0)
        else:
            await asyncio.sleep(0.05)
        return Message("event", sdp="offer" if queued else "")


@pytest.mark.parametrize("for_good", [False, True])
def test_an_offer_is_lost_when_what_was_asked_later_is_answered_first(for_good: bool) -> None:
    handle: Any = SlowHandle(for_good=for_good)
    if for_good:
        with pytest.raises(ChannelError, match="got lost"):
            asyncio.run(_current_offer(handle))
    else:
        assert asyncio.run(_current_offer(handle)).sdp == "offer"


def test_candidates_that_come_apart_are_put_into_the_offer() -> None:
    offer = "v=0\r\nm=audio 9 X 0\r\na=mid:a\r\nm=video 9 X 1\r\na=mid:v\r\n"

    async def main() -> None:
        inbox: Inbox[Message] = Inbox(9)
        for text in ("candidate:1 x", "a=candidate:2 x"):
            inbox.put(Message("trickle", data={"candidate": {"candidate": text}}))
            inbox.put(Message("webrtcup"))
        inbox.put(Message("trickle", data={"candidate": {"completed": True}}))
        found = await with_candidates(offer, inbox)
        assert found == offer.replace(
            "a=mid:a\r\n", "a=mid:a\r\na=candidate:1 x\r\na=candidate:2 x\r\n"
        )
        assert (await inbox.get()).kind == "webrtcup"
        assert await with_candidates(found, inbox) == found

    asyncio.run(main())


class Server:
    """Lets anybody in, and then says what a test wants it to say."""

    def __init__(self, **replies: dict[str, Any]) -> None:
        self.replies = replies
        self.asked: list[dict[str, Any]] = []
        self.socket: web.WebSocketResponse | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.socket = socket = web.WebSocketResponse(protocols=("janus-protocol",))
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await self._answer(socket, json.loads(frame.data))
        return socket

    def requests(self) -> list[str]:
        return [row["body"]["request"] for row in self.asked if "body" in row]

    async def say(self, text: str) -> None:
        assert self.socket is not None
        await self.socket.send_str(text)

    async def _answer(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        self.asked.append(asked)
        kind = asked["body"]["request"] if asked["janus"] == "message" else asked["janus"]
        reply: dict[str, Any] = {"janus": "success", "transaction": asked["transaction"]}
        if kind in self.replies:
            reply |= self.replies[kind]
        elif kind in ("create", "attach"):
            reply["data"] = {"id": len(self.asked)}
        elif kind == "join":
            data = {"videoroom": "joined", "id": "rec", "private_id": 5, "publishers": []}
            reply |= {"janus": "event", "plugindata": {"data": data}}
        elif kind == "keepalive":
            reply["janus"] = "ack"
        await socket.send_json(reply)


def play(story, **replies: dict[str, Any]) -> Server:
    """Run a story with a channel on a scripted server."""

    async def main() -> Server:
        server = Server(**replies)
        app = web.Application()
        app.router.add_get("/", server.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"janus+ws://127.0.0.1:{runner.addresses[0][1]}?apisecret=quiet"
        channel = open_channel(Entrance(url, "c", "rec"), wants=Wants(False, False), taps=None)
        assert isinstance(channel, JanusChannel)
        try:
            await story(channel, server)
        finally:
            await channel.leave()
            await channel.leave()
            await runner.cleanup()
        return server

    return asyncio.run(main())


def event(server: Server, **data: Any) -> str:
    [handle] = [row["handle_id"] for row in server.asked if row.get("body", {}).get("ptype")]
    return json.dumps(
        {"janus": "event", "sender": handle, "plugindata": {"data": {"videoroom": "event", **data}}}
    )


def test_nonsense_is_passed_over_and_repetition_told_once() -> None:
    async def story(channel: JanusChannel, server: Server) -> None:
        await channel.leave()
        await channel.join()
        someone = {"id": "a", "streams": [line("1")]}
        nonsense: list[Any] = [None, 1, "x", [], {}, [[]], [{"id": None}], {"id": []}]
        for value in nonsense:
            await server.say(json.dumps(value))
            for name in ("publishers", "unpublished", "leaving", "kicked", "joining", "streams"):
                await server.say(event(server, **{name: value}))
            await server.say(event(server, id=value, mid=value, moderation=value))
        await server.say("{")
        assert server.socket is not None
        await server.socket.send_bytes(b"\0\1")
        for _ in range(2):
            await server.say(event(server, publishers=[someone, {"id": "rec"}]))
            await server.say(event(server, id="a", mid="1", moderation="muted"))
        for _ in range(2):
            await server.say(event(server, unpublished="a"))
            await server.say(event(server, leaving="a"))
        await server.say(event(server, leaving="ok", reason="kicked"))
        async with asyncio.timeout(10):
            events = [each async for each in channel.events() if not isinstance(each, Occupancy)]
        assert events == [
            PublisherJoined("a"),
            TrackMuted("a", Source.CAMERA, True),
            PublisherStopped("a"),
            TrackMuted("a", Source.CAMERA, False),
            PublisherLeft("a"),
            RoomClosed("the recorder was kicked out of the room"),
        ]

    server = play(story)
    assert {row["apisecret"] for row in server.asked} == {"quiet"}
    assert server.asked[-1]["janus"] == "destroy"


@settings(max_examples=25, deadline=None)
@given(st.lists(JSON, max_size=10))
def test_no_event_ends_a_channel(rows: list[Any]) -> None:
    async def story(channel: JanusChannel, server: Server) -> None:
        await channel.join()
        for row in rows:
            await server.say(event(server, publishers=row, unpublished=row, id=row, moderation=row))
            await server.say(event(server, joining=row, streams=row, leaving=row))
        await server.say(event(server, publishers=[{"id": "the last"}]))
        async with asyncio.timeout(10):
            async for each in channel.events():
                if each == PublisherJoined("the last"):
                    return

    play(story)


def no(code: int) -> dict[str, Any]:
    return {"janus": "error", "error": {"code": code, "reason": "quoted"}}


def plugin_no(code: int) -> dict[str, Any]:
    data = {"videoroom": "event", "error_code": code, "error": "quoted"}
    return {"janus": "event", "plugindata": {"data": data}}


@pytest.mark.parametrize(
    ("replies", "retryable"),
    [
        ({"create": no(403)}, False),
        ({"attach": no(460)}, False),
        ({"attach": no(405)}, False),
        ({"attach": no(458)}, True),
        ({"create": no(472)}, True),
        ({"create": {"data": {"id": "x"}}}, True),
        ({"join": plugin_no(426)}, True),
        ({"join": plugin_no(433)}, False),
        ({"join": plugin_no(499)}, True),
        ({"join": {"janus": "error", "error": None}}, True),
    ],
)
def test_a_no_is_for_good_or_worth_another_try(replies: dict[str, Any], retryable: bool) -> None:
    async def story(channel: JanusChannel, server: Server) -> None:
        with pytest.raises(ChannelError) as caught:
            await channel.join()
        assert caught.value.retryable is retryable
        assert "quoted" not in str(caught.value)

    play(story, **replies)


def test_a_janus_that_counts_nobody_is_followed_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr("media.channels.janus.channel.COUNT_S", 0.01)

    async def story(channel: JanusChannel, server: Server) -> None:
        with structlog.testing.capture_logs() as logs:
            await channel.join()
            async with asyncio.timeout(10):
                while server.requests().count("listparticipants") < 4:
                    await asyncio.sleep(0.01)
            await server.say(event(server, publishers=[{"id": "a"}]))
            async with asyncio.timeout(10):
                assert await anext(aiter(channel.events())) == PublisherJoined("a")
        assert len([each for each in logs if "counted" in each["event"]]) == 1

    play(story, listparticipants=plugin_no(499))


def test_where_nobody_says_who_holds_our_uid_another_one_does() -> None:
    async def story(channel: JanusChannel, server: Server) -> None:
        with pytest.raises(ChannelError):  # the script refuses any UID
            await channel.join()
        first, second = (row["body"]["id"] for row in server.asked if row.get("body", {}).get("id"))
        assert first == "rec"
        assert second.startswith("rec-")

    play(story, join=plugin_no(436), listparticipants=plugin_no(499))


def test_a_session_that_timed_out_is_an_error() -> None:
    async def story(channel: JanusChannel, server: Server) -> None:
        await channel.join()
        await server.say('{"janus": "timeout", "session_id": 1}')
        with pytest.raises(ChannelError) as caught:
            async with asyncio.timeout(10):
                async for _ in channel.events():
                    pass
        assert caught.value.retryable

    play(story)


def test_a_janus_that_is_not_there_is_worth_another_try(free_port) -> None:
    async def main() -> None:
        url = f"janus+ws://127.0.0.1:{free_port()}"
        channel = open_channel(Entrance(url, "c", "r"), wants=Wants(), taps=None)
        await channel.leave()
        with pytest.raises(ChannelError) as caught:
            await channel.join()
        assert caught.value.retryable

    asyncio.run(main())
