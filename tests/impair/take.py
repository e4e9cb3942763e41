"""One pattern publisher recorded over a bad network: tape, mix, and what can be said of them."""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from media.capture.capture import Capture
from media.channels.base import Wants
from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.judge import decode, pattern
from media.publish.options import PublishOptions, Ready, Video
from media.publish.publisher import publish
from media.room.server import serve
from media.rtc.drain import Drain
from media.rtp.packet import peek
from media.tape.model import NS, EventType, Frame, Kind, Track
from media.tape.reader import Tape
from media.tape.writer import TapeWriter
from tests.impair.fates import Impairment
from tests.impair.relay import Log
from tests.impair.rig import Rig, impaired

UID = "101"
CNAME = "c"
SIZE = (640, 360)
FPS = 15
PACKET_MS = 20  # of sound
LEAD_S = 1.5  # after the first packet: what begins in the middle is not judged
LATE_S = 2.0  # published on behind the judged time, so that what is missing may still come
_WAIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Network:
    """Both directions of one path."""

    up: Impairment = field(default_factory=Impairment)
    down: Impairment = field(default_factory=Impairment)

    @classmethod
    def both(cls, impairment: Impairment) -> "Network":
        return cls(impairment, impairment)


@dataclass
class Seen:
    """An observer that remembers."""

    first_ns: int = 0
    count: int = 0
    given_up: int = 0

    def first_packet(self, at_ns: int) -> None:
        self.first_ns = at_ns

    def packets(self, count: int) -> None:
        self.count += count

    def lost(self, count: int) -> None:
        self.given_up += count

    def loop_lag(self, seconds: float) -> None:
        pass

    def dropped(self, count: int) -> None:
        raise AssertionError(f"the kernel dropped {count} datagrams")

    def trouble(self, uid: str, reason: str) -> None:
        raise AssertionError(f"{uid} cannot be heard: {reason}")

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        pass


@dataclass
class Take:
    """What was recorded.  ``network`` is what lay between room and recorder."""

    directory: Path
    ready: Ready
    begin_ns: int  # of the judged time
    end_ns: int
    seen: Seen
    network: Rig
    uplink: Rig | None  # between publisher and room

    def __post_init__(self) -> None:
        self.tape = Tape(self.directory / "tape")
        self._sequences = sequences(self.directory / "tape")

    def tracks(self, kind: Kind) -> list[Track]:
        return [track for track in self._sequences if track.kind is kind]

    def sequence(self, kind: Kind) -> list[int]:
        """The sequence numbers of a kind's only track as they came, unwrapped."""
        (track,) = self.tracks(kind)
        return self._sequences[track]

    def judged_numbers(self, kind: Kind) -> set[int]:
        """From the first one on tape to those that could still be asked for at the end; 16 bits."""
        numbers = self.sequence(kind)
        return {n & 0xFFFF for n in range(min(numbers), max(numbers) - 100)}

    def missing(self, kind: Kind) -> set[int]:
        """Which of these are not on tape."""
        return self.judged_numbers(kind) - {n & 0xFFFF for n in self.sequence(kind)}

    def log(self) -> Log:
        """Of the way from the room to the recorder, which connected once."""
        (relay,) = self.network.relays
        return relay.down.log

    def frames(self, kind: Kind) -> list[Frame]:
        (found,) = self.tape.frames(
            self.begin_ns, self.end_ns, tracks=lambda track: track.kind is kind
        ).values()
        return found

    def concealed_ms(self) -> float:
        """How much sound a player has to invent within the judged time."""
        times = [self.begin_ns, *(f.time_ns for f in self.frames(Kind.AUDIO)), self.end_ns]
        gaps = [(b - a) / 1e6 - PACKET_MS for a, b in itertools.pairwise(times)]
        return sum(gap for gap in gaps if gap > PACKET_MS / 2)

    def tally(self, name: str) -> int:
        """One of the counts on tape, summed over the tracks."""
        last = {
            event.track: dict(event.counts)
            for event in self.tape.events(0, 1 << 62)
            if event.type is EventType.TALLY
        }
        return sum(counts.get(name, 0) for counts in last.values())

    def judged(self) -> "Judged":
        spec = CompositeSpec(*SIZE, fps=FPS, bitrate=1000, look=Look(1))
        part = Slice(0, self.begin_ns, self.end_ns)
        result = cut_composite(
            self.tape, spec, origin_ns=self.begin_ns, slice=part, out_dir=self.directory
        )
        data = result.segments[0].path.read_bytes()
        seen, sound = pattern.watch(decode.pictures(data)), decode.sound(data)
        beeps = pattern.beeps(sound, UID)
        heard = pattern.heard(sound, UID, from_s=sound.start_s, until_s=sound.end_s)
        return Judged(seen, tuple(pattern.offsets(seen.flashes_s, beeps)), heard)


def sequences(directory: Path) -> dict[Track, list[int]]:
    """The sequence numbers of each track on a tape as they came, unwrapped."""
    found: dict[Track, list[int]] = {}
    for taped in Tape(directory).packets(0, 1 << 62):
        if not taped.rtcp:
            numbers = found.setdefault(taped.track, [])
            seq = peek(taped.data)[1]
            before = numbers[-1] if numbers else seq
            numbers.append(before + (seq - before + 0x8000 & 0xFFFF) - 0x8000)
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """What a viewer of the mix sees and hears."""

    seen: pattern.Seen
    offsets_s: tuple[float, ...]
    heard: float

    @property
    def av_p95_s(self) -> float:
        return pattern.p95(self.offsets_s)


@dataclass
class Stage:
    """What a scenario may do while it is recorded."""

    network: Rig
    uplink: Rig | None
    seen: Seen

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_WAIT_S):
            while not condition():
                await asyncio.sleep(0.01)


async def record(
    directory: Path,
    network: Network,
    *,
    seconds: float,
    seed: int = 1,
    uplink: Network | None = None,
    video: Video = Video.VP8,
    story: Callable[[Stage], Awaitable[None]] | None = None,
) -> Take:
    """Record so many seconds of one publisher; ``story`` goes on meanwhile."""
    await asyncio.to_thread((directory / "tape").mkdir, parents=True)
    with ExitStack() as rigs:
        async with room() as address:
            rig = rigs.enter_context(impaired(address, up=network.up, down=network.down, seed=seed))
            way_in = None
            if uplink is not None:
                way_in = rigs.enter_context(
                    impaired(address, up=uplink.up, down=uplink.down, seed=seed)
                )
            stage = Stage(rig, way_in, Seen())
            async with (
                _publishing(way_in.address if way_in else address, video) as ready,
                recording(directory / "tape", rig.address, stage.seen),
            ):
                await stage.until(lambda: stage.seen.first_ns > 0)
                begin_ns = stage.seen.first_ns + int(LEAD_S * NS)
                end_ns = begin_ns + int(seconds * NS)
                if story is not None:
                    await story(stage)
                await asyncio.sleep(max(0.0, end_ns / NS + LATE_S - time.time()))
    return Take(directory, ready, begin_ns, end_ns, stage.seen, rig, way_in)


@asynccontextmanager
async def room() -> AsyncIterator[str]:
    """An embedded room in this process; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = asyncio.Event()
    server = asyncio.create_task(serve("127.0.0.1", port, stop=stop))
    address = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http, asyncio.timeout(_WAIT_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                await http.get(f"{address}/healthz")
                break
            await asyncio.sleep(0.01)
    try:
        yield address
    finally:
        stop.set()
        await server


@asynccontextmanager
async def _publishing(address: str, video: Video) -> AsyncIterator[Ready]:
    stop = asyncio.Event()
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    options = PublishOptions(channel=f"room+{address}", cname=CNAME, uid=UID, video=video, fps=FPS)
    task = asyncio.create_task(publish(options, stop, on_ready=ready.set_result))
    try:
        await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED, timeout=_WAIT_S)
        if task.done():
            task.result()
        yield ready.result()
    finally:
        stop.set()
        await task


@asynccontextmanager
async def recording(directory: Path, address: str, seen: Seen) -> AsyncIterator[None]:
    """A recorder in the room at an address; at the end its tape is sealed."""
    drain, stop = Drain(), asyncio.Event()
    writer = TapeWriter(directory, fence=1, first_number=1, on_sealed=lambda _: None)
    capture = Capture(
        channel_url=f"room+{address}",
        cname=CNAME,
        recorder_uid="rec",
        token=None,
        wants=Wants(),
        writer=writer,
        live=False,
        max_idle_s=60.0,
        observer=seen,
        track_prefix="1",
        drain=drain,
    )
    task = asyncio.create_task(capture.run(stop))
    try:
        yield
    finally:
        stop.set()
        reason = await task
        await writer.close(time.time_ns())
        drain.close()
    assert reason == "stopped"
