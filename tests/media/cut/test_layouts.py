import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.cut.layouts import MAX_REGIONS, Fit, LayoutUnknown, Rect, Region, arrange
from media.cut.look import BEST_FIT, CUSTOM, FLOATING, VERTICAL, Place

REGIONS = json.loads((Path(__file__).parent / "layout-regions.json").read_text("utf-8"))


def _uids(count: int) -> list[str]:
    return [str(uid) for uid in range(1, count + 1)]


def _near(region: Region | None, x: float, y: float, w: float, h: float) -> bool:
    assert region is not None
    return [region.x, region.y, region.w, region.h] == pytest.approx([x, y, w, h], abs=1e-4)


def _rows(layout: str) -> list[tuple[int, list[list[float]]]]:
    return [(int(count), rows) for count, rows in REGIONS[layout].items()]


@pytest.mark.parametrize("layout", [FLOATING, BEST_FIT])
def test_every_entry_of_the_published_table(layout):
    for count, rows in _rows({FLOATING: "floating", BEST_FIT: "best_fit"}[layout]):
        regions = arrange(layout, _uids(count))
        assert len(regions) == len(rows) == count
        assert all(_near(region, *row) for region, row in zip(regions, rows, strict=True))


@pytest.mark.parametrize("place", ["first", "last", "absent"])
def test_every_entry_of_the_published_table_for_vertical(place):
    for count, (large, *small) in _rows("vertical"):
        others = _uids(count - 1)
        uids = {"first": ["x", *others], "last": [*others, "x"], "absent": others}[place]
        regions = dict(zip(uids, arrange(VERTICAL, uids, largest="x"), strict=True))
        assert all(_near(regions[uid], *row) for uid, row in zip(others, small, strict=True))
        if place != "absent":
            assert _near(regions["x"], *large)
            assert regions["x"].fit is Fit.WHOLE


@pytest.mark.parametrize(("count", "width"), [(4, 1 / 5), (5, 1 / 7), (7, 1 / 9), (9, 1 / 10)])
def test_one_too_many_small_ones_go_to_the_next_row_of_the_table(count, width):
    for largest in ("", "99"):
        regions = arrange(VERTICAL, _uids(count), largest=largest)
        assert all(region and region.w == pytest.approx(width) for region in regions)


def test_two_columns_are_filled_from_the_right():
    regions = arrange(VERTICAL, _uids(16))
    assert [region.x for region in regions if region] == pytest.approx([0.9] * 8 + [0.8] * 8)


def test_the_owner_of_the_large_region_has_it_even_as_the_twentieth():
    regions = arrange(VERTICAL, _uids(20), largest="20")
    assert _near(regions[19], 0, 0, 0.8, 1)
    assert regions[16:19] == (None,) * 3


def test_a_second_source_of_the_large_one_s_owner_is_small():
    regions = arrange(VERTICAL, ["1", "2", "2"], largest="2")
    assert _near(regions[1], 0, 0, 0.8, 1)
    assert _near(regions[2], 0.8, 0.25, 0.2, 0.25)


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
    with pytest.raises(LayoutUnknown, match="layout 4"):
        arrange(4, ["1"])


def _place(uid: str = "", x: float = 0.0, **more: Any) -> Place:
    return Place(uid, x, 0.5, 0.1, 0.25, **more)


def test_reserved_places_go_to_their_owners_and_the_rest_in_join_order():
    places = [_place("", 0.1), _place("3", 0.2), _place("", 0.3), _place("9", 0.4)]
    regions = arrange(CUSTOM, ["1", "2", "3", "4"], places=places)
    assert [region and region.x for region in regions] == [0.1, 0.3, 0.2, None]


def test_without_an_entry_nobody_is_shown():
    assert arrange(CUSTOM, ["1", "2"]) == (None, None)
    assert arrange(CUSTOM, ["1"], places=[_place("2")]) == (None,)


def test_a_place_says_how_it_is_drawn_and_later_ones_lie_on_top():
    places = [_place("2", alpha=0.5), _place("1", whole=True)]
    first, second = arrange(CUSTOM, ["1", "2"], places=places)
    assert first is not None
    assert second is not None
    assert (first.fit, first.alpha, second.fit, second.alpha) == (Fit.FRAMED, 1, Fit.FILL, 0.5)
    assert first.depth > second.depth


def test_no_more_than_seventeen_places_count():
    regions = arrange(CUSTOM, _uids(18), places=[_place()] * 18)
    assert regions[17] is None
    assert None not in regions[:17]


def test_places_outside_the_canvas_are_cut_off():
    region = arrange(CUSTOM, ["1"], places=[Place("", 0.9, 0.9, 0.5, 0.5)])[0]
    assert region is not None
    assert region.pixels(100, 100) == Rect(90, 90, 10, 10)
    assert Region(1, 0, 0.1, 0.1).pixels(100, 100).empty


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
