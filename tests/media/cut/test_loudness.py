"""Many who speak at once, and those who come and go."""

import io

import av
import numpy as np
import pytest

from media.cut import aac, limiter, opus
from media.cut.resampling import resampled
from media.cut.sound import render
from media.mux import adts
from media.tape.model import Source
from tests.media.cut.scene import OPUS, ORIGIN_NS, tone, track

MIC = track("1", Source.MICROPHONE, OPUS)
RATE = opus.RATE


def _voices(count, seconds=6):
    """So many voices, each at full scale."""
    at = np.arange(seconds * RATE) / RATE
    total = np.zeros(len(at))
    for i in range(count):
        pitch = np.cumsum(90 + 12 * i + 20 * np.sin(2 * np.pi * (0.5 + 0.05 * i) * at + i)) / RATE
        wave = sum(np.sin(2 * np.pi * k * pitch + k) / k for k in range(1, 16))
        wave *= np.convolve(
            np.sin(2 * np.pi * (2 + 0.1 * i) * at + i) > 0, np.ones(480) / 480, "same"
        )
        total += wave / np.abs(wave).max()
    return total.astype(np.float32)[None]


def _coded(pcm, profile):
    """As it is heard in the end."""
    frames = pcm.shape[1] // aac.FRAME - aac.LEAD_FRAMES - aac.AHEAD_FRAMES
    span = aac.Span(0, frames)
    payloads = aac.encode(np.repeat(pcm, profile.channels, axis=0), span, profile)
    data = b"".join(adts.frame(payload, profile.channels) for payload in payloads)
    with av.open(io.BytesIO(data), format="aac") as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


@pytest.mark.parametrize("profile", aac.PROFILES)
def test_seventeen_at_full_scale_do_not_clip_even_after_the_codec(profile):
    sum_ = _voices(17)
    limited = limiter.limit(sum_, 0)
    decoded = _coded(limited, profile)
    print(f"{np.abs(sum_).max():.2f} in, {np.abs(limited).max():.3f}, {np.abs(decoded).max():.3f}")
    assert np.abs(sum_).max() > 5
    assert np.abs(limited).max() <= 0.701
    assert np.abs(decoded).max() <= 1.0


@pytest.mark.parametrize("hz", [50, 440, 5000])
def test_a_tone_that_is_held_down_stays_a_tone(hz):
    at = np.arange(4 * RATE) / RATE
    limited = limiter.limit((3 * np.sin(2 * np.pi * hz * at)).astype(np.float32)[None], 0)
    part, at = limited[0, 2 * RATE :], at[2 * RATE :]
    basis = np.stack([np.sin(2 * np.pi * hz * at), np.cos(2 * np.pi * hz * at)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, part, rcond=None)
    rest = np.sqrt(np.mean((part - basis @ fit) ** 2) / np.mean(part**2))
    print(f"{hz} Hz: distortion and noise {20 * np.log10(rest):.0f} dB")
    assert rest < 1e-4


def test_a_quiet_voice_is_not_touched_and_not_pumped_by_a_loud_one():
    quiet = (_voices(1) * 0.3).astype(np.float32)
    assert limiter.limit(quiet, 777) is quiet
    at = np.arange(6 * RATE) / RATE
    bursts = (2.5 * np.sin(2 * np.pi * 700 * at) * (at % 2 < 0.3)).astype(np.float32)[None]
    beside = (0.1 * np.sin(2 * np.pi * 3000 * at)).astype(np.float32)
    limited = limiter.limit(bursts + beside, 0)[0]
    slow = (limited * np.exp(-2j * np.pi * 3000 * at))[: len(at) // 480 * 480].reshape(-1, 480)
    gain_db = 20 * np.log10(np.abs(slow.mean(axis=1)) * 2 / 0.1)
    rise_db = np.diff(gain_db)[2:].max()
    print(f"gain {gain_db.min():.1f} dB, rises by {rise_db:.2f} dB in 10 ms at most")
    assert rise_db < 1.0  # 60 dB a second, and what the window smears
    assert gain_db[150:190].min() > -0.1  # 1.2 s after a burst nothing is left of it


def test_who_speaks_alone_and_quietly_is_in_the_mix_to_the_bit():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=2)
    silent = list(tone(MIC, 440, start_ns=ORIGIN_NS, seconds=2, level=0.0))
    alone = render([frames], ORIGIN_NS, first=0, count=RATE, channels=1)
    among = render([silent, frames], ORIGIN_NS, first=0, count=RATE, channels=1)
    again = render([frames], ORIGIN_NS, first=4800, count=RATE - 4800, channels=1)
    assert np.abs(alone - among).max() < 1e-4  # Opus makes a trace of noise of silence
    assert np.array_equal(alone[:, 4800:], again)


def test_nobody_clicks_who_comes_or_goes():
    """A tone that begins and ends in full swing splashes no more than its own first 5 ms."""
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=4, level=0.5)[50:150]
    pcm = render([frames], ORIGIN_NS, first=0, count=4 * RATE, channels=1)[0]
    steps = np.abs(np.diff(pcm, 2))
    loudest = steps[int(1.5 * RATE) : int(2.5 * RATE)].max()
    for edge in (1.0, 3.0):
        near = slice(int((edge - 0.05) * RATE), int((edge + 0.05) * RATE))
        high = np.abs(np.fft.rfft(pcm[near] * np.hanning(4800)))[400:].max()  # from 4 kHz on
        base = np.abs(np.fft.rfft(pcm[RATE * 2 : RATE * 2 + 4800] * np.hanning(4800))).max()
        splash_db = 20 * np.log10(high / base)
        print(f"{edge} s: kink {steps[near].max() / loudest:.2f}, splash {splash_db:.0f} dB")
        assert steps[near].max() < 1.5 * loudest
        assert splash_db < -60


@pytest.mark.parametrize(("hz", "most_db"), [(440, -90), (2000, -62), (6000, -30)])
def test_a_packet_made_longer_by_a_sample_sounds_the_same(hz, most_db):
    at = np.arange(960) / RATE
    longer = resampled(np.sin(2 * np.pi * hz * at).astype(np.float32)[None], 961)[0]
    ideal = np.sin(2 * np.pi * hz * np.arange(961) * (960 / 961) / RATE)
    error_db = 20 * np.log10(np.sqrt(2 * np.mean((longer - ideal)[8:-8] ** 2)))
    print(f"{hz} Hz: {error_db:.0f} dB")
    assert longer.shape == (961,)
    assert error_db < most_db
