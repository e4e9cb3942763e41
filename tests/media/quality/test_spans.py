"""Arithmetic of ranges against sets of integers."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from media.quality.spans import clipped, common, joined, length_ns, without

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: tuple(sorted(pair)))
)


def points(spans):
    return {at for begin, end in spans for at in range(begin, end)}


def tidy(spans):
    return all(a[1] < b[0] for a, b in itertools.pairwise(spans))


@given(RANGES, RANGES)
def test_ranges_are_sets_of_moments(one, other):
    one, other = joined(one), joined(other)
    assert tidy(one)
    assert points(without(one, other)) == points(one) - points(other)
    assert points(common(one, other)) == points(one) & points(other)
    assert points(clipped(one, 10, 20)) == points(one) & set(range(10, 20))
    assert length_ns(one) == len(points(one))


def test_near_ranges_can_be_one():
    assert joined([(0, 2), (3, 4), (9, 10)], within_ns=1) == ((0, 4), (9, 10))
