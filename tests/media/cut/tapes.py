"""Puts a scene on a real tape: packets, sender clocks and events, through the real writer."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from media.publish.packetize import (
    Av1Packetizer,
    H264Packetizer,
    Packetizer,
    SoundPacketizer,
    Vp8Packetizer,
    Vp9Packetizer,
)
from media.rtp.packet import build
from media.tape import orientation
from media.tape.model import NS, EventType, Frame, Kind, TapeEvent, Track
from media.tape.reader import Tape
from media.tape.writer import TapeWriter

_PART_NS = 5 * NS
_DELAY_NS = 8_000_000  # from capture to arrival
_CLOCK_EVERY = {Kind.AUDIO: 100, Kind.VIDEO: 30}  # frames per sender report

Packet = tuple[int, str, bytes]  # arrival_ns, track id, RTP


def on_tape(
    directory: Path,
    tracks: Iterable[Sequence[Frame]],
    events: Iterable[TapeEvent],
    *,
    lost: frozenset[tuple[str, int]] = frozenset(),
    fence: int = 1,
    jitter_ns: int = 0,
) -> Tape:
    """A tape of these frames; ``lost`` names (track id, index of a frame) that never arrived.

    ``fence``: the recorder that wrote it; what is in the directory already stays, and is that of
    its predecessor.  Packets are at random up to ``jitter_ns`` late.
    """
    tracks = [list(track) for track in tracks if track]
    items: list[tuple[int, int, object]] = [(event.at_ns, 0, event) for event in events]
    known: dict[str, Track] = {}
    for frames in tracks:
        known[frames[0].track.id] = frames[0].track
        items += [(point.at_ns, 1, point) for point in _clock(frames)]
        items += [(packet[0], 2, packet) for packet in _packets(frames, lost, jitter_ns)]
    directory.mkdir(parents=True, exist_ok=True)
    items.sort(key=lambda item: item[:2])
    asyncio.run(_write(directory, [item for _, _, item in items], known, fence))
    return Tape(directory)


async def _write(
    directory: Path, items: Sequence[object], known: dict[str, Track], fence: int
) -> None:
    first = min(_at(item) for item in items)
    earlier = Tape(directory).manifests()
    writer = TapeWriter(
        directory,
        fence=fence,
        first_number=0,
        on_sealed=lambda _: None,
        from_ns=first,
        before=earlier[-1] if earlier else None,
    )
    part_ends = first + _PART_NS
    for item in items:
        while _at(item) >= part_ends:
            writer.rotate(part_ends)
            part_ends += _PART_NS
        if isinstance(item, TapeEvent) and item.type is EventType.TRACK_ADDED:
            writer.add_track(known[item.track], item.at_ns)
        elif isinstance(item, TapeEvent):
            writer.event(item)
        else:
            arrival_ns, track, packet = item
            writer.rtp(track, packet, arrival_ns)
    await writer.close(part_ends)


def _at(item: object) -> int:
    return item.at_ns if isinstance(item, TapeEvent) else item[0]


def _clock(frames: Sequence[Frame]) -> Iterable[TapeEvent]:
    track = frames[0].track
    for frame in frames[:: _CLOCK_EVERY[track.kind]]:
        yield TapeEvent(
            EventType.CLOCK,
            frame.time_ns,
            track=track.id,
            rtp=frame.rtp_time & 0xFFFFFFFF,
            wall_ns=frame.time_ns,
        )


def _packets(
    frames: Sequence[Frame], lost: frozenset[tuple[str, int]], jitter_ns: int
) -> Iterable[Packet]:
    dice = random.Random(1)
    track = frames[0].track
    packetizers: dict[str, Packetizer] = {}
    seq = 65_500  # wraps soon
    for i, frame in enumerate(frames):
        codec = frame.codec
        packetizer = packetizers.setdefault(codec.key, _packetizer(codec.key))
        payloads = packetizer.payloads(frame.data, keyframe=frame.keyframe)
        for part, payload in enumerate(payloads):
            seq += 1
            if (track.id, i) in lost:
                continue
            last = part == len(payloads) - 1
            packet = build(
                pt=codec.payload_type,
                seq=seq,
                timestamp=frame.rtp_time,
                ssrc=track.ssrc,
                payload=payload,
                marker=last,
                extensions=_orientation(frame) if last else None,
            )
            late_ns = dice.randrange(jitter_ns) if jitter_ns else 0
            yield frame.time_ns + _DELAY_NS + late_ns + part, track.id, packet


def _orientation(frame: Frame) -> dict[int, bytes]:
    numbers = [number for number, uri in frame.track.extensions if uri == orientation.URI]
    return {number: bytes([frame.rotation // 90]) for number in numbers if frame.tells_rotation}


def _packetizer(codec: str) -> Packetizer:
    kinds = {
        "vp8": Vp8Packetizer,
        "vp9": Vp9Packetizer,
        "h264": H264Packetizer,
        "av1": Av1Packetizer,
    }
    return kinds.get(codec, SoundPacketizer)()
