"""The clock that never jumps, over a host that does."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtc import steady
from media.rtc.steady import SteadyClock

NS = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * NS


class Host:
    """A host whose uptime and wall clock a test moves."""

    def __init__(self) -> None:
        self.up_ns, self.wall_ns = 77 * NS, T0
        self.clock = SteadyClock(lambda: self.up_ns, lambda: self.wall_ns)

    def pass_(self, ns: int) -> int:
        self.up_ns += ns
        self.wall_ns += ns
        return self.clock.now_ns()


def test_it_shows_the_wall_clock_while_nobody_sets_it():
    host = Host()
    for _ in range(1000):
        assert host.pass_(37 * MS) == host.wall_ns


@pytest.mark.parametrize("step_ms", [200, -200, 3_600_000, -3_600_000])
def test_a_step_of_the_host_is_followed_slowly(step_ms):
    host = Host()
    host.pass_(60 * NS)
    host.wall_ns += step_ms * MS
    before = host.clock.now_ns()
    for second in range(1, 3000):
        now = host.pass_(NS)
        assert abs(now - before - NS) <= NS // 10_000 + 1
        before = now
        left_ms = max(0, abs(step_ms) - second / 10)
        assert abs(abs(host.wall_ns - now) - left_ms * MS) <= MS


@given(
    gaps=st.lists(st.integers(0, 3 * NS), min_size=1, max_size=200),
    steps=st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=200),
)
def test_it_never_runs_backwards_nor_much_too_fast(gaps, steps):
    host = Host()
    before = host.clock.now_ns()
    for gap, step in zip(gaps, steps, strict=False):
        host.wall_ns += step
        now = host.pass_(gap)
        assert gap * 0.9999 - 2 <= now - before <= gap * 1.0001 + 2
        before = now


@pytest.mark.parametrize("step_ms", [0, 200, -200, 3_600_000, -3_600_000])
def test_what_another_process_stamped_has_its_place(step_ms):
    host = Host()
    host.pass_(NS)
    host.wall_ns += step_ms * MS
    stamped, was = host.wall_ns, host.clock.now_ns()
    host.pass_(5 * NS)
    assert abs(host.clock.of_wall(stamped) - was) <= 5 * MS


def test_while_nobody_records_it_is_set_anew():
    host = Host()
    host.wall_ns += 3600 * NS
    host.clock.align()
    assert host.clock.now_ns() == host.wall_ns
    host.clock.align(host.wall_ns + 9 * NS)
    assert host.clock.now_ns() == host.wall_ns + 9 * NS
    host.pass_(2 * NS)
    assert host.pass_(2 * NS) < host.wall_ns + 9 * NS


def test_the_real_one_grows_in_all_threads():
    backwards = []

    def read() -> None:
        before = 0
        for _ in range(20_000):
            now = steady.now_ns()
            backwards.extend([now] if now < before else [])
            before = now

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not backwards
