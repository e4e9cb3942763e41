import itertools

import numpy as np
import pytest

from media.cut import aac, limiter, opus
from media.cut.sound import render
from media.cut.sound_clock import LEAD_NS, place
from media.mux import adts
from media.tape.model import NS, Source
from tests.media.cut.scene import OPUS, ORIGIN_NS, moved, tone, track

MIC = track("1", Source.MICROPHONE, OPUS)
RATE = opus.RATE


def _sine_error(pcm, hz, first=0):
    """RMS of what is left of a sound when the tone is taken away."""
    at = (np.arange(len(pcm)) + first) / RATE
    basis = np.stack([np.sin(2 * np.pi * hz * at), np.cos(2 * np.pi * hz * at)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, pcm, rcond=None)
    return float(np.sqrt(np.mean((pcm - basis @ fit) ** 2)))


@pytest.mark.parametrize("ms", [2.5, 5, 10, 20, 40, 60])
def test_an_opus_packet_says_how_long_it_lasts(ms):
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=0.3, ms=ms)
    assert {opus.samples(frame.data) for frame in frames} == {int(ms * 48)}


def test_stereo_packets_say_so_and_nonsense_lasts_nothing():
    assert opus.channels(tone(MIC, 440, start_ns=0, seconds=0.1, channels=2)[2].data) == 2
    assert [opus.samples(data) for data in (b"", b"\x03", b"\xff\x3f")] == [0, 0, 0]


def test_jitter_of_the_clock_does_not_tear_packets_apart():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=8, jitter_ns=3_000_000)
    placed = place(frames, ORIGIN_NS)
    assert all(a.start + a.length == b.start for a, b in itertools.pairwise(placed))
    assert all(abs(one.length - 960) <= 8 for one in placed)


def test_a_drifting_sender_stays_at_its_time_without_a_hole():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=60, drift=200e-6)
    placed = place(frames, ORIGIN_NS)
    assert all(a.start + a.length == b.start for a, b in itertools.pairwise(placed))
    last = (frames[-1].time_ns - ORIGIN_NS) * RATE // NS
    assert abs(placed[-1].start - last) < 0.002 * RATE


def test_a_packet_lies_on_the_same_sample_whichever_slice_asks():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=20, jitter_ns=2_000_000, drift=80e-6)
    whole = {one.frame.rtp_time: one for one in place(frames, ORIGIN_NS)}
    seam = ORIGIN_NS + 10 * NS + 345_678_901
    later = place([f for f in frames if f.time_ns >= seam - LEAD_NS - NS], ORIGIN_NS)
    again = [one for one in later if one.frame.time_ns >= seam - NS]
    assert len(again) > 500
    assert all(one == whole[one.frame.rtp_time] for one in again)


def test_a_clock_set_anew_by_the_sender_moves_nothing():
    first = tone(MIC, 440, start_ns=ORIGIN_NS, seconds=2)
    second = tone(MIC, 440, start_ns=ORIGIN_NS + 2 * NS, seconds=2)
    reset = [moved([frame], rtp_time=frame.rtp_time + 10**9)[0] for frame in second]
    placed = place([*first, *reset], ORIGIN_NS)
    assert placed[100].start == 2 * RATE
    assert not placed[100].joined


def test_sound_lies_at_its_time_and_lost_packets_leave_a_hole_of_their_length():
    frames = tone(MIC, 1000, start_ns=ORIGIN_NS + NS, seconds=2)
    frames = [frame for i, frame in enumerate(frames) if not 50 <= i < 60]
    pcm = render([frames], ORIGIN_NS, first=0, count=4 * RATE, channels=1)[0]
    loud = np.flatnonzero(np.abs(pcm) > 0.1)
    assert RATE <= loud[0] < RATE + 480
    hole = np.flatnonzero(np.diff(loud) > 2000)
    assert len(hole) == 1
    assert abs(loud[hole[0] + 1] - loud[hole[0]] - 0.2 * RATE) < 500
    assert loud[-1] <= 3 * RATE


def test_a_damaged_packet_is_a_hole_and_never_an_error():
    frames = tone(MIC, 1000, start_ns=ORIGIN_NS, seconds=1)
    frames[10] = moved([frames[10]], data=b"\xff\xff" + bytes(40))[0]
    frames[20] = moved([frames[20]], data=b"")[0]
    pcm = render([frames], ORIGIN_NS, first=0, count=RATE, channels=1)
    assert np.abs(pcm).max() < 0.4


def test_everybody_is_heard_in_the_mix_and_nothing_clips():
    hz = [400, 700, 1100, 1900, 2300]
    lines = [tone(MIC, f, start_ns=ORIGIN_NS, seconds=3, level=0.6) for f in hz]
    pcm = render(lines, ORIGIN_NS, first=RATE, count=RATE, channels=1)[0]
    assert np.abs(pcm).max() <= 1.0
    at = np.arange(RATE) / RATE
    levels = [2 * abs(np.mean(pcm * np.exp(-2j * np.pi * f * at))) for f in hz]
    assert min(levels) > 0.1
    assert max(levels) < 1.3 * min(levels)


def test_the_limiter_agrees_with_itself_across_a_seam():
    rng = np.random.default_rng(3)
    loud = (rng.standard_normal((1, 3 * RATE)) * np.linspace(0.1, 2, 3 * RATE)).astype(np.float32)
    whole = limiter.limit(loud, 0)
    begin = RATE + 777
    part = limiter.limit(loud[:, begin - limiter.LEAD :], begin - limiter.LEAD)
    assert np.allclose(part[:, limiter.LEAD :], whole[:, begin:], atol=1e-5)
    quiet = loud * 0.01
    assert limiter.limit(quiet, 0) is quiet


def test_aac_frames_of_two_ranges_decode_to_the_same_sound_as_one_range():
    frames = tone(MIC, 440, start_ns=ORIGIN_NS - NS, seconds=8)
    profile = aac.PROFILES[0]

    def encoded(first, last):
        span = aac.Span(first, last)
        pcm = render(
            [frames], ORIGIN_NS, first=span.sample, count=span.samples, channels=profile.channels
        )
        return aac.encode(pcm, span, profile)

    whole = _decoded(encoded(0, 200))
    joined = _decoded([*encoded(0, 90), *encoded(90, 200)])
    seam = 90 * aac.FRAME
    around = slice(seam - 4096, seam + 4096)
    assert len(whole) == len(joined) == 200 * aac.FRAME
    elsewhere = _sine_error(whole[around], 440)
    assert _sine_error(joined[around], 440) < max(2 * elsewhere, 0.01)
    assert np.abs(joined[around] - whole[around]).max() < 0.03


def _decoded(payloads):
    import io

    import av

    data = b"".join(adts.frame(payload, 1) for payload in payloads)
    with av.open(io.BytesIO(data), format="aac") as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def test_frames_of_the_grid_alternate_between_703_and_704_a_slice():
    edges = [aac.frame_at(ORIGIN_NS + k * 15 * NS, ORIGIN_NS) for k in range(20)]
    assert {b - a for a, b in itertools.pairwise(edges)} == {703, 704}
    assert aac.frame_ticks(1) - aac.frame_ticks(0) == 1920
