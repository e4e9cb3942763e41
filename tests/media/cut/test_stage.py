"""The canvas repaints only what changed; that must never be seen."""

import itertools
from unittest.mock import Mock

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.cut.layouts import Rect
from media.cut.look import CUSTOM, FLOATING, Look, Place
from media.cut.model import CompositeSpec
from media.cut.presence import Occupant
from media.cut.scaler import Scaler
from media.cut.scenes import Scene
from media.cut.stage import Piles, Stage
from tests.media.cut.stills import image

SPEC = CompositeSpec(64, 48)


class Pictures:
    """A line as the stage sees it: at some ticks another picture, at first none."""

    rotation = 0
    track = "t"

    def __init__(self, ticks, seed=0):
        self._ticks = ticks
        self._seed = seed
        self.picture = None
        self.asked = []

    def advance(self, tick):
        self.asked.append(tick)
        number = sum(one <= tick for one in self._ticks)
        if number and (self.picture is None or self.picture.pts != number):
            self.picture = _picture(number, self._seed)


def _picture(number, seed):
    rng = np.random.default_rng([number, seed])
    picture = av.VideoFrame.from_ndarray(
        rng.integers(16, 235, (24 * 3 // 2, 32), np.uint8), format="yuv420p"
    )
    picture.pts = number
    return picture


def occupant(uid, *, stopped=False):
    return Occupant(uid, False, frozenset("t"), stopped)


def staged(look, lines, *, stopped=frozenset()):
    people = tuple(occupant(uid, stopped=uid in stopped) for uid in lines)
    stage = Stage(SPEC, {one.line: lines[one.uid] for one in people}, {})
    stage.arrange(Scene(people, look))
    return stage


_side = st.sampled_from([0.25, 0.5, 0.75, 1.0])
_place = st.builds(
    Place,
    st.just(""),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.sampled_from([0.0, 0.25, 0.5]),
    _side,
    _side,
    st.sampled_from([0.0, 0.4, 1.0]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_place, min_size=1, max_size=5),
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=5, max_size=5),
)
def test_it_always_looks_as_if_everything_were_painted_anew(places, ticks):
    look = Look(CUSTOM, places=tuple(places))

    def lines():
        return {str(n): Pictures(each, n) for n, each in enumerate(ticks)}

    stage = staged(look, lines())
    for tick in range(6):
        drawn = stage.draw(tick).to_ndarray()
        anew = staged(look, lines()).draw(tick).to_ndarray()
        assert (drawn == anew).all()


def test_without_a_change_nothing_is_drawn():
    stage = staged(Look(FLOATING), {"1": Pictures([1, 3])})
    frames = [stage.draw(tick) for tick in range(5)]
    same = [a is b for a, b in itertools.pairwise(frames)]
    assert same == [False, True, False, True]


def test_what_is_covered_is_not_even_decoded():
    halves = (Place("2", 0, 0, 0.5, 1), Place("3", 0.5, 0, 0.5, 1))
    look = Look(CUSTOM, places=(Place("1", 0.1, 0.1, 0.8, 0.8), *halves))
    lines = {"1": Pictures([0, 1, 2]), "2": Pictures([0]), "3": Pictures([0, 2])}
    stage = staged(look, lines)
    for tick in range(4):
        stage.draw(tick)
    assert lines["1"].asked == []
    assert lines["2"].asked == [0, 1, 2, 3]


def test_what_is_uncovered_is_up_to_date_at_once():
    over = Place("2", 0, 0, 1, 1)
    people = (occupant("1"), occupant("2"))
    lines = {"1": Pictures([0, 1, 2]), "2": Pictures([0])}
    stage = Stage(SPEC, {one.line: lines[one.uid] for one in people}, {})
    look = Look(CUSTOM, places=(Place("1", 0, 0, 1, 1), over))
    stage.arrange(Scene(people, look))
    stage.draw(0)
    stage.draw(1)
    stage.arrange(Scene(people[:1], look))
    drawn = stage.draw(2).to_ndarray()
    alone = staged(look, {"1": Pictures([0, 1, 2])}).draw(2).to_ndarray()
    assert lines["1"].asked == [2]
    assert (drawn == alone).all()


@pytest.mark.parametrize("stopped", [False, True])
def test_who_is_not_shown_is_not_decoded(stopped):
    lines = {"1": Pictures([0]), "2": Pictures([0])}
    look = Look(CUSTOM, places=(Place("1", 0, 0, 1, 1), Place("2", 0, 0, 1, 1, alpha=0)))
    stage = staged(look, lines, stopped=frozenset("1") if stopped else frozenset())
    stage.draw(0)
    assert lines["1"].asked == [0]  # without an image the last picture stays
    assert lines["2"].asked == []


def test_whose_image_is_shown_is_not_decoded(tmp_path):
    path = image(tmp_path / "a.png", (200, 30, 30))
    line = Pictures([0])
    away = occupant("1", stopped=True)
    for look in (Look(default_user_image="u"), Look(background_image="u")):
        stage = Stage(SPEC, {away.line: line}, {"u": path})
        stage.arrange(Scene((away,), look))
        assert int(stage.draw(0).to_ndarray()[24, 32]) == pytest.approx(85, abs=3)
        assert line.asked == []


def test_a_picture_that_cannot_be_scaled_costs_no_more_than_itself(monkeypatch):
    stage = staged(Look(FLOATING), {"1": Pictures([0, 1, 2])})
    first = stage.draw(0).to_ndarray()
    error = av.error.MemoryError(12, "no memory")
    monkeypatch.setattr(Scaler, "scale", Mock(side_effect=error))
    assert (stage.draw(1).to_ndarray() == first).all()
    monkeypatch.undo()
    assert (stage.draw(2).to_ndarray() != first).any()


_rect = st.builds(
    lambda x, y, w, h: Rect(2 * x, 2 * y, 2 * w, 2 * h),
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(1, 6),
    st.integers(1, 6),
)


@given(st.lists(_rect, min_size=1, max_size=6), st.sets(st.integers(1, 5)))
def test_covered_means_that_no_pixel_is_left(rects, opaque):
    pixels = np.zeros((40, 40), bool)
    opaque = [k for k in opaque if k < len(rects)]
    for one in (rects[k] for k in opaque):
        pixels[one.y : one.y + one.h, one.x : one.x + one.w] = True
    x, y, w, h = (getattr(rects[0], name) for name in "xywh")
    part = pixels[y : y + h, x : x + w]
    assert Piles(rects).covered(0, opaque) == bool(part.all())
