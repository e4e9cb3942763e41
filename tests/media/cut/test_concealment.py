"""What is heard where packets are missing."""

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from media.cut import opus
from media.cut.sound import render
from media.tape.model import NS, Frame, Source
from tests.media.cut.scene import (
    G722,
    OPUS,
    ORIGIN_NS,
    PCMA,
    PCMU,
    moved,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape

MIC = track("1", Source.MICROPHONE, OPUS)
RATE = opus.RATE
PACKET = 960


def _voice(seconds):
    """A voice with a gliding pitch that comes and goes."""
    at = np.arange(int(seconds * RATE)) / RATE
    pitch = np.cumsum(120 + 25 * np.sin(2 * np.pi * 0.7 * at)) / RATE
    wave = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 20))
    return 0.2 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * at))


def _packets(wave, *, application="voip", bitrate=24_000, repeats=True, channels=1):
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.format = RATE, "s16"
    encoder.layout = "stereo" if channels == 2 else "mono"
    encoder.bit_rate = bitrate
    fec = {"fec": "1", "packet_loss": "20"} if repeats else {}
    encoder.options = {"frame_duration": "20", "application": application} | fec
    data = (np.asarray(wave).reshape(channels, -1).T * 32767).astype(np.int16)
    frames = []
    for i in range(len(data) // PACKET):
        block = data[i * PACKET : (i + 1) * PACKET].reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(block, format="s16", layout=encoder.layout.name)
        sound.sample_rate, sound.pts = RATE, i * PACKET
        for packet in encoder.encode(sound):
            n = len(frames)
            place = ORIGIN_NS + n * PACKET * NS // RATE, 7000 + n * PACKET
            frames.append(Frame(MIC, OPUS, *place, bytes(packet), True, True))
    return frames


def _without(frames, first, count):
    """As a tape gives them: what follows a loss is not intact."""
    after = moved(frames[first + count : first + count + 1], intact=False)[0]
    return [*frames[:first], after, *frames[first + count + 1 :]]


def _heard(frames, seconds=4, channels=1):
    return render([frames], ORIGIN_NS, first=0, count=int(seconds * RATE), channels=channels)


def _rms(wave):
    return float(np.sqrt(np.mean(np.square(wave))))


def _lost(first, count):
    return slice(first * PACKET, (first + count) * PACKET)


def test_a_packet_says_whether_it_repeats_the_one_before_it():
    repeating = _packets(_voice(2))
    assert np.mean([opus.recoverable(frame.data) == PACKET for frame in repeating]) > 0.4
    assert not any(opus.recoverable(frame.data) for frame in _packets(_voice(2), repeats=False))
    celt = _packets(_voice(2), application="lowdelay", bitrate=64_000)
    assert not any(opus.recoverable(frame.data) for frame in celt)
    assert [opus.recoverable(data) for data in (b"", b"\x48", b"\x4b\x01\xff")] == [0, 0, 0]


def test_what_the_next_packet_repeats_is_heard_in_place_of_a_lost_one():
    frames = _packets(_voice(4))
    whole = _heard(frames)[0]
    for repeats, share in ((True, 0.3), (False, 2.0)):
        errors = [
            _rms(_heard(_without(frames, n, 1))[0][part] - whole[part]) / _rms(whole[part])
            for n in range(30, 170)
            if bool(opus.recoverable(frames[n + 1].data)) is repeats
            for part in [_lost(n, 1)]
        ][:15]
        print(f"repeated: {repeats}: error {np.mean(errors):.2f} of the sound itself")
        assert np.mean(errors) < share


@pytest.mark.parametrize("application", ["voip", "audio"])
@pytest.mark.parametrize(("count", "least"), [(1, 0.7), (3, 0.4)])
def test_a_short_loss_is_no_hole(application, count, least):
    frames = _packets(_voice(4), application=application, bitrate=64_000, repeats=False)
    whole = _heard(frames)[0]
    levels, kinks = [], []
    for n in range(30, 170, 17):
        heard = _heard(_without(frames, n, count))[0]
        part = _lost(n, count)
        levels.append(_rms(heard[part]) / _rms(whole[part]))
        around = slice(part.start - 480, part.stop + 480)
        kinks.append(np.abs(np.diff(heard[around], 2)).max() / np.abs(np.diff(whole, 2)).max())
    print(f"{count} lost: level {np.mean(levels):.2f}, kinks {max(kinks):.2f}")
    assert np.mean(levels) > least
    assert max(kinks) < 1.5


def test_a_long_loss_fades_out_and_comes_back_without_a_click():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=4)
    heard = _heard(_without(frames, 60, 10))[0]
    part = _lost(60, 10)
    assert _rms(heard[part][: 40 * 48]) > 0.4 * _rms(heard[: 40 * 48 + 48_000])
    assert np.abs(heard[part][120 * 48 :]).max() == 0
    steps = np.abs(np.diff(heard, 2))
    assert steps[part.start - 480 : part.stop + 480].max() < 1.5 * steps[24_000:48_000].max()


def test_who_stops_sending_is_not_made_to_hum_on():
    """Mute, or a pause: nothing is missing in the sequence, so nothing is concealed."""
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=4)
    heard = _heard([*frames[:60], *frames[70:]])[0]
    assert np.abs(heard[_lost(60, 10)]).max() == 0


def test_between_packets_of_rest_there_is_comfort_noise():
    dice = np.random.default_rng(1)
    frames = _packets(_voice(2) * 0 + 0.01 * dice.standard_normal(2 * RATE))
    rest = bytes([frames[50].data[0]])
    silent = [*frames[:50], *moved(frames[50:51], data=rest), *frames[65:]]
    heard = _heard(silent, seconds=1.9)[0]
    assert _rms(heard[52 * PACKET : 64 * PACKET]) > 0.1 * _rms(heard[20 * PACKET : 49 * PACKET])


@pytest.mark.parametrize("codec", [PCMU, PCMA, G722])
def test_telephone_codecs_go_on_as_they_were(codec):
    frames = telephone_tone(
        track("1", Source.MICROPHONE, codec), 440, start_ns=ORIGIN_NS, seconds=4
    )
    heard = _heard(_without(frames, 60, 3))[0]
    part = _lost(60, 3)
    level = _rms(heard[part]) / _rms(heard[48_000:52_800])
    assert 0.6 < level < 1.1
    gone = _heard(_without(frames, 60, 10))[0][_lost(60, 10)]
    assert np.abs(gone[130 * 48 : -200]).max() < 0.01


def test_a_damaged_packet_is_concealed_as_well():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=4)
    frames[60] = moved([frames[60]], data=frames[60].data[:1] + b"\xff" * 2000)[0]
    assert _rms(_heard(frames)[0][_lost(60, 1)]) > 0.1


def test_two_slices_conceal_the_same_loss_alike(tmp_path):
    """Its seam lies in the middle of the loss, and the packets come from a tape."""
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=12)
    lost = frozenset((MIC.id, n) for n in range(498, 503))
    tape = on_tape(tmp_path, [frames], presence(MIC, ORIGIN_NS), lost=lost)
    seam = 10 * RATE + 777

    def part(first, last):
        begin_ns = ORIGIN_NS + first * NS // RATE
        found = tape.frames(begin_ns - 5 * NS, begin_ns + (last - first) * NS // RATE + NS // 2)
        return render(list(found.values()), ORIGIN_NS, first=first, count=last - first, channels=1)[
            0
        ]

    before = part(seam - RATE, seam + 2400)
    after = part(seam - 2400, seam + RATE)
    assert np.abs(before[-4800:]).max() > 0.05
    assert np.abs(before[-4800:] - after[:4800]).max() < 1e-4


def test_stereo_stays_stereo_and_a_mono_mix_holds_both_sides():
    at = np.arange(2 * RATE) / RATE
    left, right = 0.3 * np.sin(2 * np.pi * 500 * at), 0.3 * np.sin(2 * np.pi * 1300 * at)
    how = {"application": "audio", "bitrate": 128_000, "repeats": False}
    frames = _packets(np.stack([left, right]), channels=2, **how)
    part = slice(RATE // 2, RATE * 3 // 2)

    def levels(wave):
        return [
            2 * abs(np.mean(wave[part] * np.exp(-2j * np.pi * f * at[part]))) for f in (500, 1300)
        ]

    stereo, mono = _heard(frames, 2, channels=2), _heard(frames, 2)[0]
    assert levels(stereo[0]) == pytest.approx([0.3, 0], abs=0.01)
    assert levels(stereo[1]) == pytest.approx([0, 0.3], abs=0.01)
    assert levels(mono) == pytest.approx([0.15, 0.15], abs=0.01)
    single = _heard(tone(MIC, 700, start_ns=ORIGIN_NS, seconds=2), 2, channels=2)
    assert np.array_equal(single[0], single[1])
