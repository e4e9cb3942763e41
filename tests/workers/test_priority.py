"""Live work goes before recuts: real Redis, a real worker."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from workers.engine import CUT, RECUT, UPLOAD, UPLOAD_RECUT, Queues, make
from workers.store.store import Store

pytestmark = pytest.mark.server

WAITING = 50
LIVE, MADE = "1" * 32, "2" * 32
Ask = Callable[..., None]


@contextmanager
def worker(redis_url: str, queue: str, then: str) -> Iterator[Callable[[], str]]:
    """One that works on one thing at a time; gives who is next."""
    argv = [sys.executable, "-m", "tests.workers.slow_worker", redis_url, queue, then, "0.05"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = process.stdout
    try:
        yield lambda: out.readline().split()[0]
    finally:
        process.terminate()
        process.wait(timeout=30)
        out.close()


@pytest.mark.parametrize(
    ("queue", "then"), [(CUT, RECUT), (UPLOAD, UPLOAD_RECUT)], ids=["cuts", "uploads"]
)
def test_a_live_one_goes_before_fifty_that_wait(
    store: Store, redis_url: str, queue: str, then: str
) -> None:
    queues = Queues(make(redis_url))
    ask: Ask = queues.cut if queue == CUT else queues.upload  # type: ignore[assignment]
    for number in range(WAITING):
        ask(MADE, number, recut=True)
    assert (store.queue_depth(queue), store.queue_depth(then)) == (0, WAITING)
    with worker(redis_url, queue, then) as next_one:
        assert [next_one() for _ in range(3)] == [MADE] * 3
        for round_ in range(5):
            ask(LIVE, round_)
            order = [next_one() for _ in range(3)]
            # One may have been taken when the live one was asked for, and no more than one.
            assert LIVE in order[:2], order
        ask(LIVE, 98)
        ask(LIVE, 99)
        assert [next_one() for _ in range(4)].count(LIVE) == 2
        rest = [next_one() for _ in range(WAITING - 3 - 10 - 2)]
        assert rest == [MADE] * len(rest)


def test_when_both_wait_all_live_ones_go_first(store: Store, redis_url: str) -> None:
    queues = Queues(make(redis_url))
    for number in range(WAITING):
        queues.cut(MADE, number, recut=True)
        queues.cut(LIVE, number)
    with worker(redis_url, CUT, RECUT) as next_one:
        assert [next_one() for _ in range(2 * WAITING)] == [LIVE] * WAITING + [MADE] * WAITING
