import asyncio
import errno
import json
import os
import random
import shutil
import subprocess
import threading

import pytest
from taping import AUDIO, MS, NS, T0, VIDEO, adds, clock, gives, opus, rotates, tape, tells, track

from media.tape import part
from media.tape.disk import DiskThread
from media.tape.format import PartReader
from media.tape.model import EventType, PartManifest, Source, TapeEvent
from media.tape.reader import Tape
from media.tape.salvage import salvage
from media.tape.writer import TapeWriter

ONE, TWO = track("1.1", "7"), track("1.2", "8")


def writer_in(directory, sealed=None, **more) -> TapeWriter:
    sealed = [] if sealed is None else sealed
    more = {"on_sealed": sealed.append, "thread": DiskThread(0.01), **more}
    return TapeWriter(directory, fence=3, first_number=42, **more)


def test_what_is_given_is_read_back_byte_for_byte(tmp_path):
    given = [(T0 + i, opus(i, os.urandom(i))) for i in range(300)]
    tape(tmp_path, [adds(ONE), *(gives(ONE, packet, at) for at, packet in given)])
    read = [(one.arrival_ns, one.data) for one in Tape(tmp_path).packets(T0, T0 + NS)]
    assert read == given


def test_a_sealed_part_stands_under_its_name_with_a_manifest_that_tells_the_truth(tmp_path):
    sealed: list[PartManifest] = []

    async def run():
        writer = writer_in(tmp_path, sealed, from_ns=T0 - 5)
        writer.add_track(ONE, T0)
        writer.rtp(ONE.id, opus(1), T0)
        writer.rtcp(ONE.id, b"\x80\xc8\x00\x00rtcp", T0 + 1)
        await writer.close(T0 + NS)

    asyncio.run(run())
    (manifest,) = sealed
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0003-000042.json",
        "0003-000042.pcapng",
    ]
    row = json.loads((tmp_path / "0003-000042.json").read_text())
    assert PartManifest.from_json(row) == manifest
    assert (manifest.from_ns, manifest.until_ns) == (T0 - 5, T0 + NS)
    assert manifest.packets == 2
    assert manifest.bytes == (tmp_path / "0003-000042.pcapng").stat().st_size
    assert manifest.tracks == (ONE,)
    assert [taped.rtcp for taped in Tape(tmp_path).packets(T0, T0 + NS)] == [False, True]


def test_a_rotation_is_exact(tmp_path):
    acts = [adds(ONE)]
    for i in range(100):
        acts.append(gives(ONE, opus(i), T0 + i * MS))
        if i % 10 == 9:
            acts.append(rotates(T0 + (i + 1) * MS))
    parts = tape(tmp_path, acts, end_ns=T0 + 100 * MS)
    assert [part.packets for part in parts] == [10] * 10 + [0]
    assert [(part.from_ns, part.until_ns) for part in parts[:2]] == [
        (T0, T0 + 10 * MS),
        (T0 + 10 * MS, T0 + 20 * MS),
    ]
    numbers = [
        [packet.data[3] for packet in PartReader(path.read_bytes()).packets()]
        for path in sorted(tmp_path.glob("*.pcapng"))
    ]
    assert numbers == [list(range(i * 10, i * 10 + 10)) for i in range(10)] + [[]]


def test_each_part_begins_with_what_stands(tmp_path):
    def about(type_, at, **more):
        return tells(TapeEvent(type_, T0 + at, **more))

    acts = [
        about(EventType.JOINED, 1, uid="7"),
        about(EventType.JOINED, 2, uid="8"),
        adds(ONE, T0 + 3),
        adds(TWO, T0 + 4),
        tells(clock(ONE, 5, T0 + 5)),
        tells(clock(ONE, 6, T0 + 6)),
        tells(clock(TWO, 7, T0 + 7)),
        about(EventType.MUTED, 8, uid="7", source=Source.MICROPHONE),
        about(EventType.MUTED, 9, uid="8", source=Source.MICROPHONE),
        about(EventType.UNMUTED, 10, uid="8", source=Source.MICROPHONE),
        rotates(T0 + 20),
        about(EventType.TRACK_REMOVED, 21, track=TWO.id),
        about(EventType.LEFT, 22, uid="8"),
        rotates(T0 + 30),
    ]
    _, second, third = tape(tmp_path, acts)
    assert [(event.type.value, event.at_ns - T0) for event in second.events] == [
        ("joined", 1),
        ("joined", 2),
        ("track_added", 3),
        ("track_added", 4),
        ("muted", 8),
        ("clock", 5),
        ("clock", 6),
        ("clock", 7),
        ("track_removed", 21),
        ("left", 22),
    ]
    assert second.tracks == (ONE, TWO)
    assert [event.at_ns - T0 for event in third.events] == [1, 3, 8, 5, 6]
    assert third.tracks == (ONE,)


def test_a_packet_after_its_track_ended_is_kept_even_in_the_next_part(tmp_path):
    def end(writer):
        writer.remove_track(ONE.id, T0 + 1)

    acts = [adds(ONE), end, rotates(T0 + 2), gives(ONE, opus(9), T0 + 3)]
    _, second = tape(tmp_path, acts)
    assert second.packets == 1
    assert second.tracks == (ONE,)


def test_a_packet_of_an_unknown_track_is_a_mistake_and_after_closing_nothing_is(tmp_path):
    async def run():
        writer = writer_in(tmp_path)
        with pytest.raises(ValueError, match="never added"):
            writer.rtp("9.9", opus(1), T0)
        await writer.close(T0)
        writer.rtp("9.9", opus(1), T0)
        writer.add_track(ONE, T0)
        writer.rotate(T0)
        await writer.close(T0)
        assert writer.waiting_bytes == 0

    asyncio.run(run())
    assert list(tmp_path.glob("*")) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, seed):
    """Whatever call can fail does so now and then; writes stop half way."""
    dice = random.Random(seed)
    real = {name: getattr(os, name) for name in ("write", "fsync", "open")}
    turns = {"write": 0, "fsync": 0, "open": 0}

    def failing(name):
        def call(*args):
            if threading.current_thread().name != "tape-disk":
                return real[name](*args)
            turns[name] += 1
            if dice.random() < 0.4:
                raise OSError(errno.ENOSPC, "full")
            if name == "write" and len(args[1]) > 7:
                return real["write"](args[0], args[1][: len(args[1]) // 2])
            return real[name](*args)

        return call

    monkeypatch.setattr("media.tape.job.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("media.tape.job.LONGEST_PAUSE_S", 0.001)
    for name in real:
        monkeypatch.setattr(part.os, name, failing(name))
    given = [opus(i) for i in range(200)]
    acts = [adds(ONE), *(gives(ONE, packet, T0 + i) for i, packet in enumerate(given))]
    acts.insert(120, rotates(T0 + 119))
    parts = tape(tmp_path, acts)
    monkeypatch.undo()
    assert [part.packets for part in parts] == [119, 81]
    assert [one.data for one in Tape(tmp_path).packets(T0, T0 + NS)] == given
    assert all(part.bytes == (tmp_path / f"{part.name}.pcapng").stat().st_size for part in parts)
    assert turns["write"] > 10
    assert len(list(tmp_path.iterdir())) == 4


def test_a_refusing_disk_shows_and_does_not_hold_up_the_loop(tmp_path):
    blocked = tmp_path / "tape"
    blocked.write_text("a file where the directory should be")

    async def run():
        writer = writer_in(blocked)
        writer.add_track(ONE, T0)
        writer.rtp(ONE.id, opus(1), T0)
        while writer.error is None:
            await asyncio.sleep(0.005)
        writer.rtp(ONE.id, opus(2), T0 + 1)
        assert writer.waiting_bytes > len(opus(1)) + len(opus(2))
        blocked.unlink()
        await writer.close(T0 + 2)
        assert writer.error is None
        assert writer.waiting_bytes == 0

    asyncio.run(run())
    assert [one.data for one in Tape(blocked).packets(T0, T0 + NS)] == [opus(1), opus(2)]


def test_a_recorder_whose_tape_was_taken_over_stops_instead_of_trying_for_ever(tmp_path):
    async def run():
        writer = writer_in(tmp_path)
        writer.add_track(ONE, T0)
        writer.rtp(ONE.id, opus(1), T0)
        while writer.waiting_bytes:
            await asyncio.sleep(0.005)
        salvage(tmp_path)  # by another recorder, who thinks that this one is dead
        writer.rotate(T0 + 1)
        async with asyncio.timeout(10):
            while writer.error is None:
                await asyncio.sleep(0.005)
            for _ in range(3):  # its channel sends on for a moment
                writer.rtp(ONE.id, opus(2), T0 + 2)
                writer.event(TapeEvent(EventType.LEFT, T0 + 2, uid="1"))
            await writer.close(T0 + 3)

    asyncio.run(run())
    assert [part.salvaged for part in Tape(tmp_path).manifests()] == [True]
    assert [one.data for one in Tape(tmp_path).packets(T0, T0 + NS)] == [opus(1)]


def test_a_listener_that_fails_does_not_stop_the_tape(tmp_path):
    async def run():
        writer = writer_in(tmp_path, on_sealed=lambda _: 1 / 0)
        writer.add_track(ONE, T0)
        writer.rotate(T0 + 1)
        writer.rtp(ONE.id, opus(1), T0 + 1)
        await writer.close(T0 + 2)

    asyncio.run(run())
    assert [part.packets for part in Tape(tmp_path).manifests()] == [0, 1]


def test_packets_reach_the_disk_while_the_part_is_open(tmp_path):
    async def run():
        writer = writer_in(tmp_path)
        writer.add_track(ONE, T0)
        writer.rtp(ONE.id, opus(1), T0)
        path = tmp_path / "0003-000042.pcapng.open"
        while writer.waiting_bytes:
            await asyncio.sleep(0.005)
        assert [one.data for one in PartReader(path.read_bytes()).packets()] == [opus(1)]
        await writer.close(T0 + 1)

    asyncio.run(run())


def test_the_disk_thread_ends_with_its_last_tape(tmp_path):
    thread = DiskThread(0.01)

    async def run():
        writers = [writer_in(tmp_path / str(i), thread=thread) for i in range(3)]
        for writer in writers:
            await writer.close(T0)

    asyncio.run(run())
    for other in threading.enumerate():
        if other.name == "tape-disk" and other is thread._thread:
            other.join(timeout=10)
            assert not other.is_alive()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_sees_rtp(tmp_path):
    tape(tmp_path, [adds(ONE), *(gives(ONE, opus(i), T0 + i * MS) for i in range(3))])
    fields = ("frame.protocols", "frame.interface_name", "rtp.seq", "frame.time_epoch")
    options = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(tmp_path / "0001-000001.pcapng"), "-T", "fields", *options]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in shown.splitlines()]
    assert [row[2] for row in rows if row[0].endswith("rtp")] == ["0", "1", "2"]
    assert rows[0][1] == "events"
    assert rows[-1][1] == "1.1"
    assert rows[-1][3] == "1700000000.002000000"


def test_a_successor_tells_since_when_publishers_are_there_and_what_they_sent_last(tmp_path):
    there = TapeEvent(EventType.JOINED, T0, uid="7")
    first = tape(tmp_path, [tells(there), adds(VIDEO), adds(AUDIO)], end_ns=T0 + 9 * NS)
    met = [TapeEvent(EventType.JOINED, T0 + 20 * NS, uid=uid) for uid in ("8", "7")]
    acts = [*map(tells, met), rotates(T0 + 21 * NS)]
    *_, last = tape(tmp_path, acts, fence=2, before=first[-1], end_ns=T0 + 22 * NS)
    whole, later = Tape(tmp_path), Tape(tmp_path).around(T0 + 40 * NS)
    assert [part.name for part in later.manifests()] == [last.name]
    for one in (whole, later):
        assert one.roster(T0 + 40 * NS).publishers == ("7", "8")
        assert not one.roster(T0 + 40 * NS).tracks
    ended = [event for event in last.events if event.type is EventType.TRACK_REMOVED]
    assert {event.track for event in ended} == {VIDEO.id, AUDIO.id}
    assert {event.at_ns for event in ended} == {T0 + 20 * NS}
    assert {VIDEO, AUDIO} <= set(last.tracks)
