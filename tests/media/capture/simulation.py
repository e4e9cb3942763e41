"""Publishers whose clocks, reports and networks do what a test wants, in simulated time.

Nothing here waits: a simulated hour takes part of a second.
"""

import itertools
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from media.capture.clock import Arrival, Point, TrackClock
from media.capture.sender_clock import PAUSE_NS, SenderClock
from media.rtp.rtcp import ntp_to_unix_ns, unix_ns_to_ntp
from media.tape.clockmap import SETTLE_NS, ClockMap
from media.tape.model import NS, EventType, Kind, Source, TapeEvent
from media.tape.model import Track as TapeTrack
from media.tape.standing import Standing

MS = 1_000_000
START = 1_700_000_000 * NS
RATE = {"audio": 48_000, "video": 90_000}
STEP_NS = NS // 4
PART_NS = 5 * NS


@dataclass
class Silence:
    """No packets in ``[from_s, until_s)``; the RTP clock runs on or stands still meanwhile."""

    from_s: float
    until_s: float
    stands: bool = False


@dataclass
class Jam:
    """The network gives nothing out in ``[from_s, until_s)``, then all of it, so fast."""

    from_s: float
    until_s: float
    drain: float = 10.0  # seconds of media per second

    def delay_ns(self, arrival_ns: int) -> int:
        """Delay of a packet that comes now; nothing comes during the jam."""
        since_s = (arrival_ns - START) / NS - self.until_s
        left_s = self.until_s - self.from_s - since_s * (self.drain - 1)
        return int(max(0.0, left_s) * NS) if since_s >= 0 else 0

    def holds(self, at_ns: int) -> bool:
        return self.from_s <= (at_ns - START) / NS < self.until_s


@dataclass
class Track:
    """One track of a publisher, and what the recorder made of it."""

    kind: str
    ppm: float = 0.0  # of its RTP clock
    first_rtp: int = 0
    reports_every_s: float = 5.0  # 0: none
    reports_until_s: float = 1e9
    encoding_ms: int = 5  # from capture to sending, at least
    noise_ms: float = 0.0  # of the pairs in its reports
    begins_s: float = 0.0
    silences: Sequence[Silence] = ()
    points: list[TapeEvent] = field(default_factory=list)
    clock: TrackClock | None = None
    newest: Arrival | None = None
    packets: list[Arrival] = field(default_factory=list)  # a sample of them
    captured: list[int] = field(default_factory=list)  # the true time of each
    next_report_s: float = 0.0

    def rtp(self, true_ns: int) -> int:
        run_ns = true_ns - START
        for each in self.silences:
            if each.stands:
                end_ns = min(true_ns - START, int(each.until_s * NS))
                run_ns -= max(0, end_ns - int(each.from_s * NS))
        ticks = int(run_ns * (1 + self.ppm / 1e6)) * RATE[self.kind] // NS
        return (self.first_rtp + ticks) & 0xFFFFFFFF

    def map(self, until_ns: int | None = None) -> ClockMap:
        """As a cutter sees it whose horizon is then."""
        points = self.points
        if until_ns is not None:
            count = bisect_left(points, until_ns + SETTLE_NS, key=lambda point: point.at_ns)
            points = points[:count]
        return ClockMap(RATE[self.kind], points, self.points[0].at_ns)

    def trimmed_map(self, from_ns: int) -> ClockMap:
        """As a cutter sees it to whom only the parts from then on are left."""
        added = TapeEvent(EventType.TRACK_ADDED, self.points[0].at_ns, track=self.kind)
        standing = Standing()
        standing.add_track(
            TapeTrack(self.kind, "7", Kind(self.kind), Source.CAMERA, 1, (), "1"), added
        )
        count = bisect_left(self.points, from_ns, key=lambda point: point.at_ns)
        for point in self.points[max(0, count - 40) : count]:
            standing.apply(point)
        points = [event for event in standing.events() if event.type is EventType.CLOCK]
        return ClockMap(RATE[self.kind], points + self.points[count:], added.at_ns)

    def errors(self, from_s: float = 0.0, until_s: float = 1e9) -> list[int]:
        """By how much each packet's place is later than its capture, ns."""
        line = self.map()
        errors = []
        for packet, true_ns in zip(self.packets, self.captured, strict=True):
            if from_s * NS <= true_ns - START < until_s * NS:
                found = line.locate(packet.rtp, packet.at_ns)
                assert found is not None
                errors.append(found[0] - true_ns)
        return errors


class Publisher:
    """Some tracks on one connection."""

    def __init__(
        self,
        *tracks: Track,
        seed: int = 1,
        ntp_off_s: float = -86_400.0,
        ntp_ppm: float = 0.0,
        delay_ms: int = 15,
        jitter_ms: int = 10,
        jams: Sequence[Jam] = (),
        sealing: bool = True,
        step_ns: int = STEP_NS,
        ticks_s: Sequence[float] = (0.25,),
    ) -> None:
        """Two packets come in each step, which may be a second where nothing happens for hours.

        ``ticks_s``: the times between ticks, again and again; after one of them a clock that waits
        gets the next one soon.
        """
        self.tracks = {track.kind: track for track in tracks}
        self.random = random.Random(seed)
        self.ntp_off_ns, self.ntp_ppm = int(ntp_off_s * NS), ntp_ppm
        self.delay_ms, self.jitter_ms = delay_ms, jitter_ms
        self.jams = jams
        self.sealing = sealing
        self.step_ns = step_ns
        self.ticks_ns = itertools.cycle(int(each * NS) for each in ticks_s)
        self.next_tick_ns = START
        self.sender = SenderClock()
        self.now_ns = START
        self.local: Callable[[int], int] = lambda true_ns: true_ns  # the recorder's clock
        self.spoil: Callable[[Track, int, int, int], tuple[int, int]] | None = None

    def ntp(self, true_ns: int) -> int:
        passed = int((true_ns - START) * (1 + self.ntp_ppm / 1e6))
        return ntp_to_unix_ns(unix_ns_to_ntp(START + self.ntp_off_ns + passed) & (1 << 64) - 1)

    def play(self, until_s: float) -> "Publisher":
        """Until so many seconds since the beginning."""
        end_ns = START + int(until_s * NS)
        while self.now_ns < end_ns:
            self.now_ns += self.step_ns
            for track in self.tracks.values():
                self._packets(track)
            due = self.now_ns >= self.next_tick_ns
            if due:
                self.next_tick_ns += next(self.ticks_ns)
            for track in self.tracks.values():
                if due or (track.clock is not None and track.clock.waits):
                    self._tick(track)
        return self

    def _delay_ns(self, arrival_ns: int) -> int:
        jam_ns = max((jam.delay_ns(arrival_ns) for jam in self.jams), default=0)
        usual_ns = int((self.delay_ms + self.random.expovariate(1) * self.jitter_ms) * MS)
        return max(jam_ns, usual_ns)

    def _packets(self, track: Track) -> None:
        """What came in this step: a packet after a silence, a report, the newest packet."""
        before_ns = self.now_ns - self.step_ns
        arrivals = [
            before_ns + n * self.step_ns // 2 + self.random.randrange(20 * MS) for n in (0, 1)
        ]
        for arrival_ns in arrivals:
            self._packet(track, arrival_ns)
            if track.clock is not None and track.reports_every_s:
                self._report(track, arrival_ns)

    def _packet(self, track: Track, arrival_ns: int) -> None:
        sent_ns = arrival_ns - self._delay_ns(arrival_ns)
        true_ns = sent_ns - track.encoding_ms * MS
        at_s = (true_ns - START) / NS
        if at_s < track.begins_s or any(jam.holds(arrival_ns) for jam in self.jams):
            return
        if any(each.from_s <= at_s < each.until_s for each in track.silences):
            return
        if track.captured and true_ns <= track.captured[-1]:
            return
        packet = Arrival(track.rtp(true_ns), self.local(arrival_ns))
        if track.clock is None:
            track.clock = TrackClock(RATE[track.kind], self.sender, packet)
            self._tell(track, track.clock.begin(), packet.at_ns)
            track.next_report_s = at_s + self.random.uniform(0.3, track.reports_every_s + 0.3)
        elif track.newest is not None and packet.at_ns - track.newest.at_ns >= max(
            PAUSE_NS, 2 * self.step_ns
        ):
            track.clock.resumed(track.newest, packet)
        track.newest = packet
        track.packets.append(packet)
        track.captured.append(true_ns)

    def _report(self, track: Track, arrival_ns: int) -> None:
        at_s = (arrival_ns - START) / NS
        if any(jam.holds(arrival_ns) for jam in self.jams) or at_s < track.next_report_s:
            return
        sent_ns = arrival_ns - self._delay_ns(arrival_ns)
        if at_s > track.reports_until_s or any(
            each.from_s <= at_s < each.until_s + 0.1 for each in track.silences
        ):
            return
        track.next_report_s = at_s + track.reports_every_s
        noise_ns = int(self.random.gauss(0, track.noise_ms) * MS)
        rtp, ntp_ns = track.rtp(sent_ns + noise_ns), self.ntp(sent_ns)
        if self.spoil is not None:
            rtp, ntp_ns = self.spoil(track, sent_ns, rtp, ntp_ns)
        assert track.clock is not None
        track.clock.report(rtp, ntp_ns, self.local(arrival_ns))

    def _tick(self, track: Track) -> None:
        if track.clock is None or track.newest is None:
            return
        local_ns = self.local(self.now_ns)
        points = track.clock.tick(track.newest, local_ns, sealed_ns=self._sealed_ns())
        self._tell(track, points, local_ns)

    def _sealed_ns(self) -> int:
        sealed_ns = self.now_ns - (self.now_ns - START) % PART_NS
        return self.local(sealed_ns) if self.sealing else 0

    def _tell(self, track: Track, points: Sequence[Point], at_ns: int) -> None:
        track.points += [
            TapeEvent(EventType.CLOCK, at_ns, track=track.kind, rtp=each.rtp, wall_ns=each.wall_ns)
            for each in points
        ]


def microphone(**more: Any) -> Track:
    """Its RTP time wraps after 100 s."""
    return Track("audio", **{"first_rtp": (1 << 32) - 100 * RATE["audio"], **more})


def camera(**more: Any) -> Track:
    """Its RTP time wraps after 13.2 h; a report every second, as browsers send them."""
    return Track("video", **{"first_rtp": 12_345, "reports_every_s": 1.0, **more})


def apart(publisher: Publisher, from_s: float = 0.0) -> list[int]:
    """By how much a publisher's video is later than its audio, ns, every second."""
    lines = {kind: track.map() for kind, track in publisher.tracks.items()}
    found = []
    for second in range(int(from_s) + 1, int((publisher.now_ns - START) / NS)):
        true_ns = START + second * NS
        at = {}
        for kind, track in publisher.tracks.items():
            place = lines[kind].locate(track.rtp(true_ns), publisher.local(true_ns) + 25 * MS)
            assert place is not None
            at[kind] = place[0]
        found.append(at["video"] - at["audio"])
    return found


def steepest(track: Track) -> float:
    """By how much time runs faster or slower than RTP time, at most; 0.005 is 5 ms per second."""
    line, most = track.map(), 0.0
    places = [line.locate(packet.rtp, packet.at_ns) for packet in track.packets]
    for one, two in itertools.pairwise(places):
        assert one is not None
        assert two is not None
        run_ns = (two[1] - one[1]) * NS // RATE[track.kind]
        assert two[0] >= one[0]
        most = max(most, (abs(two[0] - one[0] - run_ns) - 2) / max(run_ns, MS))
    return most


def assert_pure(track: Track, publisher: Publisher, *, packets: int = 40) -> None:
    """A cut places each packet where all later cuts place it, to the nanosecond.

    So does one of a tape whose earlier parts were deleted.  Looked at are so many packets before
    and after the end of each part.
    """
    whole = track.map()
    places = [whole.locate(packet.rtp, packet.at_ns) for packet in track.packets]
    arrivals = [packet.at_ns for packet in track.packets]
    for true_ns in range(START + PART_NS, publisher.now_ns, PART_NS):
        sealed_ns = publisher.local(true_ns)
        if sealed_ns <= track.points[0].at_ns:
            continue
        early, trimmed = track.map(sealed_ns - SETTLE_NS), track.trimmed_map(sealed_ns)
        end, next_part = (bisect_left(arrivals, at) for at in (sealed_ns - SETTLE_NS, sealed_ns))
        for i in range(max(0, end - packets), end):
            assert early.locate(track.packets[i].rtp, arrivals[i]) == places[i]
        for i in range(next_part, min(next_part + packets, len(places))):
            found, place = trimmed.locate(track.packets[i].rtp, arrivals[i]), places[i]
            assert (found and found[0]) == (place and place[0])


def lying(chance: random.Random) -> Callable[[Track, int, int, int], tuple[int, int]]:
    """What a sender makes of its reports: ``(track, when, RTP time, NTP time)`` as it is."""
    kinds = "noise", "jumps", "rate", "backwards", "creeps", "true"
    rate = chance.choice((-1, 0.5, 0.9, 0.99, 1.001, 1.1, 2))
    kind = chance.choice((*kinds, ""))
    off_ns = {"audio": 0, "video": 0}

    def spoil(track: Track, sent_ns: int, rtp: int, ntp_ns: int) -> tuple[int, int]:
        match kind or chance.choice(kinds):
            case "noise":
                if chance.random() < 0.3:
                    rtp = chance.randrange(1 << 32)
                if chance.random() < 0.3:
                    ntp_ns = chance.randrange(-(10**18), 10**19)
                ntp_ns += chance.randrange(-600 * MS, 600 * MS)
            case "jumps":
                if chance.random() < 0.15:
                    most_ms = chance.choice((1, 60, 400, 2_000, 20_000))
                    off_ns[track.kind] = chance.randint(-most_ms, most_ms) * MS
                ntp_ns += off_ns[track.kind]
            case "rate":
                ntp_ns = START + int((sent_ns - START) * rate)
            case "backwards":
                ntp_ns = 2 * START - sent_ns
            case "creeps":
                off_ns[track.kind] += chance.randint(-20, 45) * MS
                ntp_ns += off_ns[track.kind]
        return rtp, ntp_ns

    return spoil
