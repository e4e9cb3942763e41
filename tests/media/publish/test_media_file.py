"""Media files are copied where they fit, transcoded where not, and go on for ever."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from media.judge.decode import luma
from media.publish.media_file import FileSource, UnreadableMedia
from media.publish.pattern import PatternPicture
from media.publish.read_pattern import beep_onsets, read_frame_number
from media.publish.tones import RATE, PatternSound, beep_hz
from media.tape.model import Kind

SECONDS = 2


def write(path, video, audio, *, reorder=0, gop=15):
    """The pattern as a file."""
    drawn, sound = PatternPicture("5", width=320, height=180, fps=15), PatternSound("5")
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=15)
        pictures.width, pictures.height, pictures.pix_fmt = 320, 180, "yuv420p"
        pictures.codec_context.gop_size = gop
        pictures.codec_context.max_b_frames = reorder
        if video == "libvpx":
            pictures.options = {"deadline": "realtime", "lag-in-frames": "0"}
        tones = container.add_stream(audio, rate=RATE, layout="mono")
        resampler = None
        for number in range(SECONDS * 15):
            frame = av.VideoFrame.from_ndarray(drawn.draw(number), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            container.mux(pictures.encode(frame))
            frame = av.AudioFrame.from_ndarray(
                sound.samples(number * 3200, 3200).reshape(1, -1), "s16", "mono"
            )
            frame.sample_rate, frame.pts = RATE, number * 3200
            resampler = resampler or AudioResampler(
                tones.codec_context.format.name, "mono", RATE, frame_size=960
            )
            for ready in resampler.resample(frame):
                container.mux(tones.encode(ready))
        container.mux(pictures.encode())
        container.mux(tones.encode())
    return path


def play(source, seconds):
    units = []
    while not units or units[-1].time_s < seconds:
        units += source.step(keyframe=False)
    source.close()
    return {kind: [unit for unit in units if unit.kind is kind] for kind in source.kinds}


def seen(codec, units):
    decoder = av.CodecContext.create(codec, "r")
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit.data))]
    return [read_frame_number(luma(frame))[1] for frame in frames]


CASES = [
    ("a.webm", "libvpx", "libopus", 0, "auto", "vp8", {Kind.VIDEO, Kind.AUDIO}),
    ("b.mkv", "libx264", "libopus", 0, "auto", "h264", {Kind.VIDEO, Kind.AUDIO}),
    ("c.mp4", "libx264", "aac", 0, "auto", "h264", {Kind.VIDEO}),
    ("d.mp4", "libx264", "aac", 2, "auto", "vp8", set()),
    ("e.mp4", "libx264", "aac", 2, "h264", "h264", set()),
    ("f.mp4", "libx264", "aac", 0, "vp8", "vp8", set()),
]


@pytest.mark.parametrize(("name", "video", "audio", "reorder", "asked", "sent", "copied"), CASES)
def test_a_file_goes_on_for_ever(tmp_path, name, video, audio, reorder, asked, sent, copied):
    path = write(tmp_path / name, video, audio, reorder=reorder)
    source = FileSource(path, video=asked, audio=True)
    assert source.video == sent
    assert source.copies == copied
    units = play(source, SECONDS * 3.5)
    numbers = seen(sent, units[Kind.VIDEO])
    assert numbers[: SECONDS * 45] == list(range(SECONDS * 15)) * 3
    times = [unit.time for unit in units[Kind.AUDIO]]
    steps = [b - a for a, b in pairwise(times)]
    assert set(steps) <= {960, 1920}
    assert steps.count(1920) <= 3
    assert all(b.time > a.time for a, b in pairwise(units[Kind.VIDEO]))
    keys = [unit.time_s for unit in units[Kind.VIDEO] if unit.keyframe]
    assert max(b - a for a, b in pairwise(keys)) < 1.2


@pytest.mark.parametrize("name", ["a.webm", "d.mp4"])
def test_picture_and_sound_stay_together_in_every_round(tmp_path, name):
    _, video, audio, reorder, _, sent, _ = next(case for case in CASES if case[0] == name)
    source = FileSource(
        write(tmp_path / name, video, audio, reorder=reorder), video="auto", audio=True
    )
    units = play(source, SECONDS * 3 + 0.5)
    decoder = av.CodecContext.create("libopus", "r")
    times, pieces = [], []
    for unit in units[Kind.AUDIO]:
        (frame,) = decoder.decode(av.Packet(unit.data))
        channels = len(frame.layout.channels)
        pieces.append(frame.to_ndarray().reshape(-1, channels)[:, 0])
        times.append(unit.time)
    sound = np.zeros(times[-1] - times[0] + 960, pieces[0].dtype)
    for time, piece in zip(times, pieces, strict=True):
        sound[time - times[0] :][: len(piece)] = piece
    beeps = [at + times[0] / RATE for at in beep_onsets(sound, RATE, beep_hz("5"))]
    numbers = seen(sent, units[Kind.VIDEO])
    flashes = [
        unit.time_s
        for unit, number in zip(units[Kind.VIDEO], numbers, strict=True)
        if number % 15 == 0
    ]
    for flash in flashes[1:6]:
        assert min(abs(flash - beep) for beep in beeps) < 0.025


def test_rare_key_frames_are_not_copied(tmp_path):
    path = write(tmp_path / "a.mkv", "libx264", "libopus", gop=1000)
    assert FileSource(path, video="auto", audio=True).copies == {Kind.VIDEO, Kind.AUDIO}
    assert FileSource(path, video="vp8", audio=True).copies == {Kind.AUDIO}
    assert FileSource(path, video=None, audio=True).kinds == {Kind.AUDIO}


def test_what_is_no_media_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("this is no film")
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(UnreadableMedia, match=name):
            FileSource(tmp_path / name, video="auto", audio=True)
