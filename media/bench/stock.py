"""aiortc as it comes, with its recorder, and with its decoders taken out."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder
from aiortc.mediastreams import MediaStreamTrack

from media.bench.contender import Outcome, Sample, own_sample
from media.rtc.ice import stock_on_loopback
from media.rtc.stock import stock_without_decoders


class _Stock:
    """RTCPeerConnections that receive."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._peers: list[RTCPeerConnection] = []

    async def open(self) -> None:
        self._stack.enter_context(stock_on_loopback())

    async def answer(self, channel: int, offer: str) -> str:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peers.append(peer)
        await self._connect(peer, offer)
        return str(peer.localDescription.sdp)

    async def _connect(self, peer: RTCPeerConnection, offer: str) -> None:
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())

    def settled(self) -> None:
        pass

    def sample(self) -> Sample:
        return own_sample()

    async def close(self) -> Outcome:
        reports = [await peer.getStats() for peer in self._peers]
        await asyncio.gather(*(peer.close() for peer in self._peers))
        self._stack.close()
        return Outcome(
            sum(
                row.packetsReceived
                for report in reports
                for row in report.values()
                if row.type == "inbound-rtp"
            )
        )


class Bare(_Stock):
    """Nothing is decoded, nothing is kept: what aiortc's way of a packet costs."""

    async def open(self) -> None:
        """Take the decoders out."""
        await super().open()
        self._stack.enter_context(stock_without_decoders())


class Recorder(_Stock):
    """aiortc's MediaRecorder: a WAV for sound, a WebM where there is a picture."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._sinks: list[MediaRecorder] = []

    async def _connect(self, peer: RTCPeerConnection, offer: str) -> None:
        suffix = ".webm" if "m=video" in offer else ".wav"
        sink = MediaRecorder(str(self._directory / f"{len(self._sinks)}{suffix}"))

        def track_came(track: MediaStreamTrack) -> None:
            sink.addTrack(track)

        peer.on("track", track_came)
        await super()._connect(peer, offer)
        await sink.start()
        self._sinks.append(sink)

    async def close(self) -> Outcome:
        """Finish the files."""
        await asyncio.gather(*(sink.stop() for sink in self._sinks))
        return await super().close()
