"""Every layout with many numbers of publishers, as decoded from the finished file."""

import json
from pathlib import Path

import pytest

from media.cut.composite import cut_composite
from media.cut.look import BEST_FIT, CUSTOM, FLOATING, VERTICAL, Look, Place
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, EventType, TapeEvent
from tests.media.cut.crowd import SIZE, colour, crowd
from tests.media.cut.look import Shot, like, shots
from tests.media.cut.scene import ORIGIN_NS, Colour

REGIONS = json.loads((Path(__file__).parent / "layout-regions.json").read_text("utf-8"))
COUNTS = (1, 2, 3, 4, 5, 7, 9, 10, 16, 17, 18)
WIDTH, HEIGHT = 640, 360
BLACK = Colour(16, 128, 128)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    home = tmp_path_factory.mktemp("tapes")
    return {count: crowd(home / str(count), count) for count in COUNTS}


def last_shot(tape, out, look, seconds=1.0) -> Shot:
    spec = CompositeSpec(WIDTH, HEIGHT, bitrate=6500, look=look, audio=False)
    part = Slice(0, ORIGIN_NS, ORIGIN_NS + int(seconds * NS))
    result = cut_composite(tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out)
    return shots(result.segments[0].path)[-1]


def assert_region(shot, region, number, *, whole=False):
    """The publisher stands there, and each inner edge is where it should be, within a pixel."""
    x, y, w, h = region
    left, top = x * WIDTH, y * HEIGHT
    right, bottom = left + w * WIDTH, top + h * HEIGHT
    if whole:  # fitted: borders above and below, or left and right
        scale = min((right - left) / SIZE[0], (bottom - top) / SIZE[1])
        side, high = (right - left - SIZE[0] * scale) / 2, (bottom - top - SIZE[1] * scale) / 2
        left, right, top, bottom = left + side, right - side, top + high, bottom - high
    for across, down in ((0.12, 0.12), (0.88, 0.12), (0.12, 0.88), (0.88, 0.88)):
        at = ((left + (right - left) * across) / WIDTH, (top + (bottom - top) * down) / HEIGHT)
        assert like(shot.colour(*at), colour(number), 10), (number, at)
    row, column = int(top + (bottom - top) / 4), int(left + (right - left) / 4)
    for edge, inwards, line in (
        (left, 1, shot.y[row]),
        (right, -1, shot.y[row]),
        (top, 1, shot.y[:, column]),
        (bottom, -1, shot.y[:, column]),
    ):
        if 1 < edge < len(line) - 1:
            assert abs(_edge(line, edge, inwards) - round(edge)) <= 1, (number, region)


def _edge(line, near, inwards):
    """Where the brightness turns from that outside a region to that inside."""
    near = round(near)
    inside = float(line[near + 6 * inwards])
    outside = float(line[near - 3 * inwards - (inwards > 0)])
    assert abs(inside - outside) > 8, "the neighbour looks the same"
    reach = range(max(near - 4, 0), min(near + 5, len(line)))[::inwards]
    for pixel in reach:
        if abs(float(line[pixel]) - inside) < abs(float(line[pixel]) - outside):
            return pixel if inwards > 0 else pixel + 1
    raise AssertionError("no edge")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("layout", ["floating", "best_fit"])
def test_everybody_stands_where_the_table_says(tapes, tmp_path, layout, count):
    number = {"floating": FLOATING, "best_fit": BEST_FIT}[layout]
    shot = last_shot(tapes[count], tmp_path, Look(number))
    table = REGIONS[layout][str(min(count, 17))]
    small = table[1:] if layout == "floating" else table
    for i, region in enumerate(small, start=len(table) - len(small) + 1):
        assert_region(shot, region, i)
    if layout == "floating":
        corners = shot.y[[1, 1, -2, -2], [1, -2, 1, -2]]
        assert all(abs(int(corner) - colour(1).y) <= 10 for corner in corners)


@pytest.mark.parametrize("count", COUNTS)
def test_vertical_with_its_large_region(tapes, tmp_path, count):
    shot = last_shot(tapes[count], tmp_path, Look(VERTICAL, max_resolution_uid="2"))
    if count == 1:  # the large region's owner is not there
        assert_region(shot, (0.8, 0, 0.2, 0.25), 1)
        assert like(shot.colour(0.4, 0.5), BLACK)
        return
    large, *small = REGIONS["vertical"][str(min(count, 17))]
    assert_region(shot, large, 2, whole=True)
    others = [n for n in range(1, count + 1) if n != 2]
    for region, number in zip(small, others, strict=False):
        assert_region(shot, region, number)


@pytest.mark.parametrize("count", COUNTS)
def test_vertical_without_its_large_region(tapes, tmp_path, count):
    shot = last_shot(tapes[count], tmp_path, Look(VERTICAL))
    assert like(shot.colour(0.4, 0.5), BLACK)
    row = REGIONS["vertical"][str(min(count + 1, 17))]
    for number, region in enumerate(row[1:], start=1):
        assert_region(shot, region, number)


@pytest.mark.parametrize("count", COUNTS)
def test_custom_places_in_a_grid_of_one_s_own(tapes, tmp_path, count):
    # 6 columns, 3 rows; the first place is reserved for the last publisher.
    cells = [(i % 6 / 6, i // 6 / 3, 1 / 6, 1 / 3) for i in range(17)]
    places = tuple(Place(str(count) if i == 0 else "", *cell) for i, cell in enumerate(cells))
    shot = last_shot(tapes[count], tmp_path, Look(CUSTOM, places=places))
    everybody = [count, *range(1, count)]
    for cell, number in zip(cells, everybody, strict=False):
        assert_region(shot, cell, number)
    for cell in cells[count:]:
        assert like(shot.colour(cell[0] + 0.08, cell[1] + 0.17), BLACK)


def test_the_eighteenth_moves_in_when_one_of_the_first_leaves(tmp_path):
    left = TapeEvent(EventType.LEFT, ORIGIN_NS + NS // 5, uid="3")
    shot = last_shot(crowd(tmp_path / "t", 18, [left]), tmp_path, Look(BEST_FIT))
    rest = [n for n in range(1, 19) if n != 3]
    for region, number in zip(REGIONS["best_fit"]["17"], rest, strict=True):
        assert_region(shot, region, number)


@pytest.mark.parametrize(
    ("width", "height", "fps"), [(1920, 1080, 60), (360, 640, 7), (1080, 1920, 1), (322, 182, 24)]
)
def test_canvases_of_all_shapes_and_rates(tapes, tmp_path, width, height, fps):
    spec = CompositeSpec(width, height, fps, 6500, look=Look(BEST_FIT), audio=False)
    part = Slice(0, ORIGIN_NS, ORIGIN_NS + NS)
    result = cut_composite(tapes[2], spec, origin_ns=ORIGIN_NS, slice=part, out_dir=tmp_path)
    seen = shots(result.segments[0].path)
    assert len(seen) == fps
    assert seen[-1].y.shape == (height, width)
    assert like(seen[-1].colour(0.1, 0.1), colour(1))
    assert like(seen[-1].colour(0.9, 0.9), colour(2))
