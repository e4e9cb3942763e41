"""The clock under simulated senders: nothing here waits.

Errors are how much later than its capture a packet lies on the timeline: about the least delay
of the network, 15 ms, and 5 ms from capture to sending where only arrivals can tell.
"""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulation import (
    MS,
    RATE,
    START,
    Jam,
    Publisher,
    Silence,
    Track,
    apart,
    assert_pure,
    camera,
    lying,
    microphone,
    steepest,
)

from media.capture.clock import Arrival, TrackClock
from media.capture.sender_clock import SenderClock
from media.rtc.steady import SteadyClock
from media.tape.model import NS

HOUR_S = 3600
BEND = 0.0051  # 5 ms per second
TICKS_S = [(0.25,), (0.5,), (1.0,), (0.25, 1.25, 0.5)]


def both(publisher: Publisher) -> list[Track]:
    return list(publisher.tracks.values())


def check(publisher: Publisher, *, bend: float = BEND) -> None:
    """What always holds."""
    for track in both(publisher):
        assert_pure(track, publisher)
        assert steepest(track) <= bend


def drifting(ppm: float, seed: int, **more: float) -> Publisher:
    tracks = microphone(ppm=ppm, noise_ms=3), camera(ppm=ppm, noise_ms=3)
    return Publisher(*tracks, ntp_ppm=ppm, seed=seed, step_ns=NS, **more)


@pytest.mark.parametrize("ppm", [50, -50])
def test_four_hours_of_drift(ppm):
    """Two publishers whose clocks are hours off and run apart, with noisy reports."""
    publishers = [
        drifting(ppm, 1, ntp_off_s=-86_400).play(4 * HOUR_S),
        drifting(-ppm / 2, 2, ntp_off_s=40_000).play(4 * HOUR_S),
    ]
    for publisher in publishers:
        assert max(map(abs, apart(publisher, 60))) < 6 * MS
        assert max(map(abs, apart(publisher))) < 20 * MS
        for track in both(publisher):
            errors = track.errors(60)
            assert min(errors) > 5 * MS
            assert max(errors) < 25 * MS
            drift = track.ppm * 1000
            assert abs(track.clock.drift_ppb - drift) < 1500
            assert abs(track.clock.skew_us) < 5000
            assert steepest(track) <= BEND


def test_timestamps_and_their_pairs_wrap():
    """RTP time of audio wraps after 24.9 h and of video after 13.3 h, NTP in 2036."""
    to_2036_s = (1 << 32) - 2_208_988_800 - START // NS
    publisher = Publisher(
        Track("audio", 20, reports_every_s=10),
        Track("video", 20, reports_every_s=10),
        step_ns=NS,
    )
    publisher.ntp_off_ns, publisher.ntp_ppm = (to_2036_s - 20 * HOUR_S) * NS, 20
    publisher.play(27 * HOUR_S)
    for track in both(publisher):
        assert min(track.errors(300)) > 10 * MS
        assert max(track.errors(300)) < 25 * MS
    assert max(map(abs, apart(publisher, 300))) < MS


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ppm=st.floats(-80, 80),
    jitter_ms=st.integers(0, 60),
    noise_ms=st.integers(0, 8),
    ticks_s=st.sampled_from(TICKS_S),
)
def test_audio_and_video_stay_together_and_near_the_truth(seed, ppm, jitter_ms, noise_ms, ticks_s):
    publisher = Publisher(
        microphone(ppm=ppm, noise_ms=noise_ms),
        camera(ppm=ppm, noise_ms=noise_ms),
        ntp_ppm=ppm,
        seed=seed,
        jitter_ms=jitter_ms,
        ticks_s=ticks_s,
    ).play(180)
    most = 3 * MS + 2 * noise_ms * MS
    assert max(map(abs, apart(publisher, 60))) < most
    for track in both(publisher):
        assert -most < min(track.errors(60))
        assert max(track.errors(60)) < 20 * MS + jitter_ms * MS + most
    check(publisher)


@pytest.mark.parametrize("sealing", [True, False])
def test_a_track_begins_where_its_first_report_says_if_nobody_has_read_it(sealing):
    publisher = Publisher(
        microphone(encoding_ms=30), camera(encoding_ms=90), jitter_ms=0, sealing=sealing
    ).play(60)
    if not sealing:
        assert max(map(abs, apart(publisher))) < 2 * MS
    assert max(map(abs, apart(publisher, 20))) < 2 * MS
    check(publisher)


@pytest.mark.parametrize("ppm", [50, -50])
def test_without_any_report_arrivals_carry_the_line(ppm):
    publisher = Publisher(
        microphone(ppm=ppm, reports_every_s=0), camera(ppm=ppm, reports_every_s=0)
    ).play(HOUR_S)
    for track in both(publisher):
        assert min(track.errors(10)) > 15 * MS
        assert max(track.errors(10)) < 30 * MS
        assert abs(track.clock.drift_ppb - ppm * 1000) < 2000
    assert max(map(abs, apart(publisher, 10))) < 5 * MS
    check(publisher)


def test_reports_that_cease_leave_the_tracks_together():
    publisher = Publisher(
        microphone(ppm=50, reports_until_s=100),
        camera(ppm=50, reports_until_s=100, encoding_ms=80),
        ntp_ppm=50,
    ).play(1800)
    assert max(map(abs, apart(publisher, 30))) < 5 * MS
    for track in both(publisher):
        assert max(track.errors(60)) < 25 * MS
    check(publisher)


def test_reports_of_one_track_do_not_move_the_other():
    publisher = Publisher(microphone(ppm=50, reports_every_s=0), camera(ppm=50), ntp_ppm=50).play(
        1800
    )
    assert max(abs(each + 5 * MS) for each in apart(publisher, 30)) < 5 * MS
    check(publisher)


@pytest.mark.parametrize("step_s", [3600, -3600, 0.2, -0.2, 0.08, -0.08, 86_400 * 365 * 50])
def test_a_step_of_the_senders_clock_moves_nothing(step_s):
    publisher = Publisher(microphone(noise_ms=2), camera(noise_ms=2)).play(60)
    publisher.ntp_off_ns += int(step_s * NS)
    publisher.play(240)
    assert max(map(abs, apart(publisher, 30))) < 5 * MS
    for track in both(publisher):
        assert max(abs(each - 15 * MS) for each in track.errors(30)) < 8 * MS
    check(publisher)


def test_single_reports_that_are_far_off_move_nothing():
    publisher = Publisher(microphone(), camera())

    def spoil(_track, _sent_ns, rtp, ntp_ns):
        if publisher.random.random() < 0.05:
            ntp_ns += publisher.random.choice((-1, 1)) * publisher.random.randrange(60 * MS, 9 * NS)
        return rtp, ntp_ns

    publisher.play(10)
    publisher.spoil = spoil
    publisher.play(900)
    assert max(map(abs, apart(publisher, 30))) < MS
    check(publisher)


@pytest.mark.parametrize("kind", ["rtp is not the media's", "no clock"])
def test_reports_that_make_no_sense_are_as_good_as_none(kind):
    publisher = Publisher(microphone(), camera())
    no_clock_ns = -2_208_988_800 * NS
    publisher.spoil = lambda _track, _sent, rtp, ntp: (
        (rtp * 7 & 0xFFFFFFFF, ntp) if kind != "no clock" else (rtp, no_clock_ns)
    )
    publisher.play(300)
    assert max(map(abs, apart(publisher, 10))) < 5 * MS
    check(publisher)


@settings(max_examples=25, deadline=None)
@given(
    from_s=st.floats(20, 30),
    length_s=st.sampled_from([0.6, 3, 10.9, 12.1, 30, 700]),
    stands=st.booleans(),
    alone=st.booleans(),
    reports=st.booleans(),
    seed=st.integers(0, 1000),
    ticks_s=st.sampled_from(TICKS_S),
)
@example(
    from_s=24.05, length_s=30, stands=True, alone=False, reports=False, seed=3, ticks_s=(0.25,)
)
def test_a_silence_is_a_gap_as_long_as_it_was(
    from_s, length_s, stands, alone, reports, seed, ticks_s
):
    silence = Silence(from_s, from_s + length_s, stands)
    every = {} if reports else {"reports_every_s": 0}
    publisher = Publisher(
        microphone(ppm=50, silences=[silence], **every),
        camera(ppm=50, silences=[] if alone else [silence], **every),
        ntp_ppm=50,
        seed=seed,
        jitter_ms=5,
        ticks_s=ticks_s,
    ).play(60 + length_s)
    for track in both(publisher):
        assert max(track.errors(from_s + length_s)) < 55 * MS
        assert min(track.errors(from_s + length_s)) > -25 * MS
        assert max(abs(each - 20 * MS) for each in track.errors(10, from_s - 0.1)) < 12 * MS
        assert_pure(track, publisher)


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("drain", [2, 10, 100])
@pytest.mark.parametrize("ticks_s", TICKS_S)
def test_a_jam_on_the_network_is_no_pause(reports, drain, ticks_s):
    every = {} if reports else {"reports_every_s": 0}
    publisher = Publisher(
        microphone(**every),
        camera(**every),
        jams=[Jam(60, 63, drain)],
        jitter_ms=5,
        ticks_s=ticks_s,
    ).play(120)
    for track in both(publisher):
        assert max(track.errors(20)) < 30 * MS
    assert max(map(abs, apart(publisher, 20))) < 3 * MS
    check(publisher)


@pytest.mark.parametrize("step_s", [3600, -3600, 0.2, -0.2])
def test_a_step_of_the_recorders_clock_moves_nothing(step_s):
    """What arrives is stamped by the steady clock, which turns to the new time very slowly."""
    publisher = Publisher(microphone(noise_ms=2), camera(noise_ms=2))
    wall_off_ns = 0
    steady = SteadyClock(lambda: publisher.now_ns, lambda: publisher.now_ns + wall_off_ns)
    publisher.local = lambda true_ns: steady.now_ns() + true_ns - publisher.now_ns
    publisher.play(60)
    wall_off_ns = int(step_s * NS)
    publisher.play(400)
    assert max(map(abs, apart(publisher, 30))) < 6 * MS
    slewed_ns = 341 * NS // 10_000  # in that time
    for track in both(publisher):
        assert max(abs(each - 15 * MS) for each in track.errors(30)) < slewed_ns + 10 * MS
    check(publisher)


def test_after_a_jump_of_rtp_time_the_line_goes_on_where_it_was():
    publisher = Publisher(microphone(), camera()).play(20)
    clock, before = publisher.tracks["video"].clock, publisher.tracks["video"].newest
    first = Arrival(77, before.at_ns + 66 * MS)
    point = clock.continued(before, first)
    assert point.wall_ns == clock.wall_ns(before.rtp) + 66 * MS
    fresh = TrackClock(RATE["video"], publisher.sender, first)
    fresh.place(point)
    assert fresh.wall_ns(77 + 90_000) == point.wall_ns + NS
    points = fresh.tick(Arrival(77 + 9000, first.at_ns + 100 * MS), first.at_ns + 100 * MS)
    assert [each.wall_ns - point.wall_ns for each in points] == [4 * NS]


def test_a_report_kept_for_a_newcomer_places_its_first_packet():
    sender, first = SenderClock(), Arrival(90_000, START)
    clock = TrackClock(90_000, sender, first)
    points = clock.begin(0, START - 50 * NS - NS)
    assert (points[0].rtp, points[0].wall_ns) == (90_000, START)
    assert all(each.wall_ns - START == (each.rtp - 90_000) * NS // 90_000 for each in points)


def check_liar(seed: int) -> None:
    """No sender, network or tick moves what was cut, nor makes time run backwards."""
    chance = random.Random(seed)
    from_s = chance.uniform(3, 30)
    silence = Silence(from_s, from_s + chance.choice((0.5, 0.8, 2, 9)), chance.random() < 0.5)
    silences = chance.choice(((), (), (silence,)))
    jam = Jam(from_s, from_s + chance.choice((0.3, 1, 3)), chance.choice((2, 10, 100)))
    publisher = Publisher(
        microphone(silences=silences, ppm=chance.choice((0, 50, 1000, -20_000)), begins_s=0.5),
        camera(silences=chance.choice(((), silences)), begins_s=chance.uniform(0, 5)),
        seed=seed,
        jitter_ms=chance.choice((5, 300)),
        jams=() if silences else chance.choice(((), (), (jam,))),
        ticks_s=chance.choice(TICKS_S),
    )
    publisher.spoil = lying(chance)
    publisher.play(40)
    for track in both(publisher):
        line = track.map()
        places = [line.locate(packet.rtp, packet.at_ns) for packet in track.packets]
        times = [place[0] for place in places if place is not None]
        assert times == sorted(times)
        assert len(times) == len(places)
        assert_pure(track, publisher, packets=400)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_whatever_a_sender_says_time_does_not_run_backwards(seed):
    check_liar(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_thousand_liars_move_nothing():
    for seed in range(20_000):
        check_liar(seed)
