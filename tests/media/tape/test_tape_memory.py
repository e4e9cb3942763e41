"""What a tape does when the disk refuses for too long."""

import asyncio
import os

import pytest
from taping import MS, T0, opus, track

from media.tape import disk
from media.tape.disk import DiskThread
from media.tape.info import inspect_tape
from media.tape.part import OpenPart
from media.tape.reader import Tape
from media.tape.salvage import salvage
from media.tape.writer import TapeWriter

ONE, TWO = track("1.1", "7"), track("1.2", "8")
LIMIT = 100_000  # bytes


def writer_in(directory, thread):
    return TapeWriter(
        directory, fence=1, first_number=1, on_sealed=lambda part: None, thread=thread
    )


async def until(what):
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.005)


@pytest.fixture
def refusing(monkeypatch):
    """A disk that refuses until it is told otherwise."""
    refuses = [True]
    real = OpenPart._open

    def open_(part):
        if refuses[0]:
            raise OSError(28, "full")
        return real(part)

    monkeypatch.setattr(OpenPart, "_open", open_)
    monkeypatch.setattr("media.tape.job.LONGEST_PAUSE_S", 0.02)
    return refuses


def test_memory_is_bounded_and_what_is_dropped_is_counted(tmp_path, refusing):
    async def run():
        thread = DiskThread(0.01, memory_bytes=LIMIT)
        writers = [writer_in(tmp_path / name, thread) for name in ("a", "b")]
        for writer, one in zip(writers, (ONE, TWO), strict=True):
            writer.add_track(one, T0)
        given = []
        for i in range(400):  # of one tape, but the memory is that of all
            packet = opus(i, os.urandom(900))
            writers[0].rtp(ONE.id, packet, T0 + i * MS)
            given.append(packet)
            await asyncio.sleep(0.002 if i % 10 == 0 else 0)
        await until(lambda: writers[0]._full)
        writers[1].rtp(TWO.id, opus(1), T0)
        assert writers[1].take_dropped() == 1
        dropped = writers[0].take_dropped()
        assert dropped > 0
        assert writers[0].waiting_bytes < 3 * LIMIT
        refusing[0] = False
        await until(lambda: not writers[0]._full)
        writers[0].rtp(ONE.id, opus(999), T0 + 500 * MS)
        assert writers[0].take_dropped() == 0
        for writer in writers:
            await writer.close(T0 + 600 * MS)
        return given, dropped

    given, dropped = asyncio.run(run())
    taped = [one.data for one in Tape(tmp_path / "a").packets(T0, T0 + 600 * MS)]
    assert len(taped) == 400 - dropped + 1
    assert taped[:-1] == given[: 400 - dropped]
    assert taped[-1] == opus(999)
    assert inspect_tape(tmp_path / "a").whole


def test_an_abandoned_tape_leaves_what_is_on_disk_to_the_next_owner(tmp_path, monkeypatch):
    async def run():
        writer = writer_in(tmp_path, DiskThread(0.01))
        writer.add_track(ONE, T0)
        writer.rtp(ONE.id, opus(1), T0)
        await until(lambda: not writer.waiting_bytes)

        def refuse(part):
            raise OSError(5, "input/output error")

        monkeypatch.setattr(OpenPart, "flush", refuse)
        writer.rtp(ONE.id, opus(2), T0 + 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await writer.close(T0 + 2)
        assert isinstance(writer.error, OSError)
        writer.abandon()
        await writer.close(T0 + 3)
        assert writer.waiting_bytes == 0

    asyncio.run(run())
    (part,) = salvage(tmp_path)
    assert part.packets == 1


def test_a_rotation_does_not_wait_for_the_next_round_nor_wake_other_tapes(tmp_path):
    async def run():
        thread = DiskThread(30.0)
        writers = [writer_in(tmp_path / name, thread) for name in ("a", "b")]
        for writer, one in zip(writers, (ONE, TWO), strict=True):
            writer.add_track(one, T0)
            writer.rtp(one.id, opus(1), T0)
        writers[0].rotate(T0 + 1)
        await until(lambda: len(list((tmp_path / "a").glob("*.json"))) == 1)
        assert not (tmp_path / "b").exists()
        for writer in writers:
            await writer.close(T0 + 2)

    asyncio.run(run())


def test_the_default_leaves_a_recorder_its_memory():
    assert disk.SHARED.memory_bytes == 256 << 20
