"""What a recorder makes of a Janus that goes away, or seems to."""

import asyncio
import time
from pathlib import Path

import pytest
from janus_guests import Publisher, visiting
from janus_stage import Recording, heard, play, recording, until, whole
from tcp_proxy import Proxy

from media.channels.janus import session
from media.rtc.drain import Drain
from media.tape.model import EventType, Source
from tests.janus import start_janus

pytestmark = pytest.mark.server

# Of a hole our own part is counted in what a guest sent meanwhile, as a busy machine slows both.
MOST_LOST = 200  # packets of one line: 2 s, or more where the guest is slowed


def play_behind_proxy(tmp_path: Path, janus, room: str, story) -> Recording:
    async def main() -> Recording:
        drain, proxy = Drain(), Proxy(janus.port)
        await proxy.start()
        try:
            url = f"janus+ws://127.0.0.1:{proxy.port}"
            async with recording(tmp_path / "tape", url, room) as made:
                await story(made, drain, proxy)
        finally:
            await proxy.cut()
            drain.close()
        return made

    return asyncio.run(main())


def test_a_lost_websocket_costs_no_packet(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain, proxy: Proxy) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made)
            for _ in range(3):
                await proxy.cut()
                await heard(made)
                before = proxy.connections
                await proxy.start()
                await until(lambda before=before: proxy.connections > before)
                await heard(made)
            late = Publisher(janus.url, room, "late", drain)
            async with visiting(late):  # the room is followed again
                await late.start()
                await until(lambda: "late" in made.here())
                await heard(made, 200)

    made = play_behind_proxy(tmp_path, janus, room, story)
    assert made.who(EventType.JOINED) == ["guest", "late"]
    for source in (Source.MICROPHONE, Source.CAMERA):
        [track] = made.of("guest", source)
        assert whole(made.sequence(track))


def test_what_happens_while_nobody_tells_us_is_found_out(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain, proxy: Proxy) -> None:
        stays, goes, again, new = (
            Publisher(janus.url, room, uid, drain) for uid in ("stays", "goes", "again", "new")
        )
        async with visiting(stays, goes, again, new):
            for each in (stays, goes, again):
                await each.start()
            await until(lambda: made.here() == {"stays", "goes", "again"})
            await heard(made, 300)
            await proxy.cut()
            await goes.leave()
            await again.unpublish()
            await again.publish()
            await new.start()
            camera = again.lines[1]
            camera.keyframes_asked = 0
            await proxy.start()
            await until(lambda: made.here() == {"stays", "again", "new"})
            await until(lambda: camera.keyframes_asked)  # somebody listens again
            await heard(made, 800)

    made = play_behind_proxy(tmp_path, janus, room, story)
    assert len(made.of("again", Source.CAMERA)) == 2
    assert len(made.sequence(made.of("again", Source.CAMERA)[1])) > 30
    assert len(made.sequence(*made.of("new", Source.MICROPHONE))) > 30
    for source in (Source.MICROPHONE, Source.CAMERA):
        [track] = made.of("stays", source)
        assert whole(made.sequence(track))


def test_who_stopped_before_or_during_an_outage_is_told_from_who_left(
    tmp_path, janus, room
) -> None:
    async def story(made: Recording, drain: Drain, proxy: Proxy) -> None:
        uids = ("stays", "stops", "stopped", "stopped-goes", "goes")
        _, stops, stopped, stopped_goes, goes = guests = [
            Publisher(janus.url, room, uid, drain) for uid in uids
        ]
        async with visiting(*guests):
            for each in guests:
                await each.start()
            await until(lambda: made.living() == set(uids))
            for each in (stopped, stopped_goes):
                await each.unpublish()
            await until(lambda: made.living() == {"stays", "stops", "goes"})
            assert made.here() == set(uids)
            await proxy.cut()
            await stops.unpublish()
            await stopped_goes.leave()
            await goes.leave()
            await proxy.start()
            await until(lambda: made.here() == {"stays", "stops", "stopped"})
            await until(lambda: made.living() == {"stays"})
            await stopped.leave()
            await stops.leave()
            await until(lambda: made.here() == {"stays"})

    made = play_behind_proxy(tmp_path, janus, room, story)
    assert sorted(made.who(EventType.JOINED)) == [
        "goes",
        "stays",
        "stopped",
        "stopped-goes",
        "stops",
    ]
    assert sorted(made.who(EventType.LEFT)[:4]) == ["goes", "stopped", "stopped-goes", "stops"]


def test_a_server_that_falls_silent_is_dropped_and_claimed_again(
    tmp_path, janus, room, monkeypatch
) -> None:
    monkeypatch.setattr(session, "KEEPALIVE_S", 0.2)
    monkeypatch.setattr(session, "REPLY_S", 1.0)
    monkeypatch.setattr(session, "CONNECT_S", 1.0)

    async def story(made: Recording, drain: Drain, proxy: Proxy) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made)
            proxy.silent = True
            await until(lambda: proxy.connections > 1)
            proxy.silent = False
            await guest.leave()
            await until(lambda: not made.here())

    made = play_behind_proxy(tmp_path, janus, room, story)
    [track] = made.of("guest", Source.MICROPHONE)
    assert whole(made.sequence(track))


def test_a_session_that_cannot_be_claimed_is_made_anew(tmp_path, need) -> None:
    need("janus")
    with start_janus(tmp_path, string_ids=True, reclaim_s=0) as janus:
        janus.create_room("r")

        async def story(made: Recording, drain: Drain, proxy: Proxy) -> None:
            guest = Publisher(janus.url, "r", "guest", drain)
            async with visiting(guest):
                await guest.start()
                await heard(made)
                await proxy.cut()
                await proxy.start()
                await until(lambda: proxy.connections > 2)
                await heard(made, 200)

        made = play_behind_proxy(tmp_path, janus, "r", story)
    assert made.reason == "stopped"
    before, after = (made.sent(track) for track in made.of("guest", Source.MICROPHONE))
    assert whole(before)
    assert whole(after)
    assert 0 < after[0] - before[-1] - 1 <= MOST_LOST


def test_a_janus_that_is_killed_and_started_again_costs_the_outage(tmp_path, need) -> None:
    need("janus")
    with start_janus(tmp_path, string_ids=True) as janus:
        janus.create_room("r")
        sent: list[int] = []  # the last number before the outage, and the first one after it
        away_s: list[float] = []

        async def story(made: Recording, drain: Drain) -> None:
            guest = Publisher(janus.url, "r", "guest", drain)
            again = Publisher(janus.url, "r", "guest", drain)
            async with visiting(guest, again):
                await guest.start()
                await heard(made, 200)
                sent.append(guest.lines[1].sent[0][-1])
                await asyncio.to_thread(janus.kill)
                killed_s = time.monotonic()
                await guest.exit()
                await asyncio.sleep(3)
                away_s.append(time.monotonic() - killed_s)
                await asyncio.to_thread(janus.start)
                await again.start()
                await heard(made, 200)
                sent.append(again.lines[1].sent[0][0])

        made = play(tmp_path, janus.url, "r", story)
    assert made.reason == "stopped"
    tracks = made.of("guest", Source.CAMERA)
    assert made.longest_pause_s(*tracks) > away_s[0]
    before, after = (made.sent(track) for track in tracks)
    assert whole(before)
    assert whole(after)
    assert max(0, sent[0] - before[-1]) + after[0] - sent[1] <= MOST_LOST


def test_rooms_and_publishers_may_be_numbers(tmp_path, need) -> None:
    need("janus")
    with start_janus(tmp_path, string_ids=False) as janus:
        janus.create_room(1234)

        async def story(made: Recording, drain: Drain) -> None:
            guest = Publisher(janus.url, 1234, 5678, drain)
            async with visiting(guest):
                await guest.start()
                await heard(made)
                assert set(janus.participants(1234)) == {"77", "5678"}
                async with recording(
                    tmp_path / "next", janus.url, "1234", recorder_uid="77"
                ) as successor:
                    await heard(successor)
                    assert len(janus.participants(1234)) == 3
                    await made.end()
                    await until(lambda: set(janus.participants(1234)) == {"77", "5678"})

        made = play(tmp_path, janus.url, "1234", story, recorder_uid="77")
        assert made.who(EventType.JOINED) == ["5678"]
        for cname, uid in (("room", "77"), ("1234", "recorder")):

            async def refused(made: Recording, drain: Drain) -> None:
                await until(made.task.done)

            made = play(tmp_path / cname / uid, janus.url, cname, refused, recorder_uid=uid)
            assert made.reason.startswith("refused: this Janus knows")


def test_candidates_may_come_after_the_offer(tmp_path, need) -> None:
    need("janus")
    with start_janus(tmp_path, string_ids=True, nat={"full_trickle": True}) as janus:
        janus.create_room("r")

        async def story(made: Recording, drain: Drain) -> None:
            guest = Publisher(janus.url, "r", "guest", drain)
            async with visiting(guest):
                await guest.start()
                await heard(made)

        made = play(tmp_path, janus.url, "r", story)
    [track] = made.of("guest", Source.CAMERA)
    assert whole(made.sequence(track))
