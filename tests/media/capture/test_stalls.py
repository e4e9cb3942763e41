"""The recorder is starved of CPU: what came meanwhile is read at once, and stamped alike.

Time is simulated: packets with known times of capture go through an intake, nothing waits.
"""

import asyncio
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from recorder import Seen

from media.capture.deck import Deck
from media.capture.feedback import Feedback
from media.capture.intake import Intake
from media.capture.sections import Section, Sections
from media.rtp.codec import Codec
from media.rtp.rtcp import unix_ns_to_ntp
from media.tape.clockmap import ClockMap
from media.tape.model import NS, EventType, Kind, Source, TapeEvent, Track
from media.tape.writer import TapeWriter

MS = NS // 1000
START = 1_700_000_000 * NS
SECONDS = 18
NETWORK_NS = 15 * MS
ROUND_NS, TICK_NS, PART_NS = 20 * MS, NS // 4, 5 * NS

Stall = tuple[float, float]  # seconds: when, how long


@dataclass(frozen=True)
class Media:
    """One track as it is sent; a report every ``reports_s``, none for 0."""

    kind: Kind
    codec: Codec
    ssrc: int
    first_rtp: int
    period_ms: int
    packets: int  # of a frame
    encoding_ms: int
    reports_s: float

    def rtp(self, true_ns: int) -> int:
        return self.first_rtp + (true_ns - START) * self.codec.clock_rate // NS & 0xFFFFFFFF

    def sent(self) -> Iterator[tuple[int, bytes]]:
        """When each packet was sent; sequence numbers and RTP time of sound wrap."""
        seq = 65_400
        for true_ns in range(START, START + SECONDS * NS, self.period_ms * MS):
            for _ in range(self.packets):
                head = (0x80, self.codec.payload_type, seq & 0xFFFF, self.rtp(true_ns), self.ssrc)
                yield true_ns + self.encoding_ms * MS, struct.pack("!BBHII", *head) + bytes(40)
                seq += 1

    def reports(self, first_s: float) -> Iterator[tuple[int, bytes]]:
        at_ns = START + int(first_s * NS)
        while self.reports_s and at_ns < START + SECONDS * NS:
            ntp = unix_ns_to_ntp(at_ns - 86_400 * NS) & (1 << 64) - 1
            row = (0x80, 200, 6, self.ssrc, ntp, self.rtp(at_ns), 1, 1)
            yield at_ns, struct.pack("!BBHIQIII", *row)
            at_ns += int(self.reports_s * NS)


def both(reports_s: tuple[float, float]) -> tuple[Media, Media]:
    opus, vp8 = Codec("opus", 111, 48_000, 2), Codec("VP8", 96, 90_000)
    return (
        Media(Kind.AUDIO, opus, 1, (1 << 32) - 2 * 48_000, 20, 1, 5, reports_s[0]),
        Media(Kind.VIDEO, vp8, 2, 12_345, 66, 4, 30, reports_s[1]),
    )


@dataclass
class Tape:
    """What an intake asks of a writer."""

    sealed_ns: int = START - 2 * NS
    tracks: dict[str, Track] = field(default_factory=dict)
    events: list[TapeEvent] = field(default_factory=list)
    packets: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add_track(self, track: Track, at_ns: int) -> None:
        self.tracks[track.id] = track

    def remove_track(self, track_id: str, at_ns: int) -> None: ...

    def event(self, event: TapeEvent) -> None:
        self.events.append(event)

    def rtp(self, track_id: str, packet: bytes, arrival_ns: int) -> None:
        rtp = int.from_bytes(packet[4:8], "big")
        self.packets.setdefault(track_id, []).append((arrival_ns, rtp))

    def rtcp(self, track_id: str, packet: bytes, arrival_ns: int) -> None: ...

    def take_dropped(self) -> int:
        return 0

    def errors(self, media: Media) -> list[tuple[int, int]]:
        """``(captured_ns, by how much later it lies)`` of each packet."""
        track = next(one for one in self.tracks.values() if one.ssrc == media.ssrc)
        points = [
            each for each in self.events if each.type is EventType.CLOCK and each.track == track.id
        ]
        line = ClockMap(media.codec.clock_rate, points, points[0].at_ns)
        found = []
        for arrival_ns, rtp in self.packets[track.id]:
            place = line.locate(rtp, arrival_ns)
            assert place is not None
            ticks = rtp - media.first_rtp & 0xFFFFFFFF
            true_ns = START + ticks * NS // media.codec.clock_rate
            found.append((true_ns, place[0] - true_ns))
        return found


async def record(lines: Sequence[Media], stalls: Sequence[Stall], first_s: float) -> Tape:
    tape, rng = Tape(), random.Random(3)
    intake = Intake(
        Deck(cast(TapeWriter, tape), Seen(), "1"), "ann", Feedback(lambda _: None, lambda: None)
    )
    intake.agree(
        Sections(
            Section(one.kind, str(mid), source, (one.codec,), (one.ssrc,), (), {})
            for mid, (one, source) in enumerate(
                zip(lines, (Source.MICROPHONE, Source.CAMERA), strict=True)
            )
        )
    )
    arriving = sorted(
        (at_ns + NETWORK_NS + int(rng.expovariate(1) * MS), kind, packet)
        for one in lines
        for kind, rows in (("rtp", one.sent()), ("rtcp", one.reports(first_s)))
        for at_ns, packet in rows
    )
    now_ns, tick_ns, at = START, START + TICK_NS // 2, 0
    while now_ns < START + (SECONDS - 1) * NS:
        now_ns += ROUND_NS
        for from_s, length_s in stalls:
            if START + int(from_s * NS) <= now_ns < START + int((from_s + length_s) * NS):
                now_ns = START + int((from_s + length_s) * NS)
        while at < len(arriving) and arriving[at][0] <= now_ns:
            _, kind, packet = arriving[at]
            (intake.on_rtp if kind == "rtp" else intake.on_rtcp)(packet, now_ns)
            at += 1
        if now_ns >= tick_ns:
            intake.tick(now_ns)
            tick_ns = max(tick_ns + TICK_NS, now_ns)
        if now_ns - tape.sealed_ns >= PART_NS:
            tape.sealed_ns = now_ns
    intake.end()
    return tape


@pytest.mark.parametrize(
    ("reports_s", "first_s"), [((5, 1), 0.3), ((5, 1), 1), ((5, 5), 3.26), ((0, 0), 0)]
)
@pytest.mark.parametrize(
    "stalls",
    [
        [(0, 3)],
        [(0.1, 0.7)],
        [(0.3, 1.5)],
        [(0.5, 3)],
        [(2, 3)],
        [(8, 3)],
        [(n * 0.9, 0.8) for n in range(8)],
        [(n * 1.3 + 0.1, 0.9) for n in range(12)],
    ],
)
def test_a_stalled_recorder_keeps_sound_and_picture_together(stalls, reports_s, first_s):
    lines = both(reports_s)
    tape = asyncio.run(record(lines, stalls, first_s))
    assert len(tape.tracks) == 2  # nobody set a clock anew
    assert not any(dict(event.counts).get("lost") for event in tape.events)
    audio, video = (tape.errors(line) for line in lines)
    for errors in (audio, video):
        assert min(off for _, off in errors) > -30 * MS
        assert max(off for _, off in errors) < 80 * MS
    heard = {at_ns // (100 * MS): off for at_ns, off in audio}
    for at_ns, off in video:
        assert abs(off - heard[at_ns // (100 * MS)]) < 40 * MS
