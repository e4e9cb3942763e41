"""When what can wait is done."""

import asyncio
import contextlib
import itertools

import pytest

from media.rtc.rounds import ROUND_S, beat, round_after


def test_a_round_is_never_too_early_and_at_most_one_round_away() -> None:
    for at_s in (0.0, 0.001, 0.02, 0.0200001, 12345.6789, 1e6 / 7):
        assert at_s <= round_after(at_s) <= at_s + ROUND_S
    assert round_after(0.011, 0.01) == 0.02
    # A finer clock has all the rounds of a coarser one, to the last bit.
    assert all(
        round_after(n * 0.5 - 0.003, 0.5) == round_after(n * 0.5 - 0.003, 0.25)
        for n in range(1, 99, 2)
    )


def test_what_beats_goes_on_until_cancelled_and_does_not_run_after_what_it_missed() -> None:
    async def scenario() -> list[float]:
        lags: list[float] = []
        beating = asyncio.create_task(beat(0.02, lags.append, first_s=0.0))
        while len(lags) < 5:
            await asyncio.sleep(0.005)
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        seen = len(lags)
        await asyncio.sleep(0.1)
        assert len(lags) == seen
        return lags

    assert min(asyncio.run(scenario())) >= 0.0


def test_who_waits_hears_of_a_fault() -> None:
    def fail(_: float) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(beat(0.01, fail, first_s=0.0))


def test_a_loop_that_was_held_up_is_not_beaten_for_it() -> None:
    async def scenario() -> int:
        loop, called = asyncio.get_running_loop(), []

        def work(_: float) -> None:
            called.append(loop.time())
            if len(called) == 1:
                while loop.time() < called[0] + 0.3:
                    pass

        beating = asyncio.create_task(beat(0.02, work, first_s=0.0))
        while len(called) < 4:
            await asyncio.sleep(0)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        return sum(b - a < 0.01 for a, b in itertools.pairwise(called[1:]))

    assert asyncio.run(scenario()) == 0
