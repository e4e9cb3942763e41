"""A room and publishers for the tests of capture: real sockets, real DTLS-SRTP, no codec."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from media.room.server import serve
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.network import LOOPBACK
from media.rtc.peer import Peer
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.codec import Codec

OPUS = Codec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1", ("nack",))
VP8 = Codec("VP8", 96, 90_000, 1, "", ("nack", "nack pli"))
VP8_START = b"\x10\x01"  # RFC 7741: a frame begins, it is no key frame
STEP = {"audio": 192, "video": 360}  # RTP time of the 4 ms between two packets


@asynccontextmanager
async def room(port: int, addresses: Sequence[str] = LOOPBACK) -> AsyncIterator[str]:
    """An embedded room in this process; its address."""
    stop = asyncio.Event()
    server = asyncio.create_task(serve("127.0.0.1", port, stop=stop, addresses=addresses))
    address = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http:
        for _ in range(200):
            try:
                await http.get(f"{address}/healthz")
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)
    try:
        yield address
    finally:
        stop.set()
        await server


class Line:
    """One track that a publisher sends: what was sent, and which of it the network loses."""

    def __init__(self, kind: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.kind = kind
        self.ssrc = self.random.randrange(1, 1 << 32)
        self.seq = self.random.randrange(1 << 16)
        self.timestamp = self.random.randrange(1 << 32)
        self.sent: dict[int, bytes] = {}  # by sequence number
        self.keyframes_asked = 0
        self.asked_again: list[int] = []

    def next(self) -> bytes:
        self.seq = self.seq + 1 & 0xFFFF
        self.timestamp = self.timestamp + STEP[self.kind] & 0xFFFFFFFF
        packet = rtp.build(
            pt=111 if self.kind == "audio" else 96,
            seq=self.seq,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            marker=self.kind == "video",
            payload=VP8_START + self.random.randbytes(80),
        )
        self.sent[self.seq] = packet
        return packet


class Publisher:
    """Sends numbered packets, answers NACKs from all it ever sent."""

    def __init__(self, address: str, cname: str, uid: str, drain: Drain, *, seed: int = 1) -> None:
        self.url = f"{address}/whip/{cname}/{uid}"
        self.lines = {kind: Line(kind, seed + n) for n, kind in enumerate(("audio", "video"))}
        self.location = ""
        self.deaf = False  # never answers a NACK
        self._address = address
        self._http = aiohttp.ClientSession()
        self._peer = Peer(
            controlling=True,
            on_rtp=lambda packet, at_ns: None,
            on_rtcp=self._on_rtcp,
            on_closed=lambda reason: None,
            drain=drain,
        )

    async def join(self) -> None:
        await self._peer.gather()
        media = [
            sdp.MediaSection(
                kind, str(n), "sendonly", codecs=(codec,), ssrcs=(self.lines[kind].ssrc,), cname="c"
            )
            for n, (kind, codec) in enumerate((("audio", OPUS), ("video", VP8)))
        ]
        offer = self._peer.describe(media).to_sdp()
        headers = {"Content-Type": "application/sdp"}
        async with self._http.post(self.url, data=offer, headers=headers) as response:
            assert response.status == 201, await response.text()
            self.location = self._address + response.headers["Location"]
            answer = sdp.parse(await response.text())
        await self._peer.connect(answer)

    async def send(self, count: int, *, lose: frozenset[int] = frozenset(), pace: float = 0.004):
        """``count`` packets of each track; those numbered in ``lose`` the network loses."""
        for number in range(count):
            for line in self.lines.values():
                packet = line.next()
                if number not in lose:
                    self._peer.send_rtp(packet)
            await asyncio.sleep(pace)

    def report(self) -> None:
        for line in self.lines.values():
            sr = rtcp.sender_report(
                line.ssrc,
                unix_ns=time.time_ns(),
                rtp_time=line.timestamp,
                packets=len(line.sent),
                octets=0,
            )
            self._peer.send_rtcp(sr + rtcp.source_description(line.ssrc, "c"))

    async def mute(self, kind: str, muted: bool) -> None:
        body = {"kind": kind, "muted": muted}
        async with self._http.post(f"{self.location}/mute", json=body) as response:
            assert response.status < 300

    async def leave(self) -> None:
        async with self._http.delete(self.location) as response:
            assert response.status < 300
        await self.close()

    async def close(self) -> None:
        await self._peer.close()
        await self._http.close()

    def _on_rtcp(self, packet: bytes, _at_ns: int) -> None:
        for each in rtcp.parse(packet):
            for line in self.lines.values():
                if isinstance(each, rtcp.Pli) and each.media_ssrc == line.ssrc:
                    line.keyframes_asked += 1
                if isinstance(each, rtcp.Nack) and each.media_ssrc == line.ssrc:
                    self._again(line, each.sequences)

    def _again(self, line: Line, sequences: tuple[int, ...]) -> None:
        line.asked_again += sequences
        for seq in sequences:
            if not self.deaf and seq in line.sent:
                self._peer.send_rtp(line.sent[seq])
