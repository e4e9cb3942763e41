"""A media server that offers, as Janus does, and one tap that answers it; over real DTLS-SRTP."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media.capture.deck import Deck
from media.capture.rack import Rack
from media.capture.tap import RtpTap
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtp import packet as rtp
from media.rtp import rtcp, rtx, twcc
from media.rtp.codec import Codec
from media.tape.model import EventType, Kind, Source, TapeEvent, Track
from media.tape.writer import TapeWriter
from tests.taping import OnTape, Seen

OPUS = Codec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1", ("nack",))
VP8 = Codec("VP8", 96, 90_000, 1, "", ("nack", "nack pli", "ccm fir", "goog-remb"))
H264 = Codec("H264", 102, 90_000, 1, "packetization-mode=1;profile-level-id=42e01f", VP8.feedback)
RTX = Codec("rtx", 97, 90_000, 1, "apt=96")
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ORIENTATION = "urn:3gpp:video-orientation"
STEP_S = 0.004


@dataclass
class Line:
    """One m-line on which the server sends."""

    mid: str
    codecs: tuple[Codec, ...] = (VP8,)
    seed: int = 1
    repairs: bool = True  # by RTX where the codecs have it
    told: bool = True  # the offer says the SSRCs
    extensions: Mapping[int, str] = field(default_factory=dict)
    direction: str = "sendonly"
    packet_extensions: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.codec = self.codecs[0]
        self.kind = "audio" if self.codec.clock_rate == 48_000 else "video"
        self.ssrc = self.random.randrange(1, 1 << 32)
        self.rtx_ssrc = self.random.randrange(1, 1 << 32)
        self.seq = self.random.randrange(1 << 16)
        self.rtx_seq = self.random.randrange(1 << 16)
        self.timestamp = self.random.randrange(1 << 32)
        self.zero = self.timestamp  # what its RTP clock showed when it began
        self.began_s = time.monotonic()
        self.sent: dict[tuple[int, int], bytes] = {}  # by SSRC and sequence number
        self.nacked: list[int] = []
        self.plis: list[float] = []
        self.firs: list[int] = []
        self.reports: list[rtcp.ReportBlock] = []
        self.rembs: list[int] = []

    @property
    def rtx(self) -> Codec | None:
        found = [codec for codec in self.codecs if codec.apt == self.codec.payload_type]
        return found[0] if found and self.repairs else None

    def section(self) -> sdp.MediaSection:
        pair = ((self.ssrc, self.rtx_ssrc),) if self.rtx and self.told else ()
        return sdp.MediaSection(
            self.kind,
            self.mid,
            self.direction,
            codecs=self.codecs,
            extensions=self.extensions,
            ssrcs=(self.ssrc,) if self.told else (),
            repair_ssrcs=tuple(repair for _, repair in pair),
            repairs=pair,
            cname="c",
        )

    def now(self) -> int:
        """What its RTP clock shows."""
        ticks = int((time.monotonic() - self.began_s) * self.codec.clock_rate)
        return self.zero + ticks & 0xFFFFFFFF

    def next(self, *, payload: bytes | None = None, same_time: bool = False) -> bytes:
        self.seq = self.seq + 1 & 0xFFFF
        self.timestamp = self.timestamp if same_time else self.now()
        packet = rtp.build(
            pt=self.codec.payload_type,
            seq=self.seq,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            marker=self.kind == "video",
            payload=b"\x10\x01" + self.random.randbytes(80) if payload is None else payload,
            extensions=self.packet_extensions,
        )
        self.sent[self.ssrc, self.seq] = packet
        return packet

    def again(self, seq: int) -> bytes:
        """The packet as a retransmission."""
        packet = self.sent[self.ssrc, seq]
        if self.rtx is None:
            return packet
        self.rtx_seq = self.rtx_seq + 1 & 0xFFFF
        return rtx.wrap(
            packet,
            ssrc=self.rtx_ssrc,
            payload_type=self.rtx.payload_type,
            sequence=self.rtx_seq,
        )


class Server:
    """Sends its lines; its network loses what it is told to lose."""

    def __init__(self, drain: Drain, tap: RtpTap, lines: Iterable[Line]) -> None:
        self.lines = list(lines)
        self.tap = tap
        self.answer: sdp.Description | None = None
        self.arrivals: list[twcc.Feedback] = []
        self.deaf = False
        self.lose: Callable[[], bool] = lambda: False  # retransmissions
        self.peer = Peer(
            controlling=True,
            on_rtp=lambda packet, at_ns: None,
            on_rtcp=self._on_rtcp,
            on_closed=lambda reason: None,
            drain=drain,
        )

    async def connect(self, **options: Any) -> None:
        await self.peer.gather()
        await self.peer.connect(await self.negotiate(**options))

    async def negotiate(self, **options: Any) -> sdp.Description:
        offer = self.peer.describe([line.section() for line in self.lines]).to_sdp()
        self.answer = sdp.parse(await self.tap.answer(offer, **options))
        return self.answer

    def report(self) -> None:
        for line in self.lines:
            self.peer.send_rtcp(
                rtcp.sender_report(
                    line.ssrc,
                    unix_ns=time.time_ns(),
                    rtp_time=line.now(),
                    packets=len(line.sent),
                    octets=0,
                )
            )

    async def send(self, count: int, *, lose: frozenset[int] = frozenset()) -> None:
        for number in range(count):
            for line in self.lines:
                packet = line.next()
                if number not in lose:
                    self.peer.send_rtp(packet)
            await asyncio.sleep(STEP_S)

    def _on_rtcp(self, packet: bytes, _at_ns: int) -> None:
        for each in rtcp.parse(packet):
            match each:
                case rtcp.Nack():
                    self._resend(self._line(each.media_ssrc), each.sequences)
                case rtcp.ReceiverReport():
                    for block in each.reports:
                        self._line(block.ssrc).reports.append(block)
                case _:
                    self._note(each)

    def _note(self, packet: rtcp.Packet) -> None:
        match packet:
            case rtcp.Unknown(packet_type=205, count=twcc.FORMAT):
                self.arrivals.append(twcc.parse(packet.body))
            case rtcp.Fir():
                for ssrc, command in packet.targets:
                    self._line(ssrc).firs.append(command)
            case rtcp.Pli():
                self._line(packet.media_ssrc).plis.append(time.monotonic())
            case rtcp.Remb():
                for ssrc in packet.ssrcs:
                    self._line(ssrc).rembs.append(packet.bitrate)

    def _line(self, ssrc: int) -> Line:
        known = [line for line in self.lines if ssrc in (line.ssrc, line.rtx_ssrc)]
        return known[0] if known else Line("gone")

    def _resend(self, line: Line, sequences: tuple[int, ...]) -> None:
        line.nacked += sequences
        for seq in sequences:
            if not self.deaf and (line.ssrc, seq) in line.sent and not self.lose():
                self.peer.send_rtp(line.again(seq))


@dataclass
class Tapped:
    """A tap and what it put on tape."""

    directory: Path
    drain: Drain
    seen: Seen
    tap: RtpTap
    server: Server | None = None
    tracks: list[Track] = field(default_factory=list)
    events: list[TapeEvent] = field(default_factory=list)
    packets: dict[str, list[bytes]] = field(default_factory=dict)

    def serve(self, *lines: Line) -> Server:
        self.server = Server(self.drain, self.tap, lines)
        return self.server

    def read(self) -> None:
        found = OnTape.read(self.directory)
        self.tracks, self.events, self.packets = found.tracks, found.events, found.packets

    def of(self, kind: Kind, source: Source | None = None) -> list[Track]:
        return [t for t in self.tracks if t.kind is kind and source in (None, t.source)]

    def counts(self, track: Track) -> dict[str, int]:
        """The last tally of a track."""
        told = [e for e in self.events if e.type is EventType.TALLY and e.track == track.id]
        return dict(told[-1].counts)

    def sequences(self, track: Track) -> list[int]:
        return [rtp.parse_header(packet).seq for packet in self.packets[track.id]]


@asynccontextmanager
async def tapped(directory: Path) -> AsyncIterator[Tapped]:
    """A tap that is ticked; at the end its tape is read."""
    drain, seen = Drain(), Seen()
    writer = TapeWriter(directory, fence=1, first_number=1, on_sealed=lambda manifest: None)
    rack = Rack(Deck(writer, seen, "1"), drain)
    run = Tapped(directory, drain, seen, rack.open("alice"))
    ticking = asyncio.create_task(_tick(rack))
    try:
        yield run
        drain.flush()  # what is still in the sockets was sent
    finally:
        ticking.cancel()
        if run.server is not None:
            await run.server.peer.close()
        await rack.close()
        await writer.close(time.time_ns())
        drain.close()
    run.read()


async def _tick(rack: Rack) -> None:
    while True:
        await asyncio.sleep(0.25)
        rack.tick(time.time_ns())
