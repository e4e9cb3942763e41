"""Presence as readers of the event stream see it."""

import asyncio
import socket
import time

from media.room.channel import Channel
from media.room.events import KEEP_ALIVE, Watcher
from media.room.limits import Limits
from tests.media.room.clients import PATIENCE_S, open_room, run


@run
async def test_a_snapshot_tells_who_is_there_with_tracks_and_mutes():
    async with open_room() as place:
        before_ns = time.time_ns()
        publisher = await place.joined("7")
        await place.mute(publisher, "audio", True)
        async with place.events() as events:
            name, snapshot = await events.next()
        assert name == "snapshot"
        (row,) = snapshot["publishers"]
        assert before_ns < row.pop("joined_ns") < time.time_ns()
        assert row == {
            "uid": "7",
            "source": "camera",
            "tracks": [
                {"kind": "audio", "ssrc": 1000, "codec": "opus"},
                {"kind": "video", "ssrc": 2000, "codec": "VP8"},
            ],
            "muted": {"audio": True, "video": False},
        }
        assert snapshot["listeners"] == []


@run
async def test_a_listener_is_there_as_long_as_its_stream_is_open():
    async with open_room() as place, place.events() as events:
        await events.next()
        async with place.events(query="?as=recorder"), place.events(query="?as=recorder"):
            assert (await events.next())[1]["uid"] == "recorder"
            async with place.events() as others:
                assert (await others.next())[1]["listeners"] == ["recorder"]
        name, row = await events.next()
        assert (name, row["uid"]) == ("listener_left", "recorder")


@run
async def test_a_subscriber_with_a_name_is_a_listener_until_it_leaves():
    async with open_room() as place:
        await place.joined()
        async with place.events() as events:
            await events.next()
            subscriber = await place.subscribe(query="?as=9")
            name, row = await events.next()
            assert (name, row["uid"]) == ("listener_joined", "9")
            await subscriber.peer.close()
            assert (await events.next())[0] == "listener_left"


@run
async def test_names_may_hold_anything_that_can_be_printed():
    async with open_room() as place:
        cname, uid = "a%2Fb%20%C3%BC%25", "x%3Fy%23z"
        await place.joined(uid, cname)
        async with place.events(cname) as events:
            snapshot = (await events.next())[1]
        assert snapshot["publishers"][0]["uid"] == "x?y#z"
        assert list(place.room._channels) == ["a/b ü%"]
        await place.subscribe(uid, cname)


@run
async def test_channels_do_not_hear_of_each_other():
    async with open_room() as place, place.events("quiet") as quiet:
        await quiet.next()
        await place.joined(cname="loud")
        async with place.events("quiet", "?as=me"):
            assert (await quiet.next())[0] == "listener_joined"


@run
async def test_a_reader_who_does_not_read_is_cut_off_and_the_others_are_not():
    async with open_room(Limits(waiting_events=16)) as place, place.events() as good:
        await good.next()
        loop = asyncio.get_running_loop()
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, ("127.0.0.1", place.port))
        await loop.sock_sendall(slow, b"GET /channels/c/events?as=slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await good.next())[1]["uid"] == "slow"
        channel, name = place.room._channels["c"], "n" * 200
        async with asyncio.timeout(PATIENCE_S):
            while True:
                channel.listen(name)
                channel.unlisten(name)
                events = [(await good.next())[1]["uid"] for _ in range(2)]
                if "slow" in events:
                    break
        assert place.room.counts()["watchers"] == 1
        slow.close()


@run
async def test_the_room_ends_event_streams_when_it_closes():
    async with open_room() as place, place.events() as events:
        await events.next()
        await place.room.close()
        try:
            await events.next()
        except EOFError:
            return
        raise AssertionError("an event after the end")


@run
async def test_silence_is_filled_with_comments():
    watcher = Watcher(4, on_overflow=lambda: None)
    async for chunk in watcher.chunks(0.001):
        assert chunk == KEEP_ALIVE
        break


@run
async def test_a_full_queue_cuts_its_reader_off_once():
    cut = []
    channel, watcher = Channel("c"), Watcher(3, lambda: cut.append(True))
    channel.watch(watcher)
    for _ in range(5):
        channel.listen("a")
        channel.unlisten("a")
    assert cut == [True]
    assert [chunk async for chunk in watcher.chunks(60)] == []
