"""A recorder without a channel: taps that are fed by hand, a real tape, and a look at both."""

import asyncio
import gc
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from media.capture.deck import Deck
from media.capture.feedback import Feedback
from media.capture.intake import Intake
from media.capture.offers import CODECS, EXTENSIONS, answer_to
from media.capture.sections import Sections, section_of
from media.errors import BadPacket
from media.rtc import steady
from media.rtc.inbound import is_rtcp
from media.rtc.sdp import MediaSection
from media.rtp import rtcp, twcc
from media.rtp.packet import parse_header
from media.tape.model import NS, Kind, PartManifest, Source
from media.tape.reader import Tape
from media.tape.writer import TapeWriter
from tests.fuzz import corpus
from tests.fuzz.mutate import Mutator


def _sections() -> Iterator[MediaSection]:
    for mid, kind in enumerate(Kind):
        yield MediaSection(
            kind.value,
            str(mid),
            "sendonly",
            codecs=CODECS[kind],
            extensions={**EXTENSIONS[kind], ARRIVALS: twcc.URI},
            cname="c",
        )


ARRIVALS = 5  # id of the header extension of transport-wide numbers
SOURCES = {"audio": Source.MICROPHONE, "video": Source.CAMERA}
SECTIONS = Sections(
    found
    for theirs in _sections()
    if (found := section_of(theirs, answer_to(theirs), SOURCES[theirs.kind])) is not None
)

_WAIT_S = 20.0
_SRTP_LEAST = 12  # bytes: what is shorter, SRTP refuses
_SRTCP_LEAST = 8


class Clock:
    """Makes time pass faster than it does, for everybody in this process."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def skip(self, ns: int) -> None:
        self._ahead_ns += ns

    @contextmanager
    def running(self) -> Iterator[None]:
        wall_ns, passed_ns, now_ns = time.time_ns, time.monotonic_ns, steady.now_ns
        time.time_ns = lambda: wall_ns() + self._ahead_ns
        time.monotonic_ns = lambda: passed_ns() + self._ahead_ns
        steady.now_ns = lambda: now_ns() + self._ahead_ns
        try:
            yield
        finally:
            time.time_ns, time.monotonic_ns, steady.now_ns = wall_ns, passed_ns, now_ns


@dataclass
class Seen:
    """An observer that adds up."""

    taken: int = 0
    given_up: int = 0

    def first_packet(self, at_ns: int) -> None: ...

    def packets(self, count: int) -> None:
        self.taken += count

    def lost(self, count: int) -> None:
        self.given_up += count

    def loop_lag(self, seconds: float) -> None: ...

    def dropped(self, count: int) -> None: ...

    def trouble(self, uid: str, reason: str) -> None: ...

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None: ...


@dataclass
class Times:
    """CPU time of one thread for each of many calls, in nanoseconds."""

    count: int = 0
    sum: int = 0
    most: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.sum += ns
        self.most = max(self.most, ns)

    @property
    def mean(self) -> float:
        return self.sum / max(1, self.count)


class Bench:
    """A tape, and taps that write it."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.clock = clock
        self.directory = directory
        self.seen = Seen()
        self.sealed: deque[PartManifest] = deque(maxlen=1)
        self.writer = TapeWriter(directory, fence=1, first_number=1, on_sealed=self.sealed.append)
        self.deck = Deck(self.writer, self.seen, "1")
        self.told: deque[bytes] = deque(maxlen=1)
        self.tape = Tape(directory)

    @contextmanager
    def intake(self, *, arrivals: int | None = None) -> Iterator[Intake]:
        """A connection of a publisher who may send everything; what it is told goes nowhere."""
        intake = Intake(self.deck, "alice", Feedback(self.told.append, lambda: None))
        intake.agree(SECTIONS, arrivals=arrivals)
        try:
            yield intake
        finally:
            intake.end()

    async def sealed_part(self) -> PartManifest:
        """End the part and wait until it is on disk."""
        self.sealed.clear()
        self.writer.rotate(time.time_ns())
        async with asyncio.timeout(_WAIT_S):
            while not self.sealed:
                await asyncio.sleep(0.005)
        return self.sealed[-1]

    async def close(self) -> None:
        await self.writer.close(time.time_ns())


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    clock = Clock()
    with clock.running():
        made = Bench(directory, clock)
        try:
            yield made
        finally:
            await made.close()


def feed(intake: Intake, packet: bytes, arrival_ns: int) -> bool:
    """Hand over a packet as SRTP does; False for what could never come out of it."""
    if len(packet) < _SRTCP_LEAST or not 127 < packet[0] < 192:
        return False
    if is_rtcp(packet[1]):
        intake.on_rtcp(packet, arrival_ns)
    elif len(packet) >= _SRTP_LEAST:
        intake.on_rtp(packet, arrival_ns)
    return True


def parse(packet: bytes) -> None:
    """Through the parsers alone.  Raises all but BadPacket."""
    with suppress(BadPacket):
        header = parse_header(packet)
        header.extensions(packet)
        header.payload(packet)
    with suppress(BadPacket):
        rtcp.parse(packet)


def weight(thing: object) -> int:
    """How many objects hang on this one and on nothing of the surroundings."""
    seen: dict[int, object] = {}
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not _inside(one):
            continue
        seen[id(one)] = one
        waiting += gc.get_referents(one)
    return len(seen)


def _inside(one: object) -> bool:
    if isinstance(one, type | ModuleType | FunctionType | Deck):
        return False
    home = type(one).__module__
    return home in ("builtins", "collections", "_collections") or home.startswith("media.")


@dataclass
class Report:
    """What a run of fuzzing came to."""

    mutated: int = 0
    good: int = 0
    refused: int = 0  # could not come out of SRTP; only parsed
    tracks: int = 0
    frames: Counter[str] = field(default_factory=Counter)  # by codec
    taken: int = 0
    heaviest: int = 0  # objects of one tap
    most_tracks: int = 0  # of one tap
    tap: dict[bool, Times] = field(default_factory=lambda: {True: Times(), False: Times()})
    reading: dict[bool, Times] = field(default_factory=lambda: {True: Times(), False: Times()})
    rss: list[int] = field(default_factory=list)  # bytes, after each tap

    def to_json(self) -> dict[str, Any]:
        times = {
            f"{what}_{'hostile' if hostile else 'clean'}_us": {
                "mean": round(each.mean / 1000, 2),
                "most": round(each.most / 1000),
            }
            for what, both in (("tap", self.tap), ("reading", self.reading))
            for hostile, each in both.items()
        }
        plain = ("mutated", "good", "refused", "tracks", "frames", "taken", "heaviest")
        mib = [round(each / (1 << 20), 1) for each in self.rss]
        return {
            **{name: getattr(self, name) for name in plain},
            "most_tracks": self.most_tracks,
            **times,
            "rss_mib": {"first": mib[0], "second": mib[1] if mib[1:] else 0, "last": mib[-1]},
        }


async def fuzz(directory: Path, *, packets: int, seed: int, per_tap: int = 5000) -> Report:
    """So many mutated packets through taps, tape and reader; raises whatever escapes.

    One tap in four gets good packets only, for comparison.
    """
    import psutil

    report, process = Report(), psutil.Process()
    async with bench(directory) as made:
        number = 0
        while report.mutated < packets:
            hostile = number % 4 != 0
            await _one_tap(made, report, Mutator(seed + number), per_tap, hostile=hostile)
            part = await made.sealed_part()
            _read(made, report, part, hostile=hostile)
            made.tape.trim(part.until_ns)
            report.rss.append(process.memory_info().rss)
            number += 1
        report.taken = made.seen.taken
    return report


async def _one_tap(
    made: Bench, report: Report, mutator: Mutator, packets: int, *, hostile: bool
) -> None:
    dice = mutator.dice
    senders = [corpus.Sender(kind, codec, dice) for kind in Kind for codec in corpus.codecs(kind)]
    # A publisher sends one of each kind; a hostile one sends what it likes.
    senders = senders if hostile else [dice.choice(senders[:4]), dice.choice(senders[4:])]
    arrivals = ARRIVALS if dice.random() < 0.5 else None
    with made.intake(arrivals=arrivals) as intake:
        for n in range(packets):
            sender, now_ns = dice.choice(senders), time.time_ns()
            if dice.random() < 0.1:
                ssrcs = [each.ssrc for each in senders]
                packet = (
                    corpus.rtcp_packets(ssrcs, dice, now_ns) if hostile else sender.report(now_ns)
                )
                broken = mutator.rtcp(packet)
            else:
                packet = sender.again() if n > 99 and dice.random() < 0.05 else sender.next()
                broken = mutator.rtp(packet)
            if hostile and dice.random() < 0.85:
                packet = broken
                report.mutated += 1
                parse(packet)
            else:
                report.good += 1
            began_ns = time.thread_time_ns()
            passed = feed(intake, packet, now_ns)
            if passed:
                report.tap[hostile].add(time.thread_time_ns() - began_ns)
            report.refused += not passed
            made.clock.skip(dice.randrange(2_000_000))
            if hostile and dice.random() < 0.0005:
                made.clock.skip(dice.randrange(12 * NS))
            if n % 50 == 0:
                await asyncio.sleep(0)
            if n % 250 == 0:
                intake.tick(time.time_ns())
        report.heaviest = max(report.heaviest, weight(intake))


def _read(made: Bench, report: Report, part: PartManifest, *, hostile: bool) -> None:
    began_ns = time.thread_time_ns()
    frames = made.tape.frames(0, part.until_ns + NS)
    took_ns = time.thread_time_ns() - began_ns
    report.reading[hostile].add(took_ns // max(1, part.packets))
    assert not made.tape.damaged
    report.tracks += len(part.tracks)
    report.most_tracks = max(report.most_tracks, len(part.tracks))
    for found in frames.values():
        for frame in found:
            assert isinstance(frame.data, bytes)
            report.frames[frame.codec.key] += 1
