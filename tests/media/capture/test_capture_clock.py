"""The clock under simulated senders: nothing here waits."""

import itertools
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from media.capture.clock import NS, SLEW, Arrival, Point, SenderClock, TrackClock, ns_between

MS = 1_000_000
START = 1_700_000_000 * NS
RATE = {"audio": 48_000, "video": 90_000}


class Sender:
    """A publisher: its own NTP clock, RTP clocks with random starts, a network with delay."""

    def __init__(self, seed: int = 1, *, ntp_off_ns: int = -(10**15), ppm: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.ntp_off_ns = ntp_off_ns
        self.ppm = ppm
        self.first = {kind: self.random.randrange(1 << 32) for kind in RATE}
        self.delay: Callable[[int], int] = lambda _: 20 * MS

    def rtp(self, kind: str, true_ns: int) -> int:
        return (self.first[kind] + self.passed(true_ns) * RATE[kind] // NS) & 0xFFFFFFFF

    def ntp(self, true_ns: int) -> int:
        return START + self.ntp_off_ns + self.passed(true_ns)

    def passed(self, true_ns: int) -> int:
        return int((true_ns - START) * (1 + self.ppm / 1e6))


class Line:
    """A clock map as a reader sees it: straight between its points, and beyond them."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.points: list[Point] = []

    def wall(self, rtp: int) -> int:
        points = self.points
        for one, two in itertools.pairwise(points):
            whole = ns_between(one.rtp, two.rtp, self.rate)
            part = ns_between(one.rtp, rtp, self.rate)
            if 0 <= part <= whole and whole:
                return one.wall_ns + (two.wall_ns - one.wall_ns) * part // whole
        near = min(points, key=lambda point: abs(ns_between(point.rtp, rtp, self.rate)))
        return near.wall_ns + ns_between(near.rtp, rtp, self.rate)


class Run:
    """Both tracks of a sender through the clocks of one connection."""

    def __init__(self, sender: Sender) -> None:
        self.sender, self.shared = sender, SenderClock()
        self.clocks: dict[str, TrackClock] = {}
        self.lines = {kind: Line(rate) for kind, rate in RATE.items()}
        self.newest: dict[str, Arrival] = {}

    def packet(self, kind: str, true_ns: int) -> None:
        arrival = Arrival(self.sender.rtp(kind, true_ns), true_ns + self.sender.delay(true_ns))
        if kind not in self.clocks:
            self.clocks[kind] = TrackClock(RATE[kind], self.shared, arrival)
        self.newest[kind] = arrival
        points = self.clocks[kind].tick(arrival, arrival.at_ns)
        self.lines[kind].points += points

    def report(self, kind: str, true_ns: int, delay_ns: int | None = None) -> None:
        delay_ns = self.sender.delay(true_ns) if delay_ns is None else delay_ns
        sender = self.sender
        self.lines[kind].points += self.clocks[kind].report(
            sender.rtp(kind, true_ns), sender.ntp(true_ns), true_ns + delay_ns
        )

    def play(self, from_s: float, until_s: float, *, reports_every_s: float = 5.0) -> None:
        at, next_report = from_s, from_s + 1
        while at < until_s:
            for kind in RATE:
                self.packet(kind, START + int(at * NS))
                if reports_every_s and at >= next_report:
                    self.report(kind, START + int(at * NS) + MS)
            if at >= next_report:
                next_report += reports_every_s
            at += 0.25

    def error(self, kind: str, true_ns: int) -> int:
        return self.lines[kind].wall(self.sender.rtp(kind, true_ns)) - true_ns


def test_the_first_report_places_the_line_backwards_to_the_tracks_start() -> None:
    run = Run(Sender())
    run.play(0, 3)
    assert [len(run.lines[kind].points) for kind in RATE] == [1, 1]
    assert abs(run.error("video", START) - 20 * MS) < MS
    assert abs(run.error("audio", START) - 20 * MS) < MS


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ppm=st.floats(-80, 80), jitter_ms=st.integers(0, 150))
def test_audio_and_video_stay_together_and_near_the_truth(
    seed: int, ppm: float, jitter_ms: int
) -> None:
    sender = Sender(seed, ppm=ppm)
    sender.delay = lambda _: (20 + sender.random.randint(0, jitter_ms)) * MS
    run = Run(sender)
    run.play(0, 120)
    for second in range(0, 120, 3):
        video = run.error("video", START + second * NS)
        audio = run.error("audio", START + second * NS)
        assert abs(video - audio) < 8 * MS
        assert 0 < video < (20 + jitter_ms + 20) * MS


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), jitter_ms=st.integers(0, 300))
def test_the_line_never_jumps(seed: int, jitter_ms: int) -> None:
    sender = Sender(seed)
    sender.delay = lambda _: (5 + sender.random.randint(0, jitter_ms)) * MS
    run = Run(sender)
    run.play(0, 60)
    for kind, rate in RATE.items():
        points = run.lines[kind].points
        assert len(points) > 10
        for one, two in itertools.pairwise(points):
            passed = ns_between(one.rtp, two.rtp, rate)
            bend = abs(two.wall_ns - one.wall_ns - passed)
            assert bend <= (passed + jitter_ms * 2 * MS) // SLEW + MS


def test_rtp_time_may_wrap() -> None:
    sender = Sender()
    sender.first = {kind: (1 << 32) - 20 * rate for kind, rate in RATE.items()}
    run = Run(sender)
    run.play(0, 60)
    for second in range(60):
        assert abs(run.error("video", START + second * NS) - 20 * MS) < MS


def test_without_reports_arrival_times_do_after_six_seconds() -> None:
    sender = Sender()
    sender.delay = lambda _: (20 + sender.random.randint(0, 60)) * MS
    run = Run(sender)
    run.play(0, 5.9, reports_every_s=0)
    assert not run.lines["video"].points
    run.play(6, 30, reports_every_s=0)
    assert 0 < run.error("video", START + NS) < 60 * MS
    before = run.error("video", START + 29 * NS)
    run.play(30, 60)
    after = run.error("video", START + 32 * NS)
    assert abs(after - before) < 20 * MS


def test_a_report_that_contradicts_the_packets_is_not_believed() -> None:
    run = Run(Sender())
    run.play(0, 10)
    line = list(run.lines["video"].points)
    video = run.clocks["video"]
    at_ns = START + 11 * NS
    assert video.report(12345, run.sender.ntp(at_ns), at_ns + 20 * MS) == []
    run.play(10.25, 20)
    assert run.lines["video"].points[: len(line)] == line
    assert abs(run.error("video", START + 15 * NS) - 20 * MS) < MS


def test_a_step_of_the_senders_clock_moves_nothing() -> None:
    run = Run(Sender())
    run.play(0, 20)
    run.sender.ntp_off_ns += 3600 * NS
    run.play(20, 60)
    for second in range(60):
        for kind in RATE:
            assert abs(run.error(kind, START + second * NS) - 20 * MS) < 2 * MS


def test_one_delayed_report_moves_nothing() -> None:
    run = Run(Sender())
    run.play(0, 20)
    run.report("video", START + 20 * NS, delay_ns=900 * MS)
    run.play(21, 40)
    assert abs(run.error("video", START + 30 * NS) - 20 * MS) < MS


def resume(run: Run, kind: str, before_s: float, first_s: float) -> None:
    before = run.newest[kind]
    true_ns = START + int(first_s * NS)
    first = Arrival(run.sender.rtp(kind, true_ns), true_ns + run.sender.delay(true_ns))
    run.clocks[kind].resumed(before, first)


def test_an_rtp_clock_that_stood_still_leaves_a_gap_and_shifts_nothing_before() -> None:
    run = Run(Sender())
    run.play(0, 20)
    for kind, rate in RATE.items():
        run.sender.first[kind] -= 30 * rate
    for kind in RATE:
        resume(run, kind, 19.75, 50)
    run.play(50, 60)
    for kind in RATE:
        assert abs(run.error(kind, START + 50 * NS) - 20 * MS) < 2 * MS
        assert abs(run.error(kind, START + 55 * NS) - 20 * MS) < 2 * MS
    for kind, rate in RATE.items():
        run.sender.first[kind] += 30 * rate
        assert abs(run.error(kind, START + 19 * NS) - 20 * MS) < 2 * MS


def test_a_jam_on_the_network_is_no_pause() -> None:
    sender = Sender()
    run = Run(sender)
    run.play(0, 20)
    jam_ends = START + 23 * NS
    sender.delay = lambda true: max(20 * MS, jam_ends - true)
    for kind in RATE:
        resume(run, kind, 19.75, 20)
    run.play(20, 40)
    for second in range(40):
        assert abs(run.error("video", START + second * NS) - 20 * MS) < 25 * MS


def test_after_a_jump_of_rtp_time_the_line_goes_on_where_it_was() -> None:
    run = Run(Sender())
    run.play(0, 20)
    before = run.newest["video"]
    first = Arrival(77, before.at_ns + 66 * MS)
    point = run.clocks["video"].continued(before, first)
    assert abs(point.wall_ns - (before.at_ns - 20 * MS + 66 * MS + 20 * MS)) < 2 * MS
    fresh = TrackClock(90_000, run.shared, first)
    fresh.place(point, first.at_ns)
    assert fresh.wall_ns(77 + 90_000) == point.wall_ns + NS
