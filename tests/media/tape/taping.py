"""Tapes made for tests, through the real writer."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from media.rtp.codec import Codec
from media.rtp.packet import build
from media.tape.disk import DiskThread
from media.tape.model import NS, EventType, Kind, PartManifest, Source, TapeEvent, Track
from media.tape.reader import Tape
from media.tape.writer import TapeWriter

T0 = 1_700_000_000 * NS
MS = NS // 1000
OPUS = Codec("opus", 111, 48_000, 2)
VP8 = Codec("VP8", 96, 90_000)
H264 = Codec("H264", 102, 90_000, 1, "packetization-mode=1;profile-level-id=42e01f")


def track(id_: str = "1.1", uid: str = "7", codec: Codec = OPUS, **changes: Any) -> Track:
    audio = codec.clock_rate == 48_000
    kind, source = (Kind.AUDIO, Source.MICROPHONE) if audio else (Kind.VIDEO, Source.CAMERA)
    row = {"id": id_, "uid": uid, "kind": kind, "source": source, "ssrc": 5, "codecs": (codec,)}
    return Track(**{**row, "connection": "c1", **changes})


def clock(of: Track, rtp: int, wall_ns: int, at_ns: int | None = None) -> TapeEvent:
    at_ns = wall_ns if at_ns is None else at_ns
    return TapeEvent(EventType.CLOCK, at_ns, track=of.id, rtp=rtp & 0xFFFFFFFF, wall_ns=wall_ns)


def opus(seq: int, payload: bytes | None = None, *, timestamp: int | None = None) -> bytes:
    """The packet with this number, of 20 ms each."""
    timestamp = seq * 960 if timestamp is None else timestamp
    payload = b"opus %d" % seq if payload is None else payload
    return build(pt=111, seq=seq, timestamp=timestamp, ssrc=5, payload=payload)


def vp8(
    seq: int,
    timestamp: int,
    *,
    first: bool = True,
    last: bool = True,
    key: bool = False,
    body: bytes = b"",
) -> bytes:
    head = b""
    if first:
        head = b"\x00\x00\x00\x9d\x01\x2a\x80\x02\x68\x01" if key else b"\x01"
    descriptor = b"\x90\x80\x05" if first else b"\x80\x80\x05"
    payload = descriptor + head + body
    return build(pt=96, seq=seq, timestamp=timestamp, ssrc=5, payload=payload, marker=last)


Act = Callable[[TapeWriter], Any]


def tape(
    directory: Path,
    acts: Iterable[Act],
    *,
    end_ns: int = T0 + 3600 * NS,
    fence: int = 1,
    first_number: int = 1,
    before: PartManifest | None = None,
) -> list[PartManifest]:
    """Do this with a writer, then close it."""
    sealed: list[PartManifest] = []

    async def run() -> None:
        writer = TapeWriter(
            directory,
            fence=fence,
            first_number=first_number,
            on_sealed=sealed.append,
            before=before,
            thread=DiskThread(0.01),
        )
        for act in acts:
            act(writer)
        await writer.close(end_ns)

    asyncio.run(run())
    return sealed


def adds(one: Track, at_ns: int = T0) -> Act:
    return lambda writer: writer.add_track(one, at_ns)


def tells(event: TapeEvent) -> Act:
    return lambda writer: writer.event(event)


def gives(one: Track, packet: bytes, arrival_ns: int) -> Act:
    return lambda writer: writer.rtp(one.id, packet, arrival_ns)


def rotates(at_ns: int) -> Act:
    return lambda writer: writer.rotate(at_ns)


AUDIO, VIDEO = track("1.1", "7"), track("1.2", "7", VP8, ssrc=6)
FAR = T0 + 1000 * NS
STEP = 20 * MS


def recorded(acts: Iterable[Act], **more: Any) -> Tape:
    """A tape of its own, in the directory of the test that runs."""
    directory = Path(tempfile.mkdtemp(dir=recorded.home))
    tape(directory, acts, **more)
    return Tape(directory)


def audio(numbers, *, delay_ns=5 * MS, first=0, start_ns=T0):
    """Packets with these numbers, each sent in time."""
    return [gives(AUDIO, opus(n), start_ns + (n - first) * STEP + delay_ns) for n in numbers]


def texts(frames):
    return [frame.data.decode() for frame in frames]
