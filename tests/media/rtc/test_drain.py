"""When the wires of a recorder are read."""

import asyncio
import itertools
import time
from functools import partial

import pytest

from media.rtc import steady
from media.rtc.drain import Drain
from media.rtp import packet
from tests.media.rtc.sides import Pair, until

NS = 1_000_000_000


def rtp(seq):
    return packet.build(pt=96, seq=seq, timestamp=seq * 960, ssrc=1, payload=bytes(50))


def with_drain(scenario, **settings):
    async def whole():
        drain = Drain(**settings)
        try:
            await scenario(drain)
            assert not drain.busy
        finally:
            drain.close()

    asyncio.run(whole())


async def paired(drain, then, count=1):
    pairs = [Pair(drain) for _ in range(count)]
    try:
        for pair in pairs:
            await pair.__aenter__()
            await pair.connect()
        await then(*pairs)
    finally:
        for pair in pairs:
            await pair.__aexit__()


def test_each_shift_is_read_in_its_turn():
    async def then(*pairs):
        for seq in range(20):
            for pair in pairs:
                pair.offering.peer.send_rtp(rtp(seq))
        await until(lambda: all(len(pair.answering.rtp) == 20 for pair in pairs))

    with_drain(lambda drain: paired(drain, then, count=5), interval_s=0.005, shifts=4)


def test_who_hurries_is_read_in_each_round_for_a_while(monkeypatch):
    monkeypatch.setattr("media.rtc.drain._HURRY_S", 0.3)

    async def then(drain, pair):
        wire = pair.answering.peer._ice.links[0]
        reads = []
        receive = wire.batch.receive
        wire.batch.receive = lambda number: reads.append(number) or receive(number)
        pair.answering.peer.hurry()
        first = drain._round_number
        await until(lambda: drain._round_number >= first + 40)
        mine = reads.count(wire.fileno())
        # 0.3 s at 10 ms are 30 rounds; then it is the turn of its shift only, if something waits.
        assert 20 <= mine <= 31

    async def scenario(drain):
        await paired(drain, partial(then, drain))

    with_drain(scenario, interval_s=0.01, shifts=10)


def test_after_a_stall_what_came_meanwhile_is_read_and_has_its_own_time():
    async def then(drain, pair):
        sent = []
        for seq in range(5):
            before_ns = steady.now_ns()
            pair.offering.peer.send_rtp(rtp(seq))
            sent.append((before_ns, steady.now_ns()))
            time.sleep(0.05)  # noqa: ASYNC251  # somebody blocks the loop
        drain.catch_up()
        assert len(pair.answering.rtp) == 5
        for arrival_ns, (before_ns, after_ns) in zip(pair.answering.arrivals_ns, sent, strict=True):
            assert before_ns - NS // 1000 <= arrival_ns <= after_ns + NS // 1000

    async def scenario(drain):
        await paired(drain, partial(then, drain))

    with_drain(scenario, interval_s=0.01, shifts=3)


def test_a_burst_does_not_end_a_hurry():
    async def then(drain, pair):
        pair.answering.peer.hurry()
        number = pair.answering.peer._ice.links[0].fileno()
        until = drain._hurried[number]
        for seq in range(60):
            pair.offering.peer.send_rtp(rtp(seq))
        await until_all(pair, 60)
        assert drain._hurried[number] == until

    async def until_all(pair, count):
        await until(lambda: len(pair.answering.rtp) == count)

    async def scenario(drain):
        await paired(drain, partial(then, drain))

    with_drain(scenario, interval_s=0.01, shifts=2)


def test_a_round_that_takes_long_is_followed_by_the_next_one():
    async def then(drain, pair):
        due, at_s = drain._due, []

        def slow():
            at_s.append(time.monotonic())
            time.sleep(0.012)  # of 0.02 s
            return due()

        drain._due = slow
        await until(lambda: len(at_s) > 40)
        drain._due = due
        apart_s = sorted(b - a for a, b in itertools.pairwise(at_s))
        assert apart_s[10] < 0.035  # 0.04 if every other one was left out

    async def scenario(drain):
        await paired(drain, partial(then, drain))

    with_drain(scenario, interval_s=0.02, shifts=2)


def test_after_a_stall_all_shifts_are_read_before_what_was_due_meanwhile():
    async def then(drain, *pairs):
        read = []
        loop = asyncio.get_running_loop()

        def part_ends():
            drain.catch_up()
            read.extend(len(pair.answering.rtp) for pair in pairs)

        loop.call_later(0.2, part_ends)
        for pair in pairs:
            pair.offering.peer.send_rtp(rtp(1))
        time.sleep(0.5)  # noqa: ASYNC251  # somebody blocks the loop
        await until(lambda: read)
        assert read == [1] * len(pairs)

    async def scenario(drain):
        await paired(drain, partial(then, drain), count=5)

    with_drain(scenario, interval_s=0.02, shifts=5)


def test_without_a_stall_there_is_nothing_to_catch_up():
    async def then(drain, pair):
        first = drain._round_number
        await until(lambda: drain._round_number > first)
        pair.offering.peer.send_rtp(rtp(1))
        drain.catch_up()
        assert not pair.answering.rtp

    async def scenario(drain):
        await paired(drain, partial(then, drain))

    with_drain(scenario, interval_s=0.2, shifts=3)


@pytest.mark.parametrize("shifts", [1, 50])
def test_what_came_before_the_end_is_not_lost(shifts):
    async def then(pair):
        for seq in range(30):
            pair.offering.peer.send_rtp(rtp(seq))
        await pair.answering.peer.close()
        assert len(pair.answering.rtp) == 30

    with_drain(lambda drain: paired(drain, then), interval_s=0.1, shifts=shifts)
