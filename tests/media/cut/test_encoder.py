"""Which encoder mixes, and what happens when one is not there or gives up."""

import itertools

import av
import numpy as np
import pytest
from pydantic import ValidationError

from media.cut import h264
from media.cut.composite import cut_composite
from media.cut.encoder import SOFTWARE, Encoder
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.tape.model import NS, Source
from tests.e2e.strict import decodes
from tests.media.cut.look import concatenated, shots
from tests.media.cut.scene import (
    OPUS,
    ORIGIN_NS,
    RED,
    VP8,
    pictures,
    presence,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape
from tests.media.mux.ts_packets import parameter_sets
from workers.settings import Settings

NVENC = Encoder("h264_nvenc")
SPEC = CompositeSpec(320, 180, 15, 300, look=Look(layout=1))
CAM, MIC = track("1", Source.CAMERA, VP8), track("1", Source.MICROPHONE, OPUS)


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    monkeypatch.setattr(h264, "_known", {})


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    tracks = [
        pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=6),
        tone(MIC, 500, start_ns=ORIGIN_NS, seconds=6),
    ]
    events = [*presence(CAM, ORIGIN_NS), *presence(MIC, ORIGIN_NS + 2)]
    return on_tape(tmp_path_factory.mktemp("tape"), tracks, events)


def _cut(tape, out, number=0, **how):
    start_ns = ORIGIN_NS + number * 2 * NS
    part = Slice(number, start_ns, start_ns + 2 * NS)
    made = cut_composite(tape, SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out, **how)
    return made.segments[0].path


def test_where_the_hardware_is_missing_software_mixes(tape, tmp_path):
    wanted = _cut(tape, tmp_path / "a").read_bytes()
    # A host of the farm may have the hardware; then this is the test that it works.
    working = h264.working(NVENC)
    made = _cut(tape, tmp_path / "b", encoder=NVENC)
    assert working == NVENC or made.read_bytes() == wanted
    assert len(shots(made)) == 30


def test_an_encoder_is_tried_once(tape, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(h264, "_works", lambda encoder: tried.append(encoder) or False)
    for number in range(3):
        _cut(tape, tmp_path, number, encoder=NVENC)
    assert tried == [NVENC]


class _Failing:
    """An encoder that works for the probe and gives up in the middle of a slice."""

    def __init__(self, context, pictures):
        self._context, self._left = context, pictures

    def __getattr__(self, name):
        return getattr(self._context, name)

    def encode(self, frame):
        self._left -= 1
        if self._left < 0:
            raise av.error.ExternalError(542398533, "the device is lost")
        return self._context.encode(frame)


def test_an_encoder_that_gives_up_leaves_a_whole_slice_made_in_software(
    tape, tmp_path, monkeypatch
):
    wanted = _cut(tape, tmp_path / "a").read_bytes()
    open_context = h264._context

    def context(encoder, *size):
        if encoder == SOFTWARE:
            return open_context(encoder, *size)
        return _Failing(open_context(SOFTWARE, *size), 20)

    monkeypatch.setattr(h264, "_context", context)
    made = _cut(tape, tmp_path / "b", encoder=NVENC)
    assert made.read_bytes() == wanted
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert h264.working(NVENC) == SOFTWARE


def test_software_that_fails_is_an_error_and_leaves_nothing(tape, tmp_path, monkeypatch):
    open_context = h264._context
    monkeypatch.setattr(h264, "_context", lambda *how: _Failing(open_context(*how), 20))
    with pytest.raises(h264.EncoderFailed, match="libx264"):
        _cut(tape, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_slices_of_two_encoders_follow_each_other(tape, tmp_path, need):
    """As after a failure of hardware: other parameter sets, the same stream."""
    other = Encoder(preset="ultrafast")
    paths = [_cut(tape, tmp_path, n, encoder=(SOFTWARE, other)[n % 2]) for n in range(3)]
    joined = concatenated(paths, tmp_path / "joined.ts")
    assert len(parameter_sets(joined.read_bytes())) == 4
    decodes(need("ffmpeg"), joined.read_bytes())
    numbers = [shot.number(0, 0, 320, 180, (320, 180)) for shot in shots(joined)]
    assert numbers == list(range(90))


def test_a_slice_begins_with_a_key_frame_with_its_parameter_sets_and_has_one_each_5_s():
    made = list(h264.encode(_noise(150), width=320, height=180, fps=15, bitrate=300))
    assert [picture.tick for picture in made] == list(range(700, 850))
    keys = [picture for picture in made if picture.keyframe]
    assert [picture.tick for picture in keys] == [700, 775]
    for picture in keys:
        kinds = [unit[0] & 0x1F for unit in picture.data.split(b"\x00\x00\x01")[1:]]
        assert kinds[:2] == [7, 8]
        assert set(kinds[2:]) <= {5, 6}


def test_pictures_after_a_seam_are_as_good_as_others():
    """Rate control begins anew in each slice; nobody must see it."""
    pictures = [frame for _, frame in _noise(450)]
    once = _quality(pictures, [(0, 450)])
    apart = _quality(pictures, [(0, 225), (225, 450)])
    begin, rest = slice(225, 240), slice(300, 450)
    print(
        f"first second after a seam {apart[begin].mean():.1f} dB, later {apart[rest].mean():.1f}; "
        f"in one go {once[begin].mean():.1f} and {once[rest].mean():.1f}"
    )
    assert apart[begin].mean() >= apart[rest].mean() - 2.5
    assert apart[begin].mean() >= once[begin].mean() - 2.5


@pytest.mark.parametrize("bitrate", [300, 500, 1000])
def test_slices_keep_to_the_bitrate(bitrate):
    """Of pictures that can make use of it."""
    sizes = [
        len(picture.data)
        for picture in h264.encode(_noise(225), width=320, height=180, fps=15, bitrate=bitrate)
    ]
    kbits = sum(sizes) * 8 / 15 / 1000
    print(f"{kbits:.0f} of {bitrate} kbit/s, first picture {sizes[0] / 1000:.1f} kB")
    assert abs(kbits - bitrate) <= 0.1 * bitrate
    # Nor does a decoder's buffer of a second and a half at the highest rate run dry.
    left = room = 0.9 * bitrate * 1500
    for size in sizes:
        left = min(room, left + bitrate * 1500 / 15) - size * 8
        assert left > 0


def _noise(count):
    """Pictures that move, with the grain of a camera."""
    dice = np.random.default_rng(2)
    texture = np.cumsum(np.cumsum(dice.standard_normal((600, 800)), axis=0), axis=1)
    texture -= np.add.outer(texture.mean(axis=1), texture.mean(axis=0)) - texture.mean()
    texture = 128 + 45 * (texture / texture.std()) + 14 * dice.standard_normal((600, 800))
    for n in range(count):
        memory = np.full((270, 320), 128, np.uint8)
        memory[:180] = texture[200:380, 200:520].clip(16, 235)
        y, x = int(100 + 60 * np.sin(n / 20)), int(100 + 60 * np.cos(n / 27))
        memory[40:140, 80:240] = texture[y : y + 100, x : x + 160].clip(16, 235)
        grain = dice.integers(-2, 3, (180, 320))
        memory[:180] = (memory[:180] + grain).clip(0, 255)
        yield 700 + n, av.VideoFrame.from_ndarray(memory, format="yuv420p")


def _quality(pictures, parts):
    """PSNR of each picture, encoded in these parts."""
    decoder = av.CodecContext.create("h264", "r")
    size = {"width": 320, "height": 180, "fps": 15, "bitrate": 300}
    shown = []
    for first, last in parts:
        ticks = zip(itertools.count(first), pictures[first:last], strict=False)
        for picture in h264.encode(ticks, **size):
            shown += decoder.decode(av.Packet(picture.data))
    shown += decoder.decode(None)
    assert len(shown) == len(pictures)
    pairs = zip(pictures, shown, strict=True)
    errors = [np.mean((_luma(one) - _luma(other)) ** 2) for one, other in pairs]
    return 10 * np.log10(255**2 / np.array(errors))


def _luma(frame):
    return frame.to_ndarray(format="yuv420p")[: frame.height].astype(np.float64)


def test_settings_name_the_encoder_and_its_preset():
    key = {"farm_key": "k" * 16}
    assert Settings(**key).encoder() == SOFTWARE
    chosen = Settings(**key, mix_encoder="h264_nvenc", mix_preset="p6").encoder()
    assert (chosen.codec, chosen.speed) == ("h264_nvenc", "p6")
    for wrong in ({"mix_encoder": "mpeg2video"}, {"mix_preset": "p4"}):
        with pytest.raises(ValidationError):
            Settings(**key, **wrong)
    with pytest.raises(ValueError, match="none of the encoders"):
        Encoder("mpeg2video")
