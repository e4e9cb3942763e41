import itertools
import random
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.cut.ticks import LEAD_NS, TickGrid, first_ticks
from media.tape.model import NS

ORIGIN = 1_000 * NS
GRID = TickGrid(ORIGIN, 15)
_SEAMS = 7


def _times(fps: float, seconds: float, *, phase: float = 0.0, jitter_ns: int = 0, seed: int = 7):
    rng = random.Random(seed)
    step = NS / fps
    return [
        ORIGIN + int((i + phase) * step + rng.uniform(-jitter_ns, jitter_ns))
        for i in range(int(seconds * fps))
    ]


def _steps(ticks: list[int]) -> list[int]:
    return [b - a for a, b in itertools.pairwise(ticks)]


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.49, 0.5, 0.51, 0.75])
def test_a_source_of_the_canvas_rate_shows_every_picture_once_in_spite_of_jitter(phase):
    ticks = first_ticks(_times(15, 20, phase=phase, jitter_ns=15_000_000), GRID)
    assert set(_steps(ticks)) == {1}


@pytest.mark.parametrize("phase", [0.0, 0.5, 0.9])
def test_of_a_source_of_twice_the_rate_every_other_picture_is_shown(phase):
    times = _times(30, 20, phase=phase, jitter_ns=6_000_000)
    ticks = first_ticks(times, GRID)
    shown = [i for i, (a, b) in enumerate(itertools.pairwise(ticks)) if a != b]
    assert set(_steps(shown)) == {2}


@pytest.mark.parametrize("phase", [0.0, 0.5, 0.9])
def test_a_source_of_half_the_rate_is_held_for_two_ticks_each(phase):
    ticks = first_ticks(_times(7.5, 20, phase=phase, jitter_ns=10_000_000), GRID)
    assert set(_steps(ticks)) == {2}


def test_a_drifting_source_skips_once_for_each_period_it_gains():
    ticks = first_ticks(_times(15.05, 60), GRID)  # gains three periods in a minute
    assert _steps(ticks).count(0) in (2, 3, 4)
    assert set(_steps(ticks)) <= {0, 1}


def test_two_slices_agree_on_the_pictures_around_their_seam():
    for seed, phase in enumerate([0.1, 0.3, 0.44, 0.5, 0.56, 0.8]):
        times = _times(15, 30, phase=phase, jitter_ns=8_000_000, seed=seed)
        seam = ORIGIN + 15 * NS
        before = first_ticks([t for t in times if t < seam], GRID)
        later = [t for t in times if t >= seam - LEAD_NS]
        after = first_ticks(later, GRID)
        whole = dict(zip(later, after, strict=True))
        own = dict(zip(times, before, strict=False))
        both = [(own[t], whole[t]) for t in whole if seam - NS <= t < seam]
        assert all(a == b for a, b in both)


@pytest.mark.parametrize(("fps", "step"), [(15, 1), (30, 2), (7.5, 0.5)])
@pytest.mark.parametrize(("jitter_ms", "share"), [(0, 0), (2, 0), (4, 0.01), (8, 0.03)])
def test_of_many_phases_hardly_one_repeats_or_skips_a_picture_at_a_seam(
    fps, step, jitter_ms, share
):
    """Only a source that is half a period off may be taken for early here, and for late there."""
    off = [_off_at_seams(fps, step, n / 60, jitter_ms * 1_000_000) for n in range(60)]
    print(f"{fps}/s, jitter {jitter_ms} ms: {sum(off)} of {60 * _SEAMS} seams")
    assert sum(off) <= share * 60 * _SEAMS
    assert off[30] == 0  # exactly half a period, as test sources are


def _off_at_seams(fps: float, step: float, phase: float, jitter_ns: int) -> int:
    """How many seams show the wrong picture after them; all others show the right ones."""
    times = _times(fps, 15 * (_SEAMS + 1) + 6, phase=phase, jitter_ns=jitter_ns)
    off, last = 0, None
    for number in range(_SEAMS + 1):
        ticks = range(90 + 225 * number, 315 + 225 * number)
        shown = _shown(times, ticks)
        assert all(abs(b - a - step) <= 0.5 for a, b in itertools.pairwise(shown))
        off += last is not None and abs(shown[0] - last - step) > 0.5
        last = shown[-1]
    return off


def _shown(times: list[int], ticks: range) -> list[int]:
    """The number of the picture at each tick, as a slice that begins there finds it."""
    begin, end = GRID.at(ticks.start), GRID.at(ticks.stop)
    mine = [i for i, t in enumerate(times) if begin - LEAD_NS <= t < end]
    due = first_ticks([times[i] for i in mine], GRID)
    return [mine[bisect_right(due, tick) - 1] for tick in ticks]


def test_after_a_pause_the_phase_is_found_anew():
    first = _times(15, 5, phase=0.1)
    second = [t + 8 * NS for t in _times(15, 5, phase=0.5, jitter_ns=10_000_000)]
    ticks = first_ticks([*first, *second], GRID)
    assert set(_steps(ticks[len(first) :])) == {1}


@given(st.lists(st.integers(0, 60 * NS), max_size=80), st.sampled_from([1, 7, 10, 15, 24, 30, 60]))
def test_pictures_are_never_shown_out_of_order_nor_far_from_their_time(offsets, fps):
    grid = TickGrid(ORIGIN, fps)
    times = [ORIGIN + offset for offset in sorted(offsets)]
    ticks = first_ticks(times, grid)
    assert ticks == sorted(ticks)
    assert all(abs(grid.at(n) - t) <= 1.2 * NS / fps for n, t in zip(ticks, times, strict=True))
