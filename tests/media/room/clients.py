"""Clients of a real room on loopback: publishers and subscribers on real ICE, DTLS and SRTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.test_utils import TestServer

from media.room.limits import Limits
from media.room.room import Room
from media.room.server import application
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.peer import Peer
from media.rtp import rtcp
from media.rtp.codec import Codec
from media.rtp.packet import build, parse_header

PATIENCE_S = 20
SDP = {"Content-Type": "application/sdp"}
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
PICTURE_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")


def run(test):
    """Turn an async test into one that pytest runs."""

    def wrapped():
        asyncio.run(asyncio.wait_for(test(), 60))

    wrapped.__name__ = test.__name__
    return wrapped


def opus(payload_type=111):
    return Codec("opus", payload_type, 48000, 2, "minptime=10;useinbandfec=1")


def vp8(payload_type=96):
    return Codec("VP8", payload_type, 90000, feedback=PICTURE_FEEDBACK)


class Client:
    """One Peer with everything it got, in lists."""

    def __init__(self, drain):
        self.rtp: list[bytes] = []
        self.rtcp: list[rtcp.Packet] = []
        self.raw_rtcp: list[bytes] = []
        self.closed = ""
        self.location = ""
        self.answer: sdp.Description | None = None
        self._changed = asyncio.Event()
        self.peer = Peer(
            controlling=True,
            on_rtp=self._rtp,
            on_rtcp=self._rtcp,
            on_closed=self._closed,
            drain=drain,
        )

    def of(self, kind):
        """The RTCP packets of one class that came."""
        return [packet for packet in self.rtcp if isinstance(packet, kind)]

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _rtp(self, packet, _at_ns):
        self.rtp.append(packet)
        self._changed.set()

    def _rtcp(self, compound, _at_ns):
        self.raw_rtcp.append(compound)
        self.rtcp += rtcp.parse(compound)
        self._changed.set()

    def _closed(self, reason):
        self.closed = reason
        self._changed.set()


class Events:
    """An open event stream."""

    def __init__(self, response):
        self._lines = response.content
        self.response = response

    async def next(self):
        name, data = "", None
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self._lines.readline()).decode():
                key, _, value = line.rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    data = json.loads(value)
                elif not line.strip() and data is not None:
                    return name, data
        raise EOFError

    async def until(self, name):
        while True:
            event, data = await self.next()
            if event == name:
                return data


class Place:
    """A room, and clients for it."""

    def __init__(self, room, server, http):
        self.room = room
        self.http = http
        self.base = str(server.make_url("")).rstrip("/")
        self.port = server.port
        self.drain = Drain()
        self.clients: list[Client] = []

    async def publish(self, uid="1", cname="c", *, ssrcs=(1000, 2000), query="", media=None):
        audio, video = ssrcs
        sections = media or (
            sdp.MediaSection("audio", "0", "sendonly", (opus(),), {1: AUDIO_LEVEL}, (audio,)),
            sdp.MediaSection("video", "1", "sendonly", (vp8(),), {4: MID}, (video,)),
        )
        return await self._enter(f"/whip/{cname}/{uid}{query}", sections)

    async def subscribe(self, uid="1", cname="c", *, query="", media=None):
        sections = media or (
            sdp.MediaSection("audio", "a", "recvonly", (opus(100),), {1: AUDIO_LEVEL}),
            sdp.MediaSection("video", "v", "recvonly", (vp8(101),), {4: MID}),
        )
        client = await self._enter(f"/whep/{cname}/{uid}{query}", sections)
        # The client's side of DTLS may be up a moment before the room's.
        session = self.room._find(client.location.rpartition("/")[2])
        async with asyncio.timeout(PATIENCE_S):
            while not session.attached:  # no event in the room for this
                await asyncio.sleep(0.002)
        return client

    async def joined(self, uid="1", cname="c", **more):
        """A publisher of whom the room says that it is there."""
        async with self.events(cname) as events:
            await events.next()
            client = await self.publish(uid, cname, **more)
            await events.until("joined")
        return client

    async def mute(self, client, kind, muted):
        order = {"kind": kind, "muted": muted}
        async with self.http.post(f"{self.base}{client.location}/mute", json=order) as response:
            return response.status, await response.json()

    @asynccontextmanager
    async def events(self, cname="c", query=""):
        async with self.http.get(f"{self.base}/channels/{cname}/events{query}") as response:
            assert response.status == 200
            assert response.content_type == "text/event-stream"
            yield Events(response)

    async def _enter(self, path, sections):
        client = Client(self.drain)
        self.clients.append(client)
        await client.peer.gather()
        offer = client.peer.describe(sections).to_sdp()
        async with self.http.post(self.base + path, data=offer, headers=SDP) as response:
            text = await response.text()
            assert response.status == 201, text
            assert response.content_type == "application/sdp"
            client.location = response.headers["Location"]
        client.answer = sdp.parse(text)
        await client.peer.connect(client.answer)
        return client


@asynccontextmanager
async def open_room(limits=None) -> AsyncIterator[Place]:
    """A room on a free port, and at the end nothing of it."""
    limits = limits or Limits()
    room = Room(limits)
    server = TestServer(application(room, limits))
    await server.start_server()
    async with aiohttp.ClientSession() as http:
        place = Place(room, server, http)
        try:
            yield place
        finally:
            await asyncio.gather(*(client.peer.close() for client in place.clients))
            place.drain.close()
            await server.close()
    assert room.counts() == {"channels": 0, "sessions": 0, "watchers": 0}


def packets(count, *, ssrc, pt, first=65530, ticks=3000):
    """RTP packets with payloads that differ, over the wrap of the sequence number."""
    return [
        build(
            pt=pt,
            seq=first + n,
            timestamp=4_294_960_000 + n * ticks,
            ssrc=ssrc,
            payload=bytes([n & 0xFF]) * (20 + 37 * n % 1100),
            marker=n % 3 == 0,
            extensions={1: b"\x7f"},
        )
        for n in range(count)
    ]


def but_for_type(packet):
    """A packet's payload type, and everything else."""
    header = parse_header(packet)
    return header.pt, (packet[:1], packet[1] & 0x80, packet[2:])
