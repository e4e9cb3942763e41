"""Pauses grow while attempts fail, and begin anew after one that held."""

import pytest

from media.channels.backoff import SPREAD, Backoff


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def attempt(backoff: Backoff, clock: Clock, lasting_s: float) -> float:
    """The pause after it, which is waited for."""
    clock.now_s += lasting_s
    pause_s = backoff.pause_s()
    clock.now_s += pause_s
    return pause_s


def near(due_s: float) -> object:
    return pytest.approx(due_s, rel=SPREAD + 0.01)


def test_pauses_double_up_to_the_longest() -> None:
    clock = Clock()
    backoff = Backoff(first_s=1, most_s=5, clock=clock)
    assert [attempt(backoff, clock, 1000) for _ in range(5)] == [
        near(due_s) for due_s in (1, 2, 4, 5, 5)
    ]


def test_pauses_begin_anew_after_an_attempt_that_held() -> None:
    clock = Clock()
    backoff = Backoff(steady_s=10, first_s=1, most_s=64, clock=clock)
    for _ in range(5):
        attempt(backoff, clock, 9)
    assert attempt(backoff, clock, 9) == near(32)
    assert attempt(backoff, clock, 11) == near(1)
    assert attempt(backoff, clock, 9) == near(2)


def test_waiting_is_no_part_of_an_attempt() -> None:
    clock = Clock()
    backoff = Backoff(steady_s=10, first_s=100, most_s=100, clock=clock)
    attempt(backoff, clock, 1)
    clock.now_s += 9
    assert not backoff.steady
    clock.now_s += 2
    assert backoff.steady


def test_those_who_wait_do_not_come_back_together() -> None:
    pauses = [Backoff().pause_s() for _ in range(100)]
    assert len({*pauses}) > 90
    assert max(pauses) > min(pauses) * (1 + SPREAD)
