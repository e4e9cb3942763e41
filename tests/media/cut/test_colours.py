"""Colours in the mix, whatever colour space a publisher's encoder chose."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace

from media.cut.composite import cut_composite
from media.cut.layouts import Fit, Rect
from media.cut.look import Look
from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.cut.scaler import Scaler
from media.publish.open_encoder import open_encoder
from media.tape.model import NS, Frame, Source
from tests.elsewhere import elsewhere
from tests.media.cut.look import shots
from tests.media.cut.scene import _ENCODERS, AV1, H264, ORIGIN_NS, VP9, presence, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart

SIZE = (320, 176)
# White, yellow, cyan, green, magenta, red, blue, black at three quarters of full scale.
BARS = [(r, g, b) for g in (191, 0) for r, b in ((191, 191), (191, 0), (0, 191), (0, 0))]
LUMA = {
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.SMPTE240M: (0.212, 0.087),
    Colorspace.BT2020: (0.2627, 0.0593),
}


def coded(rgb, space):
    """Studio range Y, U, V of a colour."""
    red, green, blue = np.array(rgb) / 255
    kr, kb = LUMA[space]
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    return 16 + 219 * y, 128 + 224 * u, 128 + 224 * v


def bars(space):
    width, height = SIZE
    frame = np.empty((height * 3 // 2, width), np.uint8)
    chroma = frame[height:].reshape(2, height // 2, width // 2)
    wide = width // len(BARS)
    for i, rgb in enumerate(BARS):
        y, u, v = (round(value) for value in coded(rgb, space))
        frame[:height, i * wide : (i + 1) * wide] = y
        half = slice(i * wide // 2, (i + 1) * wide // 2)
        chroma[0, :, half], chroma[1, :, half] = u, v
    picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
    picture.colorspace = space
    return picture


def filmed(camera, space, seconds):
    codec = camera.codecs[0]
    name, options = _ENCODERS[codec]
    encoder = VideoCodecContext.create(name, "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = 2_000_000, 30, 1
    encoder.colorspace = space
    encoder.options = options
    open_encoder(encoder)
    frames = []
    for n in range(seconds * 15):
        picture = bars(space)
        picture.pts = n
        for packet in encoder.encode(picture):
            size = SIZE if packet.is_keyframe else (0, 0)
            at_ns = n * NS // 15
            place = ORIGIN_NS + at_ns, 1000 + n * 6000
            frames.append(
                Frame(camera, codec, *place, bytes(packet), packet.is_keyframe, True, *size)
            )
    return frames


def measured(y, u, v):
    """The mean colour in the middle of each bar."""
    high, wide = y.shape
    found = []
    for i in range(len(BARS)):
        rows = slice(high // 4, high * 3 // 4)
        columns = slice(round((i + 0.25) * wide / 8), round((i + 0.75) * wide / 8))
        half = slice(columns.start // 2, columns.stop // 2)
        low = slice(rows.start // 2, rows.stop // 2)
        found.append([y[rows, columns].mean(), u[low, half].mean(), v[low, half].mean()])
    return np.array(found)


WANTED = np.array([coded(rgb, Colorspace.ITU601) for rgb in BARS])


@pytest.fixture(scope="module", params=[H264, VP9, AV1], ids=lambda codec: codec.name)
def tapes(request, tmp_path_factory):
    camera = track("1", Source.CAMERA, request.param)
    film = elsewhere if request.param == AV1 else lambda do, *how: do(*how)
    return {
        space: on_tape(
            tmp_path_factory.mktemp("tape"),
            [film(filmed, camera, space, 3)],
            presence(camera, ORIGIN_NS),
        )
        for space in (Colorspace.ITU601, Colorspace.ITU709)
    }


@pytest.mark.parametrize("size", [SIZE, (160, 88), (640, 352)])
def test_a_mix_shows_the_same_colours_whatever_space_they_came_in(tapes, tmp_path, size):
    spec = CompositeSpec(*size, bitrate=2000, look=Look(1), audio=False)
    part = Slice(0, ORIGIN_NS, ORIGIN_NS + 2 * NS)
    for space, tape in tapes.items():
        out = tmp_path / str(int(space))
        cut = cut_composite(tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out)
        shot = shots(cut.segments[0].path)[20]
        assert np.abs(measured(shot.y, shot.u, shot.v) - WANTED).max() < 4, space


def test_screenshots_have_the_same_colours_too(tapes, tmp_path):
    spec = IndividualSpec(files=False, snapshot_s=60)
    for space, tape in tapes.items():
        (one,) = cut_apart(tape, tmp_path / str(int(space)), 2, spec)
        with av.open(str(one.path)) as file:
            (picture,) = file.decode(video=0)
        rgb = picture.to_ndarray(format="rgb24")
        middles = [rgb[60:120, i * 40 + 10 : i * 40 + 30].mean(axis=(0, 1)) for i in range(8)]
        assert np.abs(np.array(middles) - BARS).max() < 8, space


@pytest.mark.parametrize("space", LUMA)
@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("size", [SIZE, (160, 88)])
@pytest.mark.parametrize("fit", list(Fit))
def test_every_fit_and_turn_brings_them_to_the_canvas_space(space, rotation, size, fit):
    rect = Rect(0, 0, *(size[::-1] if rotation else size))
    y, u, v = Scaler().scale(bars(space), rect, fit, rotation)
    if rotation:
        y, u, v = (np.rot90(plane) for plane in (y, u, v))
    assert np.abs(measured(y, u, v) - WANTED).max() < 3


@pytest.mark.parametrize("space", [2, 3, 8, 17, 200])  # unspecified, reserved, unheard of
@pytest.mark.parametrize("size", [SIZE, (160, 88)])
def test_who_says_nothing_of_use_has_the_canvas_space(space, size):
    picture = bars(Colorspace.ITU601)
    picture.colorspace = space
    planes = Scaler().scale(picture, Rect(0, 0, *size), Fit.FILL)
    assert np.abs(measured(*planes) - WANTED).max() < 2
    assert int(picture.colorspace) == space
