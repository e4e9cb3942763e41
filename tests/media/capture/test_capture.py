"""Capture against a real room and real publishers; what is looked at is the tape."""

import asyncio
import time
from typing import Any

from recorder import WAIT_S, Recording, heard, settled, taped, until
from whip import Line, Publisher, room

from media.channels.base import Wants
from media.rtc.drain import Drain
from media.rtp.packet import parse_header
from media.tape.model import EventType, Kind
from media.tape.reader import Tape


def test_what_a_publisher_sends_is_on_tape_byte_for_byte(go) -> None:
    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        publisher.report()
        await publisher.send(200)
        publisher.report()
        await until(lambda: publisher.lines["video"].keyframes_asked)
        await settled(rec)
        await publisher.leave()

    publisher: Publisher
    rec = go(story)
    assert rec.reason == "stopped"
    for kind in Kind:
        line, track = publisher.lines[kind.value], rec.track("alice", kind)
        assert track.ssrc == line.ssrc
        packets = taped(rec, track)
        assert len(packets) >= 200
        last = list(line.sent)[-200:]
        for seq in last:
            assert packets[seq] == line.sent[seq]
    assert [event.uid for event in rec.told(EventType.JOINED)] == ["alice"]
    assert [event.uid for event in rec.told(EventType.LEFT)] == ["alice"]
    assert rec.seen.missing == 0


def test_both_tracks_of_a_connection_get_clock_points_of_one_clock(go) -> None:
    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        publisher.report()
        await publisher.send(100)
        publisher.report()
        await settled(rec)
        await publisher.close()

    publisher: Publisher
    before = time.time_ns()
    rec = go(story)
    for kind in Kind:
        track = rec.track("alice", kind)
        points = [event for event in rec.told(EventType.CLOCK) if event.track == track.id]
        assert points
        assert all(before < point.wall_ns < time.time_ns() + 6 * 10**9 for point in points)
    audio, video = rec.track("alice", Kind.AUDIO), rec.track("alice", Kind.VIDEO)
    assert audio.connection == video.connection


def test_lost_packets_are_asked_for_and_come_back(go) -> None:
    lost = frozenset(range(20, 180, 7))

    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await publisher.send(200, lose=lost)
        await settled(rec)
        await publisher.close()

    publisher: Publisher
    rec = go(story)
    for kind in Kind:
        line = publisher.lines[kind.value]
        packets = taped(rec, rec.track("alice", kind))
        for seq in list(line.sent)[-200:]:
            assert packets[seq] == line.sent[seq]
        assert len(set(line.asked_again)) >= len(lost)
    assert rec.seen.missing == 0


def test_what_never_comes_back_is_counted_and_a_keyframe_is_asked_for(go) -> None:
    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        publisher.deaf = True
        await publisher.join()
        await heard(rec, publisher)
        asked = publisher.lines["video"].keyframes_asked
        await publisher.send(100, lose=frozenset({50, 51}))
        await until(lambda: rec.seen.missing == 4)
        await until(lambda: publisher.lines["video"].keyframes_asked > asked)
        await publisher.close()

    publisher: Publisher
    rec = go(story)
    assert len(publisher.lines["audio"].asked_again) > 4
    assert rec.seen.missing == 4


def test_a_publisher_who_rejoins_gets_new_tracks(go) -> None:
    async def story(rec: Recording) -> None:
        for seed in (1, 2):
            publisher = Publisher(rec.address, "c", "alice", rec.drain, seed=seed)
            await publisher.join()
            await heard(rec, publisher)
            await publisher.leave()

    rec = go(story)
    assert [t.kind for t in rec.tracks].count(Kind.AUDIO) == 2
    kinds = [event.type for event in rec.events if event.uid == "alice"]
    joined, left = EventType.JOINED, EventType.LEFT
    assert kinds == [joined, left, joined, left]
    first, second = (rec.track("alice", Kind.AUDIO, n) for n in (0, 1))
    assert first.connection != second.connection
    assert [event.track for event in rec.told(EventType.TRACK_REMOVED)].count(first.id) == 1


def test_a_publisher_who_takes_the_place_of_itself_is_heard_on(go) -> None:
    async def story(rec: Recording) -> None:
        first = Publisher(rec.address, "c", "alice", rec.drain, seed=1)
        await first.join()
        await heard(rec, first)
        second = Publisher(rec.address, "c", "alice", rec.drain, seed=2)
        await second.join()
        await settled(rec)
        await heard(rec, second)
        await first.close()
        await second.close()

    rec = go(story)
    assert {t.ssrc for t in rec.tracks if t.kind is Kind.AUDIO} == {
        audio_ssrc(1),
        audio_ssrc(2),
    }


def audio_ssrc(seed: int) -> int:
    return Line("audio", seed).ssrc


def test_a_mute_is_on_tape_and_is_no_loss(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await publisher.mute("audio", True)
        await publisher.send(150)
        await publisher.mute("audio", False)
        await publisher.send(100)
        await asyncio.sleep(1.2)  # a packet is given up after a second
        await publisher.close()

    rec = go(story)
    assert [(e.uid, e.source) for e in rec.told(EventType.MUTED)] == [("alice", "microphone")]
    assert [(e.uid, e.source) for e in rec.told(EventType.UNMUTED)] == [("alice", "microphone")]
    assert rec.seen.missing == 0


def test_only_what_is_wanted_is_taped(go) -> None:
    async def story(rec: Recording) -> None:
        publishers = [
            Publisher(rec.address, "c", uid, rec.drain, seed=n)
            for n, uid in enumerate(("alice", "bob"))
        ]
        for publisher in publishers:
            await publisher.join()
        await heard(rec, publishers[0])
        await publishers[1].send(50)
        for publisher in publishers:
            await publisher.close()

    rec = go(story, wants=Wants(video=False, not_audio_uids=frozenset({"bob"})))
    assert {(track.uid, track.kind) for track in rec.tracks} == {("alice", Kind.AUDIO)}
    assert {event.uid for event in rec.told(EventType.JOINED)} == {"alice"}


def test_an_empty_channel_ends_the_recording(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await publisher.leave()
        await until(lambda: rec.reason)

    rec = go(story, max_idle_s=0.5)
    assert rec.reason == "idle"
    assert rec.packets


def test_keyframes_are_asked_for_at_most_once_a_second(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        line = publisher.lines["video"]
        before = line.keyframes_asked
        for _ in range(50):
            rec.capture.request_keyframes()
        await until(lambda: line.keyframes_asked > before)
        await publisher.send(50)
        assert line.keyframes_asked <= before + 2
        await publisher.close()

    go(story)


def test_a_track_is_asked_for_a_keyframe_where_its_slices_end(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        line = publisher.lines["video"]
        before = line.keyframes_asked

        async def keep_sending() -> None:
            while True:
                await publisher.send(1)
                await asyncio.sleep(0.02)

        sending = asyncio.create_task(keep_sending())
        await until(lambda: line.keyframes_asked >= before + 2)
        sending.cancel()
        await publisher.close()

    go(story, keyframe_every_s=1.0)


def test_an_unknown_kind_of_channel_is_refused(go) -> None:
    async def story(rec: Recording) -> None:
        await until(lambda: rec.reason)

    rec = go(story, channel_url="carrier-pigeon://roof")
    assert rec.reason.startswith("refused: ")


def test_a_recorder_that_comes_late_hears_everybody(go) -> None:
    started = 0

    async def story(rec: Recording) -> None:
        nonlocal started
        publishers = [Publisher(rec.address, "c", f"p{n}", rec.drain, seed=n) for n in range(8)]
        for publisher in publishers:
            await publisher.join()
        late = Recording(rec.directory / "late", rec.drain, address=rec.address)
        started = time.time_ns()
        task = asyncio.create_task(late.run(recorder_uid="rec2"))
        while not late.seen.first_ns:
            await publishers[0].send(1)
        print(f"\nstart to first packet: {(late.seen.first_ns - started) / 1e6:.0f} ms")
        for publisher in publishers:
            await publisher.send(5)
        await until(lambda: late.seen.count >= len(publishers))
        late.stop.set()
        await task
        assert {track.uid for track in late.tracks} == {f"p{n}" for n in range(8)}
        for publisher in publishers:
            await publisher.close()

    go(story)


def test_a_sender_that_sets_its_rtp_clock_anew_goes_on_as_a_new_track_at_the_right_time(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        publisher.report()
        await publisher.send(50)
        publisher.lines["audio"].timestamp ^= 0x80000000
        await publisher.send(50)
        await settled(rec)
        await publisher.close()

    rec = go(story)
    old, new = (rec.track("alice", Kind.AUDIO, n) for n in (0, 1))
    assert (old.ssrc, old.connection) == (new.ssrc, new.connection)
    last, first = (parse_header(rec.packets[t.id][n]) for t, n in ((old, -1), (new, 0)))
    before, after = (
        next(event for event in rec.told(EventType.CLOCK) if event.track == t.id)
        for t in (old, new)
    )
    assert after.rtp == first.timestamp
    last_ns = before.wall_ns + (last.timestamp - before.rtp) * 10**9 // 48_000
    assert 0 <= after.wall_ns - last_ns < 10**9
    assert len([t for t in rec.tracks if t.kind is Kind.VIDEO]) == 1


def test_a_sender_that_changes_its_ssrc_goes_on_as_a_new_track(go, monkeypatch) -> None:
    monkeypatch.setattr("media.capture.intake.SUPERSEDED_NS", 300_000_000)

    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await asyncio.sleep(0.6)
        publisher.lines["audio"] = Line("audio", 99)
        await publisher.send(500)
        await publisher.close()

    rec = go(story)
    old, new = (rec.track("alice", Kind.AUDIO, n) for n in (0, 1))
    assert new.ssrc == Line("audio", 99).ssrc
    assert len(rec.packets[new.id]) >= 400
    removed = {event.track: event.at_ns for event in rec.told(EventType.TRACK_REMOVED)}
    assert removed[old.id] < removed[new.id]


def test_a_recording_goes_on_when_the_room_comes_back(tmp_path, free_port) -> None:
    async def main() -> Recording:
        port, drain = free_port(), Drain()
        rec = Recording(tmp_path, drain, address=f"http://127.0.0.1:{port}")
        task = asyncio.create_task(rec.run())
        for seed in (1, 2):
            async with room(port) as address:
                publisher = Publisher(address, "c", "alice", drain, seed=seed)
                await publisher.join()
                await heard(rec, publisher, lead=1500)
                await publisher.close()
        rec.stop.set()
        await asyncio.wait_for(task, WAIT_S)
        drain.close()
        return rec

    rec = asyncio.run(main())
    assert {t.ssrc for t in rec.tracks if t.kind is Kind.AUDIO} == {audio_ssrc(1), audio_ssrc(2)}
    assert rec.reason == "stopped"


def test_no_receiver_of_aiortc_and_no_decoder_is_ever_made(go, monkeypatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a recorder decodes nothing")

    monkeypatch.setattr("aiortc.rtcrtpreceiver.RTCRtpReceiver.__init__", forbidden)
    monkeypatch.setattr("aiortc.rtcrtpreceiver.get_decoder", forbidden)
    monkeypatch.setattr("aiortc.rtcpeerconnection.RTCPeerConnection.__init__", forbidden)
    monkeypatch.setattr("av.CodecContext", forbidden)
    monkeypatch.setattr("av.open", forbidden)

    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        await publisher.close()

    rec = go(story)
    assert len(rec.tracks) == 2


def test_the_tape_reads_back_with_audio_and_video_of_one_moment_together(go) -> None:
    async def story(rec: Recording) -> None:
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        publisher.report()
        await publisher.send(100)
        await settled(rec)
        await publisher.close()

    rec = go(story)
    tape = Tape(rec.directory)
    frames = tape.frames(0, time.time_ns())
    audio, video = (frames[rec.track("alice", kind).id] for kind in (Kind.AUDIO, Kind.VIDEO))
    assert min(len(audio), len(video)) >= 100
    # The publisher sends a packet of each at the same moment.
    assert abs(audio[-1].time_ns - video[-1].time_ns) < 5_000_000
    assert abs(audio[-90].time_ns - video[-90].time_ns) < 5_000_000
