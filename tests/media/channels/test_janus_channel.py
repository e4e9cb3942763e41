"""A recorder in a real Janus: real ICE, DTLS and SRTP, and a real tape."""

import asyncio

import pytest
from janus_guests import H264, OPUS, VP8, Guest, Line, Publisher, visiting
from janus_stage import Recording, heard, play, recording, until, whole

from media.channels.base import Wants
from media.channels.janus import channel
from media.rtc.drain import Drain
from media.tape.model import EventType, Kind, Source

pytestmark = pytest.mark.server


def test_who_is_there_and_who_comes_late_is_taped_without_a_hole(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        first = Publisher(janus.url, room, "first", drain)
        late = Publisher(janus.url, room, "late", drain)
        async with visiting(first, late):
            await first.start()
            await heard(made)
            await late.start()
            await heard(made, 300)
            assert janus.participants(room)["rec"]["publisher"] is False

    made = play(tmp_path, janus.url, room, story)
    assert made.reason == "stopped"
    assert made.who(EventType.JOINED) == ["first", "late"]
    for uid in ("first", "late"):
        for source in (Source.MICROPHONE, Source.CAMERA):
            [track] = made.of(uid, source)
            assert whole(made.sequence(track))
    assert "rec" not in janus.participants(room)


def test_who_leaves_and_comes_again_under_the_same_id_is_heard_again(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        stays = Publisher(janus.url, room, "stays", drain)
        goes = Publisher(janus.url, room, "goes", drain)
        again = Publisher(janus.url, room, "goes", drain)
        async with visiting(stays, goes, again):
            await stays.start()
            await goes.start()
            await heard(made, 200)
            await goes.leave()
            await again.start()
            await heard(made, 300)

    made = play(tmp_path, janus.url, room, story)
    assert sorted(made.who(EventType.JOINED)) == ["goes", "goes", "stays"]
    assert made.who(EventType.LEFT)[:1] == ["goes"]
    assert len(made.of("goes", Source.CAMERA)) == 2
    [track] = made.of("stays", Source.MICROPHONE)
    assert whole(made.sequence(track))


def test_who_stops_publishing_has_not_left_before_they_leave(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        stays = Publisher(janus.url, room, "stays", drain)
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(stays, guest):
            await stays.start()
            await guest.start()
            await heard(made, 200)
            await guest.unpublish()
            await until(lambda: made.living() == {"stays"})
            await heard(made, 100)
            assert made.here() == {"stays", "guest"}
            await guest.publish()
            await until(lambda: made.living() == {"stays", "guest"})
            await heard(made, 200)
            await guest.unpublish()
            await until(lambda: made.living() == {"stays"})
            assert made.here() == {"stays", "guest"}
            await guest.leave()
            await until(lambda: made.here() == {"stays"})

    made = play(tmp_path, janus.url, room, story)
    assert made.who(EventType.JOINED) == ["stays", "guest"]
    assert made.who(EventType.LEFT)[0] == "guest"
    assert len(made.of("guest", Source.CAMERA)) == 2
    removed = [event.track for event in made.events if event.type is EventType.TRACK_REMOVED]
    left = next(event for event in made.events if event.type is EventType.LEFT)
    for track in made.of("guest", Source.CAMERA):
        assert removed.count(track.id) == 1
    assert all(
        event.at_ns < left.at_ns
        for event in made.events
        if event.type is EventType.TRACK_REMOVED
        and event.track in {track.id for track in made.of("guest", Source.CAMERA)}
    )
    # Who looks for what is missing learns that nothing was lost.
    assert made.who(EventType.MUTED).count("guest") == 8
    assert made.who(EventType.UNMUTED).count("guest") == 4


@pytest.mark.parametrize("live", [True, False])
def test_who_only_listens_keeps_a_recording_awake_unless_it_is_live(
    tmp_path, janus, room, monkeypatch, live: bool
) -> None:
    monkeypatch.setattr(channel, "COUNT_S", 0.2)

    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made, 100)
            await guest.unpublish()
            await until(lambda: not made.living())
            await asyncio.sleep(4)
            assert made.task is not None
            assert made.task.done() == live
            await guest.leave()
            await until(made.task.done)

    made = play(tmp_path, janus.url, room, story, live=live, max_idle_s=2.0)
    assert made.reason == "idle"


def test_who_is_wanted_may_change(tmp_path, janus, room) -> None:
    nobody = frozenset({"goes", "mute"})

    async def story(made: Recording, drain: Drain) -> None:
        stays, goes, mute = (
            Publisher(janus.url, room, uid, drain) for uid in ("stays", "goes", "mute")
        )
        async with visiting(stays, goes, mute):
            for each in (stays, goes, mute):
                await each.start()
            await until(lambda: len(made.lines()) == 6)
            await heard(made, 200)
            made.want(Wants(not_audio_uids=frozenset({"goes"}), not_video_uids=nobody))
            assert made.lines() == {
                ("stays", Kind.AUDIO),
                ("stays", Kind.VIDEO),
                ("mute", Kind.AUDIO),
            }
            await heard(made, 200)
            for each in (goes, mute):
                each.lines[1].keyframes_asked = 0
            made.want(Wants())
            await until(lambda: len(made.lines()) == 6)
            await until(lambda: all(each.lines[1].keyframes_asked for each in (goes, mute)))
            await heard(made, 300)

    made = play(tmp_path, janus.url, room, story)
    assert sorted(made.who(EventType.JOINED)) == ["goes", "mute", "stays"]
    for uid, source in (
        ("stays", Source.MICROPHONE),
        ("stays", Source.CAMERA),
        ("mute", Source.MICROPHONE),
    ):
        [track] = made.of(uid, source)
        assert whole(made.sequence(track))
    for uid, source in (
        ("goes", Source.MICROPHONE),
        ("goes", Source.CAMERA),
        ("mute", Source.CAMERA),
    ):
        before, after = made.of(uid, source)
        last_ns, first_ns = made.tape.arrivals_ns[before.id][-1], made.tape.arrivals_ns[after.id][0]
        assert first_ns - last_ns > 0.5e9  # 200 packets of three publishers
        assert len(made.sequence(after)) > 30


def test_only_what_is_wanted_is_subscribed_to(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        seen = Publisher(janus.url, room, "seen", drain)
        not_seen = Publisher(janus.url, room, "not-seen", drain)
        not_wanted = Publisher(janus.url, room, "not-wanted", drain)
        async with visiting(seen, not_seen, not_wanted):
            for each in (not_wanted, not_seen, seen):
                await each.start()
            await heard(made, 300)

    wants = Wants(
        audio_uids=frozenset({"seen", "not-seen"}),
        not_video_uids=frozenset({"not-seen", "not-wanted"}),
    )
    made = play(tmp_path, janus.url, room, story, wants=wants)
    assert {(track.uid, track.kind) for track in made.tracks} == {
        ("seen", Kind.AUDIO),
        ("seen", Kind.VIDEO),
        ("not-seen", Kind.AUDIO),
    }


def test_a_screen_that_is_shared_for_a_while_is_a_track_of_its_own(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        sound, camera = Line("a", OPUS), Line("v", VP8)
        screen, noise = Line("s", VP8), Line("n", OPUS, "Sound of the screen")
        guest = Publisher(janus.url, room, "guest", drain, sound, camera)
        async with visiting(guest):
            await guest.start()
            await heard(made, 200)
            await guest.change(sound, camera, screen, noise)
            await heard(made, 400)
            screen.active = noise.active = False
            await guest.change(sound, camera, screen, noise)
            await heard(made, 200)

    made = play(tmp_path, janus.url, room, story)
    for source in (Source.MICROPHONE, Source.CAMERA):
        [track] = made.of("guest", source)
        assert whole(made.sequence(track))
    [screen] = made.of("guest", Source.SCREEN)
    assert len(made.sequence(screen)) > 30
    assert len(made.sequence(*made.of("guest", Source.SCREEN_AUDIO))) > 30


def test_a_lone_video_that_is_called_a_screen_is_one(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain, Line("v", VP8, "My Screen"))
        async with visiting(guest):
            await guest.start()
            await heard(made, 50)

    made = play(tmp_path, janus.url, room, story)
    assert [track.source for track in made.tracks] == [Source.SCREEN]


def test_a_camera_that_becomes_a_screen_is_another_track(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made, 200)
            said = [{"mid": "v", "description": "Screen"}]
            await guest.say(request="configure", descriptions=said)
            await heard(made, 400)

    made = play(tmp_path, janus.url, room, story)
    assert len(made.sequence(*made.of("guest", Source.CAMERA))) > 30
    assert len(made.sequence(*made.of("guest", Source.SCREEN))) > 30


def test_a_codec_may_change_in_the_middle(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        sound, camera, other = Line("a", OPUS), Line("v", VP8), Line("w", H264)
        guest = Publisher(janus.url, room, "guest", drain, sound, camera)
        async with visiting(guest):
            await guest.start()
            await heard(made, 200)
            camera.active = False
            await guest.change(sound, camera, other)
            await heard(made, 300)

    made = play(tmp_path, janus.url, room, story)
    [sound] = made.of("guest", Source.MICROPHONE)
    assert whole(made.sequence(sound))
    vp8, h264 = made.of("guest", Source.CAMERA)
    assert [codec.key for codec in (*vp8.codecs, *h264.codecs) if codec.key != "rtx"] == [
        "vp8",
        "h264",
    ]
    assert len(made.sequence(h264)) > 30


@pytest.mark.parametrize("substream", [0, 2])
def test_of_a_simulcast_one_layer_is_recorded(tmp_path, janus, room, substream: int) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain, Line("v", VP8, layers=3))
        async with visiting(guest):
            await guest.start()
            await heard(made, 150)

    made = play(tmp_path, janus.url, room, story, simulcast_substream=substream)
    [track] = made.of("guest", Source.CAMERA)
    assert whole(made.sequence(track))
    layers = [packet[-66:-60] for packet in made.packets[track.id]]
    assert layers[-50:] == [b"layer%d" % substream] * 50


def test_a_moderator_who_mutes_is_believed(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made)
            janus.moderate(room, "guest", "v", mute=True)
            await heard(made)
            janus.moderate(room, "guest", "v", mute=False)
            await heard(made)

    made = play(tmp_path, janus.url, room, story)
    mutes = [e for e in made.events if e.type in (EventType.MUTED, EventType.UNMUTED)]
    assert [(e.type, e.source) for e in mutes[:2]] == [
        (EventType.MUTED, Source.CAMERA),
        (EventType.UNMUTED, Source.CAMERA),
    ]


def test_a_listener_keeps_a_recording_awake_and_another_recorder_does_not(
    tmp_path, janus, room, monkeypatch
) -> None:
    monkeypatch.setattr(channel, "COUNT_S", 0.2)

    async def main() -> None:
        listener = Guest(janus.url, room, "listener")
        options = {"max_idle_s": 3.0}
        async with visiting(listener):
            await listener.enter()
            async with (
                recording(tmp_path / "one", janus.url, room, **options) as one,
                recording(tmp_path / "other", janus.url, room, recorder_uid="other") as other,
            ):
                await until(lambda: {"rec", "other"} <= set(janus.participants(room)))
                await asyncio.sleep(4)
                assert not one.task.done()
                await listener.say(request="leave")
                await until(one.task.done)
                assert not other.task.done()
        assert one.reason == "idle"

    asyncio.run(main())


@pytest.mark.parametrize(
    "given", [{"url": "?pin=1234"}, {"token": "1234"}, {"token": "pin=1234&token=x"}]
)
def test_a_pin_opens_the_room_and_is_never_told(tmp_path, janus, capsys, given) -> None:
    room = f"pin{len(janus.log())}"
    janus.create_room(room, pin="1234")

    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain, pin="1234")
        async with visiting(guest):
            await guest.start()
            await heard(made, 50)

    url = janus.url + given.get("url", "")
    made = play(tmp_path, url, room, story, token=given.get("token"))
    assert made.reason == "stopped"
    assert "1234" not in "".join(capsys.readouterr())


def test_a_wrong_pin_is_a_refusal(tmp_path, janus, capsys) -> None:
    janus.create_room("locked", pin="1234")

    async def story(made: Recording, drain: Drain) -> None:
        await until(made.task.done)

    made = play(tmp_path, janus.url, "locked", story, token="4321")
    assert made.reason == "token refused: the room refused its PIN or token"
    assert "4321" not in "".join(capsys.readouterr())


def test_a_room_that_somebody_opens_later_is_waited_for(tmp_path, janus) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, "later", "guest", drain)
        async with visiting(guest):
            await asyncio.sleep(0.5)
            janus.create_room("later")
            await guest.start()
            await heard(made, 50)
            janus.destroy_room("later")
            await asyncio.sleep(0.5)
            assert not made.task.done()

    made = play(tmp_path, janus.url, "later", story)
    assert made.reason == "stopped"
    assert made.who(EventType.LEFT) == ["guest"]


def test_a_recorder_that_is_kicked_out_ends(tmp_path, janus, room) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        await until(lambda: "rec" in janus.participants(room))
        janus.kick(room, "rec")
        await until(made.task.done)

    made = play(tmp_path, janus.url, room, story)
    assert made.reason == "removed: the recorder was kicked out of the room"


def test_a_uid_that_somebody_has_is_a_refusal(tmp_path, janus, room) -> None:
    async def main() -> Recording:
        somebody = Guest(janus.url, room, "rec")
        async with visiting(somebody):
            await somebody.enter()
            async with recording(tmp_path / "tape", janus.url, room) as made:
                await until(made.task.done)
        return made

    made = asyncio.run(main())
    assert made.reason == "refused: somebody else is in the room under the recorder's UID"


def test_who_takes_over_from_a_recorder_joins_beside_it_and_gets_its_uid_later(
    tmp_path, janus, room
) -> None:
    async def story(made: Recording, drain: Drain) -> None:
        guest = Publisher(janus.url, room, "guest", drain)
        async with visiting(guest):
            await guest.start()
            await heard(made)
            async with recording(tmp_path / "next", janus.url, room) as successor:
                await heard(successor)
                others = set(janus.participants(room)) - {"rec", "guest"}
                assert len(others) == 1
                await made.end()
                await until(lambda: set(janus.participants(room)) == {"rec", "guest"})
                await heard(successor)
        for source in (Source.MICROPHONE, Source.CAMERA):
            [track] = successor.of("guest", source)
            assert whole(successor.sequence(track))

    play(tmp_path, janus.url, room, story)


def test_a_room_may_want_to_know_to_whom_a_subscription_belongs(tmp_path, janus) -> None:
    janus.create_room("private", require_pvtid=True, notify_joining=True)

    async def story(made: Recording, drain: Drain) -> None:
        guest, passive = (
            Publisher(janus.url, "private", "guest", drain),
            Guest(janus.url, "private", "passive"),
        )
        async with visiting(guest, passive):
            await passive.enter()
            await guest.start()
            await heard(made)

    made = play(tmp_path, janus.url, "private", story)
    assert made.who(EventType.JOINED) == ["guest"]
