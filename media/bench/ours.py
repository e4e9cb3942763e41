"""The recorder: taps, one tape per channel, what is due at its times."""

import asyncio
import itertools
import time
from pathlib import Path

from media.bench.contender import Outcome, Sample, own_sample
from media.capture.capture import TICK_S
from media.capture.collector import relax
from media.capture.deck import Deck
from media.capture.rack import Rack
from media.rtc.drain import Drain, recorder_drain
from media.rtc.rounds import beat
from media.tape.info import inspect_tape
from media.tape.model import Kind
from media.tape.writer import TapeWriter

PART_S = 5.0


class _Observer:
    """Keeps the lags."""

    def __init__(self) -> None:
        self.lags_ms: list[float] = []

    def first_packet(self, at_ns: int) -> None:
        pass

    def packets(self, count: int) -> None:
        pass

    def lost(self, count: int) -> None:
        pass

    def loop_lag(self, seconds: float) -> None:
        self.lags_ms.append(1000 * seconds)

    def dropped(self, count: int) -> None:
        pass

    def trouble(self, uid: str, reason: str) -> None:
        pass

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        pass


class _Recording:
    """What a recorder runs for one channel."""

    def __init__(self, number: int, directory: Path, drain: Drain, observer: _Observer) -> None:
        self.directory = directory
        self._observer = observer
        self._writer = TapeWriter(directory, fence=1, first_number=1, on_sealed=lambda part: None)
        self._rack = Rack(Deck(self._writer, observer, "1"), drain)
        self._uids = itertools.count(1)
        shift = 0.38 * number % 1  # recordings do not begin all at once
        self._beats = [
            asyncio.create_task(beat(TICK_S, self._tick, first_s=shift * TICK_S)),
            asyncio.create_task(self._rotate(shift * PART_S)),
        ]

    async def answer(self, offer: str) -> str:
        return await self._rack.open(str(next(self._uids))).answer(offer)

    async def close(self) -> None:
        for task in self._beats:
            if task.done():
                task.result()  # it ended before its time: raises why
            task.cancel()
        await self._rack.close()
        await self._writer.close(time.time_ns())

    def _tick(self, lag_s: float) -> None:
        self._observer.loop_lag(lag_s)
        self._rack.tick(time.time_ns())

    async def _rotate(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while True:
            self._writer.rotate(time.time_ns())
            await asyncio.sleep(PART_S)


class Ours:
    """See :class:`media.bench.contender.Contender`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._observer = _Observer()
        self._drain: Drain | None = None
        self._recordings: dict[int, _Recording] = {}

    async def open(self) -> None:
        """The drain belongs to the running loop."""
        self._drain = recorder_drain()
        relax()

    async def answer(self, channel: int, offer: str) -> str:
        """Tap one publisher; the first of a channel begins its recording."""
        recording = self._recordings.get(channel)
        if recording is None and self._drain is not None:
            directory = self._directory / f"tape-{channel}"
            recording = _Recording(channel, directory, self._drain, self._observer)
            self._recordings[channel] = recording
        if recording is None:
            raise RuntimeError("not open")
        return await recording.answer(offer)

    def settled(self) -> None:
        """Handshakes made timers late."""
        self._observer.lags_ms.clear()

    def sample(self) -> Sample:
        """Of this process."""
        return own_sample()

    async def close(self) -> Outcome:
        """Seal the tapes and count what is on them."""
        recordings = self._recordings.values()
        await asyncio.gather(*(recording.close() for recording in recordings))
        if self._drain is not None:
            self._drain.close()
        packets = 0
        for recording in recordings:
            if not recording.directory.exists():
                continue
            tape = inspect_tape(recording.directory)
            packets += sum(track.packets - track.duplicates for track in tape.tracks)
        return Outcome(packets, tuple(self._observer.lags_ms))
