"""Mutes: nothing that was sent while muted is kept, nothing sent before or after is lost."""

from types import SimpleNamespace

import pytest

from media.cut.pauses import Pause

MS = 1_000_000
START, END = 10_000 * MS, 15_000 * MS
STEP = 20 * MS


def kept(*ranges: tuple[int, int]) -> list[tuple[int, int]]:
    """Which of the packets sent in these ranges (ms, half open) stay, as ranges again."""
    times = [t for begin, end in ranges for t in range(begin * MS, end * MS, STEP)]
    frames = [SimpleNamespace(time_ns=t) for t in times]
    left = [f.time_ns for f in Pause(START, END, muted=True).audible(frames)]
    found: list[list[int]] = []
    for t in left:
        if found and t - found[-1][1] == STEP:
            found[-1][1] = t
        else:
            found.append([t, t])
    return [(begin // MS, (end + STEP) // MS) for begin, end in found]


def test_what_is_sent_all_through_a_mute_is_not_kept() -> None:
    assert kept((9_000, 16_000)) == [(9_000, 10_080), (14_920, 16_000)]


@pytest.mark.parametrize("late", [0, 60, 400, 1_200])
def test_news_of_a_mute_that_comes_late_costs_nothing(late: int) -> None:
    """The room was told at once, we a little later: packets stop before, and come back before."""
    assert kept((9_000, 10_000), (15_000 - late, 16_000)) == [
        (9_000, 10_000),
        (15_000 - late, 16_000),
    ]


@pytest.mark.parametrize("behind", [60, 400, 1_200])
def test_packets_that_come_behind_the_news_are_kept(behind: int) -> None:
    assert kept((9_000, 10_000 + behind), (15_000, 16_000)) == [
        (9_000, 10_000 + behind),
        (15_000, 16_000),
    ]
