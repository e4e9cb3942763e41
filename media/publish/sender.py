"""Sends a source's media in real time: encodes a little ahead, paces, answers feedback."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from media.errors import BadPacket
from media.publish.clock import MediaClock
from media.publish.payload_log import PayloadLog
from media.publish.sources import MediaSource, Unit
from media.publish.track import OutgoingTrack
from media.rtp import rtcp
from media.tape.model import Kind

_log = structlog.get_logger(__name__)

_AHEAD_S = 0.08  # what is encoded before its time; also the price of a key frame request
_MOST_QUEUED = 2000  # units per track; only a file with badly interleaved tracks comes near
_REPORT_S = 1.0
_KEYFRAME_PAUSE_S = 0.5  # between two key frames that others ask for
_BURST = 8  # packets sent in one go
_SPREAD_S = 0.005  # between two goes
_SPREAD_MOST_S = 0.03  # all of a frame is out by then


class Sender:
    """Owns the encoder thread and one queue per track; sends through two callables."""

    def __init__(
        self,
        source: MediaSource,
        tracks: dict[Kind, OutgoingTrack],
        clock: MediaClock,
        *,
        send_rtp: Callable[[bytes], None],
        send_rtcp: Callable[[bytes], None],
        payload_log: PayloadLog | None = None,
    ) -> None:
        self._source, self._tracks, self._clock = source, tracks, clock
        self._send_rtp, self._send_rtcp = send_rtp, send_rtcp
        self._payload_log = payload_log
        self._queues: dict[Kind, asyncio.Queue[Unit]] = {
            kind: asyncio.Queue(_MOST_QUEUED) for kind in tracks
        }
        self._encoded_s = dict.fromkeys(tracks, 0.0)
        self._key_asked = False
        self._last_key_s = -_KEYFRAME_PAUSE_S

    async def run(self) -> None:
        """Send until cancelled; what the encoder raises comes out of here."""
        for track in self._tracks.values():
            self._send_rtcp(track.report())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._encode(), name="encode")
                group.create_task(self._report(), name="report")
                for kind in self._tracks:
                    group.create_task(self._send(kind), name=f"send {kind}")
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    def bye(self) -> None:
        """Say that nothing more comes."""
        for track in self._tracks.values():
            self._send_rtcp(track.bye())

    def mute(self, kind: Kind, *, muted: bool) -> None:
        """Stop or go on with a track; harmless when there is none of that kind."""
        track = self._tracks.get(kind)
        if track is not None:
            track.mute(muted=muted)
            self._key_asked = self._key_asked or track.waits_for_key

    def on_rtcp(self, data: bytes) -> None:
        """Feedback of receivers: key frame requests and reports of loss."""
        try:
            packets = rtcp.parse(data)
        except BadPacket as exc:
            _log.warning("a receiver sent broken RTCP", error=str(exc))
            return
        for packet in packets:
            match packet:
                case rtcp.Pli():
                    self._ask_key(packet.media_ssrc)
                case rtcp.Fir():
                    for ssrc, _ in packet.targets:
                        self._ask_key(ssrc)
                case rtcp.Nack():
                    self._resend(packet)
                case _:
                    pass  # reception reports tell us nothing that we would act on

    def _ask_key(self, ssrc: int) -> None:
        video = self._tracks.get(Kind.VIDEO)
        self._key_asked = self._key_asked or (video is not None and video.ssrc == ssrc)

    def _resend(self, nack: rtcp.Nack) -> None:
        for track in self._tracks.values():
            if track.ssrc == nack.media_ssrc:
                for packet in track.again(nack.sequences):
                    self._send_rtp(packet)

    async def _encode(self) -> None:
        """Keep the queues filled a little ahead of their time, in a thread of our own."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        try:
            while True:
                await self._clock.until(min(self._encoded_s.values()) - _AHEAD_S)
                keyframe = self._take_key_request()
                for unit in await loop.run_in_executor(thread, self._step, keyframe):
                    await self._queues[unit.kind].put(unit)
                    self._encoded_s[unit.kind] = unit.time_s
        finally:
            thread.submit(self._source.close)  # after the step that may still be running
            thread.shutdown(wait=False)

    def _step(self, keyframe: bool) -> list[Unit]:
        return self._source.step(keyframe=keyframe)

    def _take_key_request(self) -> bool:
        now_s = self._clock.now_s()
        if not self._key_asked or now_s - self._last_key_s < _KEYFRAME_PAUSE_S:
            return False
        self._key_asked, self._last_key_s = False, now_s
        return True

    async def _send(self, kind: Kind) -> None:
        queue, track = self._queues[kind], self._tracks[kind]
        while True:
            unit = await queue.get()
            await self._clock.until(unit.time_s)
            packets = track.packets(unit)
            if kind is Kind.AUDIO and packets and self._payload_log is not None:
                self._payload_log.add(track.rtp_time(unit), unit.data)
            await self._pace(unit, packets)

    async def _pace(self, unit: Unit, packets: list[bytes]) -> None:
        """Send a frame's packets in small goes, each at its own absolute time."""
        goes = max(1, int(_SPREAD_MOST_S / _SPREAD_S))
        burst = max(_BURST, -(-len(packets) // goes))
        for index in range(0, len(packets), burst):
            if index:
                await self._clock.until(unit.time_s + index // burst * _SPREAD_S)
            for packet in packets[index : index + burst]:
                self._send_rtp(packet)

    async def _report(self) -> None:
        count = 0
        while True:
            count += 1
            await self._clock.until(count * _REPORT_S)
            for track in self._tracks.values():
                self._send_rtcp(track.report())
            if self._payload_log is not None:
                await asyncio.to_thread(self._payload_log.flush)
