"""What is due for the tracks of a connection, in simulated time."""

import asyncio
import itertools
import struct
from collections.abc import Callable
from typing import cast

import pytest
from recorder import Seen
from test_stalls import Tape

from media.capture.allowance import MOST
from media.capture.deck import Deck
from media.capture.feedback import Feedback
from media.capture.intake import Intake
from media.capture.sections import Section, Sections
from media.rtp import rtcp
from media.rtp.codec import Codec
from media.tape.model import NS, Kind, Source
from media.tape.writer import TapeWriter

START = 1_700_000_000 * NS
STEP_NS, TICK_NS = NS // 50, NS // 4
SLICE_S = 15
SOUND = Section(Kind.AUDIO, "0", Source.MICROPHONE, (Codec("opus", 111, 48_000, 2),), (1,), (), {})
PICTURE = Section(
    Kind.VIDEO, "1", Source.CAMERA, (Codec("VP8", 96, 90_000, 1, "", ("nack pli",)),), (2,), (), {}
)
KEYFRAME = b"\x10\x00\x9d\x01\x2a"  # the first packet of one, VP8


class Publisher:
    """Feeds an intake, and keeps what it sends and when."""

    def __init__(self, *sections: Section) -> None:
        self.tape, self.now_ns = Tape(), START
        self.sent: list[tuple[int, rtcp.Packet]] = []
        deck = Deck(cast(TapeWriter, self.tape), Seen(), "1", SLICE_S * NS)
        self.intake = Intake(deck, "ann", Feedback(self._take, lambda: None))
        self.intake.agree(Sections(sections))
        self._sections = sections
        self._next = 0

    def _take(self, packet: bytes) -> None:
        self.sent += [(self.now_ns, each) for each in rtcp.parse(packet)]

    def run(self, seconds: float, rtp: Callable[[int], int] = lambda ns: ns) -> "Publisher":
        for _ in range(int(seconds * NS / STEP_NS)):
            self.now_ns += STEP_NS
            self._next += 1
            for section in self._sections:
                codec = section.codecs[0]
                time = rtp(self.now_ns - START) * codec.clock_rate // NS & 0xFFFFFFFF
                head = (0x80, codec.payload_type, self._next & 0xFFFF, time, section.ssrcs[0])
                packet = struct.pack("!BBHII", *head) + KEYFRAME
                self.intake.on_rtp(packet, self.now_ns)
            if (self.now_ns - START) % TICK_NS < STEP_NS:
                self.intake.tick(self.now_ns)
        return self

    def times_s(self, kind: type[rtcp.Packet]) -> list[float]:
        return [(at_ns - START) / NS for at_ns, packet in self.sent if isinstance(packet, kind)]


def go(scenario: Callable[[], None]) -> None:
    async def main() -> None:
        scenario()

    asyncio.run(main())


def test_a_track_is_asked_for_a_keyframe_where_each_slice_of_it_ends():
    def scenario() -> None:
        asked = Publisher(SOUND, PICTURE).run(62).times_s(rtcp.Pli)
        assert len(asked) == 5  # at once, and at four ends
        for number, at_s in enumerate(asked):
            assert number * SLICE_S <= at_s <= number * SLICE_S + 0.3 * (number + 1)

    go(scenario)


def test_sound_is_never_asked_for_keyframes():
    def scenario() -> None:
        publisher = Publisher(SOUND).run(40)
        assert not publisher.times_s(rtcp.Pli)
        assert publisher.intake._write == publisher.intake._tape  # nobody looks at its packets

    go(scenario)


@pytest.mark.parametrize(("sections", "every_s"), [((SOUND,), 5.0), ((SOUND, PICTURE), 1.0)])
def test_reports_come_as_often_as_senders_expect_them(sections, every_s):
    def scenario() -> None:
        publisher = Publisher(*sections).run(31)
        blocks = [
            at_ns
            for at_ns, packet in publisher.sent
            if isinstance(packet, rtcp.ReceiverReport) and len(packet.reports) == len(sections)
        ]
        apart = [(b - a) / NS for a, b in itertools.pairwise(blocks)]
        regular = [each for each in apart if each > 0.5]
        assert all(abs(each - every_s) < 0.1 for each in regular)
        assert len(regular) >= 30 / every_s - 2

    go(scenario)


def test_tracks_that_a_sender_may_not_begin_are_counted():
    def scenario() -> None:
        publisher = Publisher(SOUND)
        for number in range(2 * MOST):  # RTP time leaps each time
            publisher.run(0.02, lambda ns, by=number: ns + by * 1000 * NS)
        assert len(publisher.tape.tracks) <= MOST
        assert publisher.intake._strangers >= MOST - 2

    go(scenario)


def test_after_the_end_nothing_is_kept_for_the_sender():
    """Packets go on coming, and nobody tells of them any more."""

    def scenario() -> None:
        publisher = Publisher(PICTURE)
        publisher.intake.agree(Sections((PICTURE,)), arrivals=5)
        publisher.run(1).intake.end()
        arrivals = publisher.intake._arrivals
        assert arrivals is not None
        kept = len(arrivals._packets)
        assert kept == 50
        publisher.run(1)
        assert len(arrivals._packets) == kept

    go(scenario)
