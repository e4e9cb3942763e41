"""What a tape says of a look: the look that was asked for, or nothing that could stop a cutter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.cut.layouts import Rect, arrange
from media.cut.look import CUSTOM, Look, Place, UserImage
from media.tape.wanted import Wanted

share = st.floats(0, 1)
text = st.text(max_size=8)
places = st.builds(Place, text, share, share, share, share, share, st.booleans())
looks = st.builds(
    Look,
    st.integers(0, 3),
    text,
    st.from_regex(r"#[0-9A-Fa-f]{6}", fullmatch=True),
    text,
    text,
    st.lists(st.builds(UserImage, text, text, st.booleans()), max_size=3).map(tuple),
    st.lists(places, max_size=4).map(tuple),
)
# All that a JSON parser gives, and what it should not: NaN, Infinity, numbers beyond any float.
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, -(10**400), float("inf"), -float("inf"), float("nan"), "NaN"])
    | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
PLACE = {"uid": "1", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.4, "alpha": 0.5, "whole": False}


@given(look=looks)
def test_a_look_is_told_as_it_was_asked_for(look):
    assert Look.told(look.event(5).detail) == look
    assert Look.from_json(look.to_json()) == look


@st.composite
def spoilt(draw):
    """A look with one value of it, however deep, replaced."""
    row = json.loads(json.dumps(draw(looks).to_json()))
    rows = [row, *row["places"], *row["user_images"]]
    where = draw(st.sampled_from(rows))
    where[draw(st.sampled_from(sorted(where)))] = draw(junk)
    return json.dumps(row)


@given(detail=spoilt() | junk.map(json.dumps) | st.text())
def test_whatever_is_told_can_be_drawn_or_is_refused(detail):
    look = Look.told(detail)
    Wanted.told(detail)
    if look is None:
        return
    assert Look.told(look.event(5).detail) == look
    "".join((look.max_resolution_uid, *look.urls)).encode()
    canvas = Rect(0, 0, 360, 640)
    for region in arrange(look.layout, ["1", "2", "3"], places=look.places):
        if region is not None:
            assert 0 <= region.alpha <= 1
            rect = region.pixels(canvas.w, canvas.h)
            assert rect.x >= 0
            assert rect.x + rect.w <= canvas.w
            assert rect.y + rect.h <= canvas.h


@pytest.mark.parametrize("name", ["x", "y", "w", "h", "alpha"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400, "-0.1", "2"])
def test_places_that_are_nowhere_make_no_sense(name, value):
    detail = json.dumps({"layout": CUSTOM, "places": [PLACE | {name: 0.75}]})
    assert Look.told(detail) is not None
    assert Look.told(detail.replace("0.75", value)) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "4", "-1", "1.5", "[]", "null"])
def test_layouts_that_do_not_exist_make_no_sense(value):
    assert Look.told('{"layout":' + value + "}") is None
    with pytest.raises(ValueError, match="layout"):
        Look.from_json({"layout": json.loads(value)})
