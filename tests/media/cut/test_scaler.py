"""Pictures of any size, held in any way, in regions of any shape."""

import av
import numpy as np
import pytest

from media.cut import scaler as scaler_module
from media.cut.layouts import Fit, Rect
from media.cut.scaler import Scaler

GREY, DARK, BRIGHT = 128, 40, 210


def picture(width, height):
    """Grey, with a dark top left and a bright top right quarter."""
    frame = av.VideoFrame(width, height, "yuv420p")
    for number, plane in enumerate(frame.planes):
        rows = np.full((plane.height, plane.line_size), GREY, np.uint8)
        if number == 0:
            rows[: height // 2, : width // 2] = DARK
            rows[: height // 2, width // 2 :] = BRIGHT
        plane.update(rows.tobytes())
    return frame


def corners(luma):
    high, wide = luma.shape
    inner = [(high // 8, wide // 8), (high // 8, -wide // 8)]
    inner += [(-high // 8, wide // 8), (-high // 8, -wide // 8)]
    return [int(luma[at]) for at in inner]


@pytest.mark.parametrize(
    ("rotation", "wanted"),
    [
        (0, [DARK, BRIGHT, GREY, GREY]),
        (90, [GREY, DARK, GREY, BRIGHT]),
        (180, [GREY, GREY, BRIGHT, DARK]),
        (270, [BRIGHT, GREY, DARK, GREY]),
    ],
)
@pytest.mark.parametrize("size", [(320, 180), (321, 181), (90, 160), (33, 17)])
@pytest.mark.parametrize("fit", [Fit.FILL, Fit.WHOLE])
def test_it_comes_out_upright_and_of_the_right_shape(size, rotation, wanted, fit):
    luma, u, _ = Scaler().scale(picture(*size), Rect(0, 0, 120, 100), fit, rotation)
    assert np.allclose(corners(luma), wanted, atol=3)
    assert u.shape == (luma.shape[0] // 2, luma.shape[1] // 2)
    if fit is Fit.FILL:
        assert luma.shape == (100, 120)
        return
    wide, high = size if rotation in (0, 180) else size[::-1]
    scale = min(120 / wide, 100 / high)
    assert abs(luma.shape[0] - high * scale) <= 2
    assert abs(luma.shape[1] - wide * scale) <= 2


def test_a_framed_picture_has_black_borders_and_the_region_s_size():
    luma, u, _ = Scaler().scale(picture(320, 180), Rect(0, 0, 100, 100), Fit.FRAMED)
    assert luma.shape == (100, 100)
    assert (luma[:20] == 16).all()
    assert (luma[-20:] == 16).all()
    assert (u[:10] == 128).all()
    assert abs(int(luma[30, 20]) - DARK) <= 3


def test_full_range_pictures_are_brought_to_studio_range():
    frame = picture(64, 64)
    frame.color_range = 2
    luma, *_ = Scaler().scale(frame, Rect(0, 0, 32, 32), Fit.FILL)
    assert abs(int(luma[4, 4]) - (16 + DARK * 219 / 255)) <= 2


def test_graphs_are_kept_and_shared_but_not_without_end(monkeypatch):
    built, build = [], scaler_module._build
    monkeypatch.setattr(scaler_module, "_build", lambda *key: built.append(key) or build(*key))
    scaler = Scaler()
    for _ in range(5):
        for size in ((64, 36), (32, 18)):
            scaler.scale(picture(*size), Rect(0, 0, 40, 40), Fit.FILL)
    assert len(built) == 2
    for width in range(2, 130, 2):
        scaler.scale(picture(64, 36), Rect(0, 0, width, 40), Fit.FILL)
    assert len(scaler._graphs) < 50
