import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.cut.layouts import (
    BEST_FIT,
    FLOATING,
    MAX_REGIONS,
    VERTICAL,
    LayoutUnknown,
    Region,
    arrange,
)


def _uids(count: int) -> list[str]:
    return [str(uid) for uid in range(1, count + 1)]


def _near(region: Region | None, x: float, y: float, w: float, h: float) -> bool:
    assert region is not None
    return [region.x, region.y, region.w, region.h] == pytest.approx([x, y, w, h], abs=1e-4)


def test_best_fit_takes_the_smallest_grid_that_holds_everybody():
    sizes = {1: (1, 1), 2: (0.5, 1), 3: (0.5, 0.5), 5: (1 / 3, 1 / 3), 10: (0.25, 0.25)}
    for count, (w, h) in sizes.items():
        first = arrange(BEST_FIT, _uids(count))[0]
        assert _near(first, 0, 0, w, h)


def test_best_fit_fills_row_by_row_and_centres_nothing():
    regions = arrange(BEST_FIT, _uids(5))
    assert _near(regions[2], 2 / 3, 0, 1 / 3, 1 / 3)
    assert _near(regions[3], 0, 1 / 3, 1 / 3, 1 / 3)


def test_the_seventeenth_in_best_fit_stands_below_the_others():
    assert _near(arrange(BEST_FIT, _uids(17))[16], 0.4, 0.8, 0.2, 0.2)


def test_floating_regions_grow_in_rows_from_the_bottom_left():
    regions = arrange(FLOATING, _uids(17))
    assert _near(regions[0], 0, 0, 1, 1)
    assert _near(regions[1], 0.012, 0.753, 0.235, 0.235)
    assert _near(regions[5], 0.012, 0.506, 0.235, 0.235)
    assert _near(regions[16], 0.753, 0.012, 0.235, 0.235)


def test_vertical_gives_the_large_region_to_its_owner_whoever_came_first():
    regions = arrange(VERTICAL, ["1", "2", "3"], largest="3")
    assert _near(regions[2], 0, 0, 0.8, 1)
    assert _near(regions[0], 0.8, 0, 0.2, 0.25)
    assert _near(regions[1], 0.8, 0.25, 0.2, 0.25)


def test_vertical_without_its_owner_keeps_everybody_small():
    assert all(region and region.w == 0.2 for region in arrange(VERTICAL, ["1", "2"], largest="9"))


def test_who_comes_after_the_seventeenth_is_not_shown():
    regions = arrange(BEST_FIT, _uids(19))
    assert regions[17:] == (None, None)
    assert None not in regions[:17]


def test_an_unknown_layout_is_refused_by_name():
    with pytest.raises(LayoutUnknown, match="layout 3"):
        arrange(3, ["1"])


@given(
    layout=st.sampled_from([FLOATING, BEST_FIT, VERTICAL]),
    count=st.integers(0, 20),
    width=st.integers(8, 960).map(lambda half: half * 2),
    height=st.integers(8, 960).map(lambda half: half * 2),
)
def test_regions_stay_on_the_canvas_with_even_edges(layout, count, width, height):
    regions = arrange(layout, _uids(count), largest="1")
    assert len(regions) == count
    rects = [region.pixels(width, height) for region in regions if region]
    assert len(rects) == min(count, MAX_REGIONS)
    for rect in rects:
        assert 0 <= rect.x <= rect.x + rect.w <= width
        assert 0 <= rect.y <= rect.y + rect.h <= height
        assert not (rect.x | rect.y | rect.w | rect.h) & 1
    if layout == BEST_FIT:
        assert not any(a.overlaps(b) for i, a in enumerate(rects) for b in rects[:i])
