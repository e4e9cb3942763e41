"""Hostile packets through capture, tape and reader: nothing escapes, nothing grows."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.capture.intake import MAX_STREAMS, Intake
from media.rtp import rtcp
from media.rtp.packet import build
from media.tape.model import NS, Kind
from tests.fuzz.corpus import codecs
from tests.fuzz.harness import ARRIVALS, Bench, bench, feed, fuzz, weight

SEED = 20
STORM = 9000  # packets
HEAVIEST = 20_000  # objects of one connection with a storm on one stream
MOST_TRACKS = 2 * MAX_STREAMS  # of one connection, within minutes


@pytest.mark.parametrize(
    "packets",
    [50_000, pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
def test_whatever_a_publisher_sends_is_taped_or_left_out(
    tmp_path: Path, packets: int, capsys: pytest.CaptureFixture[str]
) -> None:
    report = asyncio.run(fuzz(tmp_path, packets=packets, seed=SEED))
    with capsys.disabled() if packets > 100_000 else contextlib.nullcontext():
        print("", json.dumps(report.to_json()))
    assert report.mutated >= packets
    # Or the mutations are so coarse that nothing is reached.
    assert sum(report.frames.values()) > packets / 20
    assert set(report.frames) == {codec.key for kind in Kind for codec in codecs(kind)}
    assert report.most_tracks <= MOST_TRACKS
    # A hostile packet may take the long way, but not a way without end.
    assert report.tap[True].mean < 20 * report.tap[False].mean
    assert report.reading[True].mean < 100 * report.reading[False].mean
    assert report.rss[-1] - report.rss[1] < 64 << 20


Storm = Callable[[random.Random], Iterator[bytes]]


def vp8(ssrc: int, seq: int, timestamp: int, number: int = 0) -> bytes:
    extensions = {ARRIVALS: (number & 0xFFFF).to_bytes(2, "big")}
    return build(
        pt=96,
        seq=seq,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=b"\x10\x01" + bytes(600),
        extensions=extensions,
    )


def of_ssrcs(dice: random.Random) -> Iterator[bytes]:
    """Every packet is the first of its SSRC."""
    while True:
        yield vp8(dice.randrange(1 << 32), 1, 1)


def of_timestamps(dice: random.Random) -> Iterator[bytes]:
    """The RTP clock is set anew with every packet."""
    seq = 0
    while True:
        seq += 1
        yield vp8(7, seq, dice.randrange(1 << 32))


def of_holes(dice: random.Random) -> Iterator[bytes]:
    """Every packet tells of the greatest loss there can be."""
    seq = timestamp = 0
    while True:
        seq, timestamp = seq + 2900, timestamp + 90
        yield vp8(7, seq, timestamp)


def of_stragglers(dice: random.Random) -> Iterator[bytes]:
    """Back and forth by as much as packets may be late."""
    seq = 5000
    while True:
        seq += 1
        yield vp8(7, seq + dice.choice((0, 0, -1000, 500)), seq * 90)


def of_numbers(dice: random.Random) -> Iterator[bytes]:
    """Transport-wide numbers without any order."""
    seq = 0
    while True:
        seq += 1
        yield vp8(7, seq, seq * 90, dice.randrange(1 << 16))


def of_reports(dice: random.Random) -> Iterator[bytes]:
    """Packets full of sender reports, of one stream that is there and many that are not."""
    yield vp8(7, 1, 1)
    while True:
        yield b"".join(
            rtcp.sender_report(
                dice.choice((7, 7, dice.randrange(1 << 32))),
                unix_ns=time.time_ns(),
                rtp_time=dice.randrange(1 << 32),
                packets=1,
                octets=1,
            )
            for _ in range(40)
        )


def of_parameter_sets(dice: random.Random) -> Iterator[bytes]:
    """H.264 that says other parameter sets with every packet."""
    seq = 0
    while True:
        seq += 1
        sps = b"\x67\x42\x00\x1f" + dice.randbytes(1000)
        yield build(pt=102, seq=seq, timestamp=seq * 90, ssrc=7, payload=sps)


STORMS = [
    of_ssrcs,
    of_timestamps,
    of_holes,
    of_stragglers,
    of_numbers,
    of_reports,
    of_parameter_sets,
]


async def blow(made: Bench, intake: Intake, packets: Iterator[bytes], count: int) -> float:
    """Feed so many packets of a storm, one per simulated millisecond; CPU time, ns per packet."""
    began_ns = time.thread_time_ns()
    for n in range(count):
        feed(intake, next(packets), time.time_ns())
        made.clock.skip(NS // 1000)
        if n % 10 == 0:
            await asyncio.sleep(0)
        if n % 250 == 0:
            intake.tick(time.time_ns())
    return (time.thread_time_ns() - began_ns) / count


@pytest.mark.parametrize("storm", STORMS)
def test_no_storm_makes_anything_grow(tmp_path: Path, storm: Storm) -> None:
    async def main() -> None:
        async with bench(tmp_path) as made:
            with made.intake(arrivals=ARRIVALS) as intake:
                ns = await blow(made, intake, storm(random.Random(1)), STORM)
                await asyncio.sleep(0.2)  # feedback takes what it needs along
                print(storm.__name__, round(ns / 1000, 1), weight(intake))
                assert weight(intake) < HEAVIEST
            part = await made.sealed_part()
            assert len(part.tracks) <= MOST_TRACKS
            # Not much more on the tape than came, but for what stands there once for each track.
            print(part.bytes, len(part.events), made.seen.taken)
            assert part.bytes < 4 * STORM * 1200
            assert len(part.events) < STORM / 2

    asyncio.run(main())
