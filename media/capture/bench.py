"""CPU per RTP packet of our capture beside stock aiortc's, same packets, same run.

Each contender receives from a fresh sender process over DTLS-SRTP on loopback, one connection
per track.  What is counted is the CPU time of this whole process, threads included.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaRecorder
from aiortc.mediastreams import MediaStreamTrack

from media.capture.deck import Deck
from media.capture.rack import Rack
from media.capture.tap import RtpTap
from media.errors import FarmError
from media.rtc.drain import Drain
from media.rtc.ice import stock_on_loopback
from media.tape.writer import TapeWriter

SETTLE_S = 1.5
START_S = 30.0
STOP_S = 10.0
TICK_S = 0.25


class BenchFailed(FarmError):
    """The other side of the measurement did not do its part."""


class Contender(Protocol):
    """Something that receives."""

    name: str

    async def answer(self, offer: str) -> str:
        """Take one connection."""
        ...

    async def received(self) -> int:
        """RTP packets so far."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class _Count:
    def __init__(self) -> None:
        self.value = 0

    def first_packet(self, at_ns: int) -> None:
        pass

    def packets(self, count: int) -> None:
        self.value += count

    def lost(self, count: int) -> None:
        pass

    def loop_lag(self, seconds: float) -> None:
        pass


class Ours:
    """The taps of a recorder, with the tape written."""

    name = "tapefarm, tape written"

    def __init__(self, directory: Path) -> None:
        self._count = _Count()
        self._writer = TapeWriter(directory, fence=1, first_number=1, on_sealed=lambda part: None)
        self._drain = Drain()
        self._rack = Rack(Deck(self._writer, self._count, "1"), self._drain)
        self._taps: list[RtpTap] = []
        self._ticking = asyncio.create_task(self._tick())

    async def answer(self, offer: str) -> str:
        """Tap one publisher."""
        tap = self._rack.open(str(len(self._taps)))
        self._taps.append(tap)
        return await tap.answer(offer)

    async def received(self) -> int:
        """What was put on tape."""
        self._rack.tick(time.time_ns())
        return self._count.value

    async def close(self) -> None:
        """End the taps and seal the tape."""
        self._ticking.cancel()
        await self._rack.close()
        await self._writer.close(time.time_ns())
        self._drain.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._rack.tick(time.time_ns())


class Stock:
    """RTCPeerConnection, its tracks consumed by aiortc's own sinks."""

    def __init__(self, name: str, directory: Path | None) -> None:
        self.name = name
        self._directory = directory
        self._peers: list[RTCPeerConnection] = []
        self._sinks: list[MediaBlackhole | MediaRecorder] = []

    async def answer(self, offer: str) -> str:
        """One peer connection with one sink."""
        peer, sink = RTCPeerConnection(RTCConfiguration(iceServers=[])), self._sink()

        def track_came(track: MediaStreamTrack) -> None:
            sink.addTrack(track)

        peer.on("track", track_came)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await sink.start()
        self._peers.append(peer)
        self._sinks.append(sink)
        return str(peer.localDescription.sdp)

    async def received(self) -> int:
        """By aiortc's own statistics."""
        total = 0
        for peer in self._peers:
            report = await peer.getStats()
            total += sum(
                row.packetsReceived for row in report.values() if row.type == "inbound-rtp"
            )
        return total

    async def close(self) -> None:
        """End the sinks and the connections."""
        await asyncio.gather(*(sink.stop() for sink in self._sinks))
        await asyncio.gather(*(peer.close() for peer in self._peers))

    def _sink(self) -> MediaBlackhole | MediaRecorder:
        if self._directory is None:
            return MediaBlackhole()
        return MediaRecorder(str(self._directory / f"{len(self._sinks)}.wav"))


async def bench_capture(tracks: int = 20, seconds: float = 10.0) -> dict[str, Any]:
    """Measure ours, then aiortc with MediaBlackhole, then with MediaRecorder.

    The values are seconds of CPU and microseconds per packet.  Raises BenchFailed.
    """
    rows = []
    with tempfile.TemporaryDirectory() as home, stock_on_loopback():
        ours = Path(home, "tape")
        rows.append(await _measure(Ours(ours), tracks, seconds))
        rows.append(await _measure(Stock("aiortc, MediaBlackhole", None), tracks, seconds))
        rows.append(await _measure(Stock("aiortc, MediaRecorder", Path(home)), tracks, seconds))
    best = rows[0]["us_per_packet"]
    for row in rows:
        row["times_ours"] = round(row["us_per_packet"] / best, 2)
    return {"tracks": tracks, "seconds": seconds, "packets_per_track_and_s": 50, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    lines = [f"{result['tracks']} audio tracks, one connection each, {result['seconds']:g} s"]
    lines.append(f"{'':26}{'packets':>9}{'CPU s':>8}{'us/packet':>11}{'x ours':>8}")
    lines += [
        f"{row['name']:26}{row['packets']:>9}{row['cpu_s']:>8.2f}"
        f"{row['us_per_packet']:>11.1f}{row['times_ours']:>8.1f}"
        for row in result["rows"]
    ]
    return "\n".join(lines)


async def _measure(contender: Contender, tracks: int, seconds: float) -> dict[str, Any]:
    try:
        async with _sender(contender, tracks):
            await asyncio.sleep(SETTLE_S)
            packets, cpu_s = await contender.received(), time.process_time()
            await asyncio.sleep(seconds)
            cpu_s = time.process_time() - cpu_s
            packets = await contender.received() - packets
    finally:
        await contender.close()
    if packets < tracks * seconds * 45:
        raise BenchFailed(f"{contender.name} received {packets} packets only")
    return {
        "name": contender.name,
        "packets": packets,
        "cpu_s": round(cpu_s, 4),
        "us_per_packet": round(cpu_s / packets * 1e6, 2),
    }


@asynccontextmanager
async def _sender(contender: Contender, tracks: int) -> AsyncIterator[None]:
    """Publishers in a process of their own, connected to the contender."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "media.capture.bench_sender",
        str(tracks),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    if process.stdin is None or process.stdout is None:
        raise BenchFailed("the sender has no pipes")
    try:
        async with asyncio.timeout(START_S):
            offers = json.loads(await process.stdout.readline() or b"[]")
        if len(offers) != tracks:
            raise BenchFailed("the sender did not start")
        answers = [await contender.answer(offer) for offer in offers]
        process.stdin.write(json.dumps(answers).encode() + b"\n")
        await process.stdin.drain()
        yield
    finally:
        process.stdin.close()
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def main(*, as_json: bool = False) -> None:
    """Measure with the defaults and print."""
    result = asyncio.run(bench_capture())
    print(json.dumps(result) if as_json else table(result))
