"""The other side of a measurement: publishers in a process of their own.

``python -m media.bench.sender CHANNEL_URL CONNECTIONS FIRST KIND...``, then a line of JSON on
stdin for each line of JSON on stdout: see :meth:`Sender.obey`.
"""

import asyncio
import heapq
import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from media.bench.payloads import OPUS_SAMPLES, VIDEO_FPS, opus_packets, vp8_payloads
from media.rtc import sdp
from media.rtc.drain import Drain
from media.rtc.interfaces import addresses_for
from media.rtc.network import Network
from media.rtc.peer import Peer
from media.rtp import packet as rtp
from media.rtp import rtcp
from media.rtp.codec import Codec
from media.tape.model import Kind

SLOT_S = 0.001  # what is due within this is sent together
REPORT_EVERY_S = {Kind.AUDIO: 5.0, Kind.VIDEO: 1.0}  # as libwebrtc does
_VIDEO_TICKS = 90_000 // VIDEO_FPS
_CODECS = {
    Kind.AUDIO: Codec("opus", 111, 48_000, 2, "minptime=10;useinbandfec=1", ("nack",)),
    Kind.VIDEO: Codec("VP8", 96, 90_000, feedback=("nack", "nack pli", "goog-remb")),
}


class Lane:
    """One track."""

    def __init__(self, peer: Peer, ssrc: int, codec: Codec, frames: list[list[bytes]]) -> None:
        self._peer, self._ssrc, self._pt = peer, ssrc, codec.payload_type
        video = codec is _CODECS[Kind.VIDEO]
        self.period_s = 1 / VIDEO_FPS if video else OPUS_SAMPLES / 48_000
        self._step = _VIDEO_TICKS if video else OPUS_SAMPLES
        kind = Kind.VIDEO if video else Kind.AUDIO
        self._report_every = round(REPORT_EVERY_S[kind] / self.period_s)
        self._frames = itertools.cycle(frames)
        self._number = 0  # of the frame
        self.sent = 0
        self._octets = 0

    def send(self) -> None:
        """The next frame, with a report now and then."""
        timestamp = self._number * self._step
        payloads = next(self._frames)
        for left, payload in zip(range(len(payloads) - 1, -1, -1), payloads, strict=True):
            self._peer.send_rtp(
                rtp.build(
                    pt=self._pt,
                    seq=self.sent,
                    timestamp=timestamp,
                    ssrc=self._ssrc,
                    payload=payload,
                    marker=left == 0,
                )
            )
            self.sent += 1
            self._octets += len(payload)
        if self._number % self._report_every == 0:
            report = rtcp.sender_report(
                self._ssrc,
                unix_ns=time.time_ns(),
                rtp_time=timestamp,
                packets=self.sent,
                octets=self._octets,
            )
            self._peer.send_rtcp(report + rtcp.source_description(self._ssrc, "bench"))
        self._number += 1


class Sender:
    """All publishers of this process."""

    def __init__(self, url: str, connections: int, first: int, kinds: list[Kind]) -> None:
        self._drain = Drain()
        self._network = Network(addresses=addresses_for(url))
        self._kinds = kinds
        self._frames: dict[Kind, list[list[bytes]]] = {}
        if Kind.AUDIO in kinds:
            self._frames[Kind.AUDIO] = [[packet] for packet in opus_packets()]
        if Kind.VIDEO in kinds:
            self._frames[Kind.VIDEO] = vp8_payloads()
        self._peers = {number: self._peer() for number in range(first, first + connections)}
        self._lanes: list[Lane] = []
        self._due: list[tuple[float, int, Lane]] = []  # a heap: when, which one
        self._sending: asyncio.Task[None] | None = None

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """``offer``, ``connect`` (and send), ``sent``, ``stop``; numbers are connections'."""
        match order["do"]:
            case "offer":
                return {"offers": [await self._offer(number) for number in order["numbers"]]}
            case "connect":
                answers = {number: sdp.parse(answer) for number, answer in order["answers"]}
                await asyncio.gather(
                    *(self._peers[number].connect(answer) for number, answer in answers.items())
                )
                self._begin(
                    [self._lane(number, kind) for number in answers for kind in self._kinds]
                )
            case "stop":
                await self._stop()
        return {"sent": sum(lane.sent for lane in self._lanes)}

    async def close(self) -> None:
        """Leave."""
        await self._stop()
        await asyncio.gather(*(peer.close() for peer in self._peers.values()))
        self._drain.close()

    def _peer(self) -> Peer:
        return Peer(
            controlling=True,
            on_rtp=lambda packet, at_ns: None,
            on_rtcp=lambda packet, at_ns: None,
            on_closed=lambda reason: None,
            drain=self._drain,
            network=self._network,
        )

    async def _offer(self, number: int) -> str:
        """What a browser with a microphone or a camera would offer."""
        await self._peers[number].gather()
        sections = [
            sdp.MediaSection(
                kind.value,
                str(mid),
                "sendonly",
                codecs=(_CODECS[kind],),
                ssrcs=(_ssrc(number, kind),),
                cname="bench",
            )
            for mid, kind in enumerate(self._kinds)
        ]
        return self._peers[number].describe(sections).to_sdp()

    def _lane(self, number: int, kind: Kind) -> Lane:
        return Lane(self._peers[number], _ssrc(number, kind), _CODECS[kind], self._frames[kind])

    def _begin(self, lanes: list[Lane]) -> None:
        """Send on these, too; spread over their periods, as strangers' clocks are."""
        now_s = asyncio.get_running_loop().time()
        for index, lane in enumerate(lanes):
            at_s = now_s + lane.period_s * index / len(lanes)
            heapq.heappush(self._due, (at_s, len(self._lanes), lane))
            self._lanes.append(lane)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="sending")

    async def _send(self) -> None:
        loop, due = asyncio.get_running_loop(), self._due
        while True:
            limit_s = loop.time() + SLOT_S
            while due[0][0] < limit_s:
                at_s, index, lane = due[0]
                lane.send()
                heapq.heapreplace(due, (at_s + lane.period_s, index, lane))
            await asyncio.sleep(max(0.0, due[0][0] - loop.time()))

    async def _stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)


def _ssrc(number: int, kind: Kind) -> int:
    return 1000 + 2 * number + (kind is Kind.VIDEO)


def orders() -> Iterator[dict[str, Any]]:
    """Lines of JSON on stdin.  Blocks."""
    for line in sys.stdin:
        yield json.loads(line)


def say(row: dict[str, Any]) -> None:
    """A line of JSON on stdout."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


async def main(url: str, connections: int, first: int, kinds: list[Kind]) -> None:
    """Until stdin ends."""
    loop, sender = asyncio.get_running_loop(), Sender(url, connections, first, kinds)
    say({"ready": True})
    coming = orders()
    try:
        while (order := await loop.run_in_executor(None, next, coming, None)) is not None:
            say(await sender.obey(order))
    finally:
        await sender.close()


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [Kind(kind) for kind in sys.argv[4:]])
    )
