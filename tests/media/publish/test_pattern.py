"""The pattern is read back through real encoders, scaling, cropping and low bitrates."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.judge.decode import luma
from media.publish import frame_code
from media.publish.encoders import OPUS_SAMPLES, OpusEncoder, VideoEncoder
from media.publish.frame_code import uid_code
from media.publish.pattern import PatternPicture
from media.publish.read_pattern import (
    beep_onsets,
    flash_onsets,
    is_flash,
    read_frame_number,
    tone_level,
    tone_presence,
)
from media.publish.tones import RATE, PatternSound, beep_hz, tone_hz

DECODERS = {"vp8": "vp8", "vp9": "vp9", "h264": "h264"}
NUMBERS = range(25, 65)  # with two flashes, none at the beginning


def pictures(codec, *, uid="1001", width=640, height=360, fps=15, bitrate=150_000):
    """The pattern after a real encoder and a real decoder."""
    drawn = PatternPicture(uid, width=width, height=height, fps=fps)
    encoder = VideoEncoder(
        codec, width=width, height=height, fps=fps, bitrate=bitrate, keyframe_s=10
    )
    decoder = av.CodecContext.create(DECODERS[codec], "r")
    for number in NUMBERS:
        data, _ = encoder.encode(drawn.draw(number), number * 6000, force_key=False)
        for frame in decoder.decode(av.Packet(data)):
            yield number, frame


def crop_to_fill(picture, width, height):
    """Scale so that a region is filled and cut off what hangs over, as layouts do."""
    scale = max(width / picture.width, height / picture.height)
    wide, high = round(picture.width * scale / 2) * 2, round(picture.height * scale / 2) * 2
    gray = luma(picture.reformat(width=max(wide, width), height=max(high, height)))
    x, y = (gray.shape[1] - width) // 2, (gray.shape[0] - height) // 2
    return gray[y : y + height, x : x + width]


def once_more(regions, *, bitrate, fps=15):
    """The regions after a second encoder, as a composite's canvas is."""
    height, width = regions[0].shape
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.bit_rate = Fraction(1, fps), bitrate
    encoder.options = {"preset": "veryfast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    for region in regions:
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = region
        for packet in encoder.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")):
            for frame in decoder.decode(packet):
                yield luma(frame)


@given(uid=st.integers(0, 255), number=st.integers(0, 65535))
def test_a_code_comes_back(uid, number):
    assert frame_code.decode(frame_code.cells(uid, number)) == (uid, number)


@given(uid=st.integers(0, 255), number=st.integers(0, 65535), wrong=st.integers(0, 35))
def test_a_wrong_cell_is_noticed(uid, number, wrong):
    cells = list(frame_code.cells(uid, number))
    cells[wrong] = not cells[wrong]
    assert frame_code.decode(tuple(cells)) is None


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264"])
def test_every_frame_is_read_after_encoding(codec):
    read = [(number, read_frame_number(luma(frame))) for number, frame in pictures(codec)]
    assert read == [(number, (uid_code("1001"), number)) for number in NUMBERS]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize(
    ("width", "height", "bitrate"),
    [
        (180, 640, 250_000),  # two publishers on a canvas of 360x640 at 500 kbit/s
        (120, 213, 55_000),  # nine
        (360, 320, 250_000),
        (120, 120, 40_000),
        (90, 160, 30_000),
        (360, 180, 120_000),  # wider than the picture: cut at top and bottom
    ],
)
def test_regions_of_a_composite_are_read(codec, width, height, bitrate):
    width, height = width // 2 * 2, height // 2 * 2
    regions = [crop_to_fill(frame, width, height) for _, frame in pictures(codec)]
    seen = list(once_more(regions, bitrate=bitrate))
    assert [read_frame_number(gray) for gray in seen] == [
        (uid_code("1001"), number) for number in NUMBERS
    ]
    drawn = PatternPicture("1001", width=640, height=360, fps=15)
    assert [is_flash(gray) for gray in seen] == [drawn.is_flash(number) for number in NUMBERS]


def test_a_picture_between_bars_is_read():
    for number, frame in pictures("vp8"):
        region = np.full((640, 360), 16, np.uint8)
        region[219:421] = luma(frame.reformat(width=360, height=202))
        assert read_frame_number(region) == (uid_code("1001"), number)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (320, 180), (360, 640), (640, 480)])
def test_other_sizes_are_read_whole_and_cut(width, height):
    for number, frame in pictures("vp8", width=width, height=height, bitrate=300_000):
        assert read_frame_number(luma(frame)) == (uid_code("1001"), number)
        assert read_frame_number(crop_to_fill(frame, 180, 320)) == (uid_code("1001"), number)


def test_nothing_is_read_where_there_is_no_pattern():
    noise = np.random.default_rng(1)
    assert read_frame_number(np.zeros((640, 180), np.uint8)) is None
    for _ in range(50):
        assert read_frame_number(noise.integers(0, 256, (320, 180), np.uint8)) is None
    assert not is_flash(np.full((640, 180), 255, np.uint8))


def test_flashes_begin_with_each_second():
    drawn = PatternPicture("7", width=640, height=360, fps=15)
    frames = [(n / 15, is_flash(drawn.draw(n)[:360])) for n in range(7, 50)]
    assert flash_onsets(frames) == [1.0, 2.0, 3.0]


def through_opus(uid, seconds):
    sound, encoder = PatternSound(uid), OpusEncoder()
    decoder = av.CodecContext.create("libopus", "r")
    pieces = []
    for first in range(0, seconds * RATE, OPUS_SAMPLES):
        data = encoder.encode(sound.samples(first + encoder.delay, OPUS_SAMPLES), first)
        pieces += [
            frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            for frame in decoder.decode(av.Packet(data))
        ]
    return np.concatenate(pieces)


def test_beeps_are_heard_with_each_second_after_opus():
    onsets = beep_onsets(through_opus("1001", 4), RATE, beep_hz("1001"))
    assert onsets == pytest.approx([1.0, 2.0, 3.0], abs=0.003)


def test_the_own_tone_never_stops_and_the_neighbours_is_not_heard():
    heard = through_opus("1001", 2)
    assert all(tone_presence(heard, RATE, tone_hz("1001"))[1:])
    assert not any(tone_presence(heard, RATE, tone_hz("1002")))
    assert tone_level(heard, RATE, tone_hz("1001")) == pytest.approx(0.1, rel=0.2)


def test_two_publishers_can_be_told_apart_in_one_mix():
    late = RATE * 3 // 10
    mix = PatternSound("1").samples(RATE // 2, 3 * RATE).astype(np.float64) / 32768
    mix += PatternSound("2").samples(RATE // 2 + late, 3 * RATE) / 32768
    assert beep_onsets(mix, RATE, beep_hz("1")) == pytest.approx([0.5, 1.5, 2.5], abs=0.003)
    assert beep_onsets(mix, RATE, beep_hz("2")) == pytest.approx([0.2, 1.2, 2.2], abs=0.003)


def test_neighbouring_tones_are_far_apart():
    tones = [tone_hz(str(uid)) for uid in range(100, 117)]
    assert all(abs(a - b) >= 40 for a, b in pairwise(tones))
    assert min(tones) >= 300
    assert max(tones) <= 900
