"""Guests of a VideoRoom for tests: they speak the Janus API by themselves and send numbered
packets over real ICE, DTLS and SRTP."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aioice.ice import get_host_addresses

from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.network import Network
from media.rtc.peer import Peer
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.codec import Codec

OPUS = Codec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1", ("nack",))
VP8 = Codec("VP8", 96, 90_000, 1, "", ("nack", "nack pli"))
H264 = Codec(
    "H264",
    102,
    90_000,
    1,
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ("nack", "nack pli"),
)
VP8_KEYFRAME = b"\x10\x10\x02\x00\x9d\x01\x2a\x40\x01\xb4\x00"  # RFC 6386 §9.1: 320x180
VP8_FRAME = b"\x10\x11\x02\x00"
WAIT_S = 15.0


def network() -> Network:
    """Of both ends: Janus's ICE leaves loopback out, so the host's own addresses it is."""
    return Network(addresses=tuple(get_host_addresses(use_ipv4=True, use_ipv6=False)))


@dataclass
class Line:
    """One m-line of a publisher, with one SSRC or, in simulcast, one for each layer."""

    mid: str
    codec: Codec
    description: str = ""
    layers: int = 1
    active: bool = True
    seed: int = 0
    keyframes_asked: int = 0
    sent: dict[int, list[int]] = field(default_factory=dict)  # sequence numbers by layer

    def __post_init__(self) -> None:
        rand = random.Random(self.seed or self.mid)
        self.ssrcs = [rand.randrange(1, 1 << 32) for _ in range(self.layers)]
        self.seq = [rand.randrange(1 << 15) for _ in range(self.layers)]
        self.timestamp = rand.randrange(1 << 32)

    @property
    def kind(self) -> str:
        return "audio" if self.codec is OPUS else "video"

    def next(self) -> list[bytes]:
        """The next packet of each layer; layer and number are in the payload: Janus counts anew."""
        self.timestamp = self.timestamp + (480 if self.kind == "audio" else 900) & 0xFFFFFFFF
        packets = []
        for layer, ssrc in enumerate(self.ssrcs):
            self.seq[layer] = self.seq[layer] + 1 & 0xFFFF
            self.sent.setdefault(layer, []).append(self.seq[layer])
            head = VP8_KEYFRAME if self.seq[layer] % 10 == 0 else VP8_FRAME
            packets.append(
                rtp.build(
                    pt=self.codec.payload_type,
                    seq=self.seq[layer],
                    timestamp=self.timestamp,
                    ssrc=ssrc,
                    marker=self.kind == "video",
                    payload=head + b"layer%d" % layer + bytes(58) + self.seq[layer].to_bytes(2),
                )
            )
        return packets


class Guest:
    """Somebody in a room; publishes nothing."""

    def __init__(self, url: str, room: str | int, uid: str | int, **join: Any) -> None:
        self.url = url.removeprefix("janus+")
        self.room, self.uid, self.join = room, uid, join
        self.events: list[dict[str, Any]] = []
        self._ids: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession | None = None

    async def enter(self) -> dict[str, Any]:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(self.url, protocols=("janus-protocol",))
        self._tasks.append(asyncio.create_task(self._read()))
        self._ids["session_id"] = (await self.ask("create"))["data"]["id"]
        attached = await self.ask("attach", plugin="janus.plugin.videoroom")
        self._ids["handle_id"] = attached["data"]["id"]
        self._tasks.append(asyncio.create_task(self._keep_alive()))
        entered = await self.say(
            request="join", ptype="publisher", room=self.room, id=self.uid, **self.join
        )
        return entered["plugindata"]["data"]

    async def say(self, jsep: dict[str, Any] | None = None, **body: Any) -> dict[str, Any]:
        extra = {"jsep": jsep} if jsep else {}
        return await self.ask("message", body=body, **extra)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        transaction = secrets.token_hex(6)
        reply = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(
            {"janus": kind, "transaction": transaction, **self._ids, **fields}
        )
        return await asyncio.wait_for(reply, WAIT_S)

    async def exit(self) -> None:
        """Vanish: only the socket is closed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            waiting = self._waiting.get(message.get("transaction", ""))
            if waiting is None:
                self.events.append(message)
            elif message["janus"] != "ack" and not waiting.done():
                waiting.set_result(message)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(5)
            await self._socket.send_json(
                {"janus": "keepalive", "transaction": secrets.token_hex(6), **self._ids}
            )


class Publisher(Guest):
    """Publishes its lines, changes them, stops."""

    def __init__(
        self, url: str, room: str | int, uid: str | int, drain: Drain, *lines: Line, **join: Any
    ) -> None:
        super().__init__(url, room, uid, **join)
        self.lines = list(lines) or [Line("a", OPUS), Line("v", VP8)]
        self._drain = drain
        self._peer: Peer | None = None
        self._sending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Enter, publish, and send until stopped."""
        await self.enter()
        await self.publish()

    async def publish(self) -> None:
        self._peer = Peer(
            controlling=True,
            on_rtp=lambda packet, at_ns: None,
            on_rtcp=self._on_rtcp,
            on_closed=lambda reason: None,
            drain=self._drain,
            network=network(),
        )
        await self._peer.gather()
        answer = await self._offer("publish")
        await self._peer.connect(sdp.parse(answer))
        self._sending = asyncio.create_task(self._send())

    async def change(self, *lines: Line) -> None:
        """Renegotiate: what is not in ``lines`` any more must be there as inactive."""
        self.lines = list(lines)
        await self._offer("configure")

    async def unpublish(self) -> None:
        """Returns when Janus has forgotten the connection, so that there may be another."""
        self.events.clear()
        await self.say(request="unpublish")
        async with asyncio.timeout(WAIT_S):
            while not any(event["janus"] == "hangup" for event in self.events):
                await asyncio.sleep(0.01)
        await self._stop()

    async def leave(self) -> None:
        await self._stop()
        await self.say(request="leave")
        await self.exit()

    async def exit(self) -> None:
        await self._stop()
        await super().exit()

    async def _stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        if self._peer is not None:
            await self._peer.close()
            self._peer = None

    async def _offer(self, request: str) -> str:
        assert self._peer is not None
        media = [
            sdp.MediaSection(
                line.kind,
                line.mid,
                "sendonly" if line.active else "inactive",
                codecs=(line.codec,),
                ssrcs=tuple(line.ssrcs) if line.active else (),
                cname="c",
            )
            for line in self.lines
        ]
        offer = self._peer.describe(media).to_sdp()
        for line in self.lines:
            if line.layers > 1:
                numbers = " ".join(str(ssrc) for ssrc in line.ssrcs)
                first = f"a=ssrc:{line.ssrcs[0]} "
                offer = offer.replace(first, f"a=ssrc-group:SIM {numbers}\r\n{first}", 1)
        said = [
            {"mid": line.mid, "description": line.description}
            for line in self.lines
            if line.description
        ]
        reply = await self.say(
            {"type": "offer", "sdp": offer},
            request=request,
            **({"descriptions": said} if said else {}),
        )
        assert "jsep" in reply, reply
        return reply["jsep"]["sdp"]

    async def _send(self) -> None:
        assert self._peer is not None
        while True:
            for line in self.lines:
                for packet in line.next() if line.active else ():
                    self._peer.send_rtp(packet)
            await asyncio.sleep(0.01)

    def _on_rtcp(self, packet: bytes, _at_ns: int) -> None:
        for each in rtcp.parse(packet):
            for line in self.lines:
                if isinstance(each, rtcp.Pli) and each.media_ssrc in line.ssrcs:
                    line.keyframes_asked += 1


@asynccontextmanager
async def visiting(*guests: Guest) -> AsyncIterator[None]:
    """Whatever happens, they are gone in the end."""
    try:
        yield
    finally:
        for guest in guests:
            await guest.exit()
