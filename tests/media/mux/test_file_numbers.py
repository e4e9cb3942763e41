"""Which piece goes into which file."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.mux.file_numbers import LARGEST, LONGEST_NS, NS, NewestFile, files

ORIGIN_NS = 1_790_000_000 * NS + 123_456_789
SLICE_S = 15


@dataclass(frozen=True)
class Given:
    start_ns: int
    duration_s: float
    bytes: int


def _slices(count, size=1_000_000, duration_s=float(SLICE_S), first=0):
    starts = (ORIGIN_NS + k * SLICE_S * NS for k in range(first, first + count))
    return [Given(start_ns, duration_s, size) for start_ns in starts]


def test_a_file_lasts_two_hours_and_no_slice_more():
    assert list(files(_slices(1000))) == [0] * 480 + [1] * 480 + [2] * 40


@pytest.mark.parametrize("more_s", [1 / 60, 1024 / 48_000, 1 / 15])
def test_grids_of_pictures_and_of_sound_do_not_shorten_a_file(more_s):
    pieces = _slices(481, duration_s=SLICE_S + more_s)
    assert list(files(pieces)) == [0] * 480 + [1]


def test_a_file_holds_two_gigabytes_and_its_head():
    sizes = [0, 0]
    pieces = _slices(300, 30_000_000)
    for piece, file in zip(pieces, files(pieces), strict=True):
        if file < 2:
            sizes[file] += piece.bytes
    assert sizes[0] == sizes[1]
    assert LARGEST - 40_000_000 < sizes[0] < LARGEST - 5_000_000


def test_time_without_pieces_counts():
    pieces = [*_slices(10), *_slices(10, first=479)]
    assert list(files(pieces)) == [0] * 11 + [1] * 9


def test_what_is_too_large_for_any_file_has_one_alone():
    huge = _slices(3, 3_000_000_000)
    assert list(files([*_slices(1), *huge])) == [0, 1, 2, 3]
    assert list(files([])) == []


@given(st.lists(st.tuples(st.integers(1, 600), st.integers(1, 10**9)), max_size=60))
def test_any_pieces_stay_in_order_and_within_the_limits(rows):
    at_ns, pieces, states = ORIGIN_NS, [], [NewestFile()]
    for seconds, size in rows:
        pieces.append(Given(at_ns, float(seconds), size))
        at_ns += seconds * NS
        states.append(states[-1].after(pieces[-1]))
    numbers = list(files(pieces))
    assert [state.file for state in states[1:]] == numbers
    assert all(b - a in (0, 1) for a, b in zip([-1, *numbers], numbers, strict=False))
    for number in set(numbers):
        inside = [p for p, n in zip(pieces, numbers, strict=True) if n == number]
        assert sum(p.bytes for p in inside) < LARGEST
        assert sum(p.duration_s for p in inside) * NS <= LONGEST_NS + NS
