"""Every codec through every kind of cut."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from media.cut import sound_packet
from media.cut.composite import cut_composite
from media.cut.individual import cut_individual
from media.cut.look import Look
from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.cut.sound import render
from media.rtp.codec import Codec
from media.tape.model import NS, Source
from media.tape.reader import Tape
from tests.media.cut.look import assert_plays, concatenated, like, packets, shots, sound
from tests.media.cut.scene import (
    AV1,
    G722,
    H264,
    OPUS,
    ORIGIN_NS,
    PCMA,
    PCMU,
    RED,
    VP8,
    VP9,
    moved,
    pictures,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape

SIZE = (160, 120)
DEFAULT, ORIGINAL = IndividualSpec(), IndividualSpec("original")
TELEPHONE = [PCMU, PCMA, G722]


def _apart(tape, out, end_s, spec=DEFAULT):
    part = Slice(0, ORIGIN_NS, ORIGIN_NS + int(end_s * NS))
    made = cut_individual(
        tape, spec, origin_ns=ORIGIN_NS, slice=part, cursor={}, final=True, out_dir=out
    )
    return made.segments


def _mixed(tape, out, begin_s, end_s, spec=None, number=0):
    part = Slice(number, ORIGIN_NS + int(begin_s * NS), ORIGIN_NS + int(end_s * NS))
    spec = spec or CompositeSpec(*SIZE, fps=15, look=Look(1))
    return cut_composite(tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out).segments[0].path


# --- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [VP9, AV1])
def test_pictures_are_copied_into_webm_that_plays(tmp_path, codec):
    camera = track("1", Source.CAMERA, codec)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS + NS // 4, seconds=20, size=SIZE, gop_s=4)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = _apart(tape, tmp_path / "o", 20.5)
    assert [round(one.duration_s, 2) for one in segments] == [16, 4]
    assert {(one.container, one.codec, one.width) for one in segments} == {
        ("webm", codec.key, SIZE[0])
    }
    for one in segments:
        assert_plays(one.path)
        with av.open(str(one.path)) as file:
            stream = file.streams.video[0]
            assert (stream.width, stream.height) == SIZE
            if codec == AV1:  # av1C: marker and version, then the sequence header
                extradata = stream.codec_context.extradata
                assert extradata[:1] == b"\x81"
                assert extradata[4:] in _stored(frames[0])
    seen = [shot for one in segments for shot in shots(one.path)]
    assert [shot.number(0, 0, *SIZE, SIZE) for shot in seen] == list(range(300))
    stored = [data for one in segments for _, data in packets(one.path)]
    assert stored == [_stored(frame) for frame in frames]
    again = _apart(Tape(tape.directory), tmp_path / "p", 20.5)
    assert [one.path.read_bytes() for one in again] == [one.path.read_bytes() for one in segments]


def _stored(frame):
    """Without the AV1 temporal delimiter, which neither RTP nor WebM carries."""
    return frame.data.removeprefix(b"\x12\x00") if frame.codec == AV1 else frame.data


@pytest.mark.parametrize("codec", [VP8, VP9, H264, AV1])
def test_pictures_of_every_codec_are_mixed(tmp_path, codec):
    camera = track("1", Source.CAMERA, codec)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=6, size=SIZE)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    path = _mixed(tape, tmp_path, 2, 6, CompositeSpec(*SIZE, fps=15, look=Look(1)))
    assert_plays(path)
    seen = shots(path)
    numbers = [shot.number(0, 0, *SIZE, SIZE) for shot in seen]
    assert numbers == list(range(30, 90))
    assert all(like(shot.colour(0.1, 0.1), RED) for shot in seen)


def test_a_codec_change_on_one_line_begins_a_new_segment_and_damages_nothing(tmp_path):
    """VP8, then H.264, then AV1 under new payload types of one RTP stream."""
    codecs = (VP8, H264, AV1)
    camera = track("1", Source.CAMERA, VP8)
    camera = replace(camera, codecs=codecs)
    frames = []
    for i, codec in enumerate(codecs):
        alone = track("1", Source.CAMERA, codec)
        made = pictures(alone, RED, start_ns=ORIGIN_NS + i * 3 * NS, seconds=3, size=SIZE)
        ticks = i * 3 * 90_000
        frames += [moved([f], track=camera, rtp_time=f.rtp_time + ticks)[0] for f in made]
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    segments = _apart(tape, tmp_path / "o", 9)
    assert [(s.codec, s.container, s.discontinuity, s.resumed) for s in segments] == [
        ("vp8", "webm", True, True),
        ("h264", "ts", True, False),
        ("av1", "webm", True, False),
    ]
    assert [round(s.duration_s, 2) for s in segments] == [3, 3, 3]
    for one in segments:
        assert_plays(one.path)
        assert [shot.number(0, 0, *SIZE, SIZE) for shot in shots(one.path)] == list(range(45))
    path = _mixed(tape, tmp_path, 0, 9)
    numbers = [shot.number(0, 0, *SIZE, SIZE) for shot in shots(path)]
    assert numbers == 3 * list(range(45))


CAPTURED = Path(__file__).parents[1] / "tape" / "captured"


@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURED.iterdir() if path.is_dir()))
def test_what_chromium_sent_plays_whole_and_mixed(tmp_path, name):
    tape = Tape(CAPTURED / name)
    (part,) = tape.manifests()
    whole = Slice(0, part.from_ns, part.until_ns)
    segments = cut_individual(
        tape, DEFAULT, origin_ns=part.from_ns, slice=whole, cursor={}, final=True, out_dir=tmp_path
    ).segments
    spec = CompositeSpec(640, 360, fps=15, look=Look(1), audio=False)
    mix = cut_composite(tape, spec, origin_ns=part.from_ns, slice=whole, out_dir=tmp_path)
    for one in (*segments, *mix.segments):
        _decodes(one.path)
    head = segments[-1].path.read_bytes()[:1000]
    if segments[-1].container == "webm":  # PixelWidth and PixelHeight
        for name_, pixels in ((b"\xb0", segments[-1].width), (b"\xba", segments[-1].height)):
            assert name_ + b"\x82" + pixels.to_bytes(2, "big") in head
    green = [bool(shot.u.mean() < 124) for shot in shots(mix.segments[0].path)]
    assert green[-1]
    assert green == sorted(green)  # black until the first key frame only


def _decodes(path):
    """Without an error.  Layers of a picture have the same time; in WAV the layout is guessed."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    command = [ffmpeg, "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    harmless = "non monoton|Last message repeated"
    errors = [line for line in run.stderr.splitlines() if not re.search(harmless, line)]
    assert (run.returncode, errors) == (0, [])


# --- sound -------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", TELEPHONE)
@pytest.mark.parametrize("ms", [10, 20, 60])
def test_telephone_sound_is_transcoded_in_tune_and_in_time(tmp_path, codec, ms):
    mic = track("1", Source.MICROPHONE, codec)
    frames = telephone_tone(mic, 500, start_ns=ORIGIN_NS + NS, seconds=18, ms=ms)
    tape = on_tape(tmp_path / "t", [frames], presence(mic, ORIGIN_NS))
    segments = _apart(tape, tmp_path / "o", 20)
    assert {one.codec for one in segments} == {"aac"}
    for one in segments:
        assert_plays(one.path)
    joined = concatenated([one.path for one in segments], tmp_path / "joined.ts")
    heard = sound(joined)
    assert heard.level(500, 1.2, 18.8) == pytest.approx(0.25, abs=0.01)
    assert _begins(heard) == pytest.approx(1.0, abs=0.004)


@pytest.mark.parametrize("codec", TELEPHONE)
def test_telephone_sound_is_raised_to_48_khz_without_a_trace_of_its_own_rate(codec):
    mic = track("1", Source.MICROPHONE, codec)
    frames = telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=4)
    pcm = render([frames], ORIGIN_NS, first=48_000, count=96_000, channels=2)
    assert np.array_equal(pcm[0], pcm[1])
    _assert_pure(pcm[0], 500)


def _begins(heard):
    loud = np.abs(heard.pcm[0]) > 0.05
    return heard.start_s + int(np.argmax(loud)) / 48_000


def _assert_pure(part, hz):
    """Nothing but the tone; 40 dB is what G.711 can do."""
    at = np.arange(len(part)) / 48_000
    base = np.stack([np.sin(2 * np.pi * hz * at), np.cos(2 * np.pi * hz * at)])
    factors = part @ base.T * 2 / len(part)
    rest = part - factors @ base
    assert np.std(rest) < 0.01 * np.std(part)


@pytest.mark.parametrize("codec", TELEPHONE)
def test_telephone_sound_is_mixed_and_joins_over_slices(tmp_path, codec):
    mic, other = track("1", Source.MICROPHONE, codec), track("2", Source.MICROPHONE, OPUS)
    tape = on_tape(
        tmp_path / "t",
        [
            telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=10),
            tone(other, 900, start_ns=ORIGIN_NS, seconds=10),
        ],
        [*presence(mic, ORIGIN_NS), *presence(other, ORIGIN_NS)],
    )
    spec = CompositeSpec(video=False, audio_profile=1)
    paths = [_mixed(tape, tmp_path, 5 * i, 5 * i + 5, spec, i) for i in range(2)]
    heard = sound(concatenated(paths, tmp_path / "joined.ts"))
    for hz in (500, 900):
        assert heard.level(hz, 1, 9) == pytest.approx(0.25, abs=0.01)
    steps = np.abs(np.diff(heard.part(4.9, 5.1)))
    assert steps.max() < 1.2 * np.abs(np.diff(heard.part(1, 4))).max()


@pytest.mark.parametrize("codec", TELEPHONE)
def test_the_original_is_the_publishers_own_bytes_with_its_holes(tmp_path, codec):
    mic = track("1", Source.MICROPHONE, codec)
    frames = telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=20)
    kept = [f for f in frames if not 4 * NS <= f.time_ns - ORIGIN_NS < 5 * NS]
    tape = on_tape(tmp_path / "t", [kept], presence(mic, ORIGIN_NS))
    segments = _apart(tape, tmp_path / "o", 20, ORIGINAL)
    assert [(s.container, s.codec, round(s.duration_s, 2)) for s in segments] == [
        ("wav", codec.key, 15.0),
        ("wav", codec.key, 5.0),
    ]
    stored = b""
    for one in segments:
        _decodes(one.path)
        with av.open(str(one.path)) as file:
            data = b"".join(bytes(packet) for packet in file.demux() if packet.size)
        assert len(data) == pytest.approx(one.duration_s * 8000, abs=2)
        stored += data
    first, second = (
        b"".join(f.data for f in kept if (f.time_ns - ORIGIN_NS < 4 * NS) == early)
        for early in (True, False)
    )
    assert stored[:32_000] == first
    assert len(set(stored[32_000:40_000])) == 1
    assert stored[40_000:] == second
    with av.open(str(segments[0].path)) as file:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    rate = len(heard) // 15
    assert np.abs(heard[int(4.1 * rate) : int(4.9 * rate)]).max() < 100
    assert np.abs(heard[int(5.1 * rate) :]).max() > 7000
    again = _apart(Tape(tape.directory), tmp_path / "p", 20, ORIGINAL)
    assert [a.path.read_bytes() for a in again] == [b.path.read_bytes() for b in segments]


def test_comfort_noise_is_silence_and_telephone_events_are_not_heard(tmp_path):
    """RFC 3389 and RFC 4733, between two stretches of speech."""
    noise, digits = (
        replace(PCMU, name="CN", payload_type=13),
        replace(PCMU, name="telephone-event", payload_type=101),
    )
    mic = replace(track("1", Source.MICROPHONE, PCMU), codecs=(PCMU, noise, digits))
    frames = moved(telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=6), track=mic)
    for i in range(100, 180):  # from 2 s to 3.6 s
        codec, data = (noise, b"\x30") if i % 10 else (digits, b"\x05\x0a\x00\xa0")
        frames[i] = moved([frames[i]], codec=codec, data=data)[0]
    tape = on_tape(tmp_path / "t", [frames], presence(mic, ORIGIN_NS))
    (one,) = _apart(tape, tmp_path / "o", 6)
    heard = sound(one.path)
    assert heard.level(500, 0.2, 1.9) == pytest.approx(0.25, abs=0.01)
    assert np.abs(heard.part(2.1, 3.5)).max() < 0.005
    assert heard.level(500, 3.7, 5.8) == pytest.approx(0.25, abs=0.01)


def test_one_track_may_change_from_one_telephone_codec_to_another(tmp_path):
    mic = replace(track("1", Source.MICROPHONE, PCMU), codecs=(PCMU, G722))
    first = telephone_tone(mic, 500, start_ns=ORIGIN_NS, seconds=4)
    alone = track("1", Source.MICROPHONE, G722)
    second = telephone_tone(alone, 500, start_ns=ORIGIN_NS + 4 * NS, seconds=4)
    second = [moved([f], track=mic, rtp_time=f.rtp_time + 32_000)[0] for f in second]
    tape = on_tape(tmp_path / "t", [[*first, *second]], presence(mic, ORIGIN_NS))
    copied = _apart(tape, tmp_path / "o", 8, ORIGINAL)
    assert [(s.codec, round(s.duration_s, 2), s.discontinuity) for s in copied] == [
        ("pcmu", 4.0, True),
        ("g722", 4.0, True),
    ]
    for one in copied:
        _decodes(one.path)
    (one,) = _apart(tape, tmp_path / "p", 8)
    assert sound(one.path).level(500, 0.2, 3.9) == pytest.approx(0.25, abs=0.01)
    assert sound(one.path).level(500, 4.1, 7.8) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    "codec",
    [
        Codec("PCMU", 0, 8000, 6),
        Codec("PCMA", 8, 8000, 0),
        Codec("PCMU", 0, 44_100),
        Codec("G722", 9, 8000, 2),
    ],
)
def test_telephone_sound_of_a_kind_that_does_not_exist_is_left_out(codec):
    known = tone(track("1", Source.MICROPHONE, PCMU), 440, start_ns=0, seconds=0.1)[0]
    assert sound_packet.samples(known) == 960
    assert sound_packet.samples(known._replace(codec=codec)) == 0
