"""Writes the segments of mode ``raw``."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge
from pathlib import Path

from media.cut import aac, files, opus
from media.cut.joint import PICTURE, CopyPart, JointPart, media_of
from media.cut.model import Segment
from media.cut.publication import Publication
from media.cut.sound import render
from media.mux import adts
from media.mux.codec_name import codec_name
from media.mux.mpegts import TransportStream, TsPacket, ticks
from media.mux.output import complete
from media.tape.model import NS, Frame

_Sounds = Sequence[Sequence[Frame]]
_AT_ONCE = 60 * opus.RATE // aac.FRAME  # frames of AAC


def joint(
    of: Publication, part: JointPart, sounds: _Sounds, origin_ns: int, out_dir: Path
) -> tuple[Segment, list[bytes]]:
    """A transport stream, and the AAC frames in it."""
    sound = _encoded(part.span, sounds, origin_ns) if part.span else []
    line = of.sound if part.run is None else of.picture
    path = out_dir / f"{line.stem}-{part.start_ns}.ts"
    with complete(path) as whole, TransportStream(whole) as stream:
        packets = [
            list(_pictures(part, stream, origin_ns)),
            list(_sound(part, sound, stream)),
        ]
        for packet in merge(*packets, key=lambda one: one.time):
            stream.write(packet)
    run = part.run
    segment = Segment(
        uid=of.uid,
        kind=media_of(part),
        source=line.source,
        container="ts",
        path=path,
        start_ns=part.start_ns,
        duration_s=(part.end_ns - part.start_ns) / NS,
        discontinuity=part.discontinuity,
        width=run.width if run else 0,
        height=run.height if run else 0,
        codec=run.frames[0].codec.key if run else "aac",
        resumed=part.resumed,
        rotation=run.rotation if run else 0,
        turns=tuple(run.turns) if run else (),
        profile=codec_name("h264", run.frames[0].data) if run else codec_name("aac", b""),
        index=part.index,
    )
    return segment, sound


def copied(of: Publication, part: CopyPart, origin_ns: int, out_dir: Path) -> Segment:
    """A WebM of pictures or of Opus, as they were sent."""
    if part.stream == PICTURE:
        made = files.copied(of.picture, part.run, origin_ns, out_dir, on_grid=True)
    else:
        made = files.opus_webm(of.sound, part.run, origin_ns, out_dir)
    return replace(made, listed=False, index=part.index, number=part.number)


def _encoded(span: aac.Span, sounds: _Sounds, origin_ns: int) -> list[bytes]:
    """A minute at once: segments may be long, where key frames are rare."""
    profile = aac.PROFILES[0]
    frames: list[bytes] = []
    for first in range(span.first, span.last, _AT_ONCE):
        part = aac.Span(first, min(first + _AT_ONCE, span.last))
        pcm = render(
            sounds, origin_ns, first=part.sample, count=part.samples, channels=profile.channels
        )
        frames += aac.encode(pcm, part, profile)
    return frames


def _pictures(part: JointPart, stream: TransportStream, origin_ns: int) -> Iterator[TsPacket]:
    if part.run is None:
        return
    index = stream.add_h264(part.run.width, part.run.height)
    for frame in part.run.frames:
        time = ticks(frame.time_ns, origin_ns)
        yield TsPacket(index, time, frame.data, frame.keyframe)


def _sound(part: JointPart, sound: Sequence[bytes], stream: TransportStream) -> Iterator[TsPacket]:
    if part.span is None:
        return
    index, channels = stream.add_aac(), aac.PROFILES[0].channels
    for i, payload in enumerate(sound):
        data = adts.frame(payload, channels)
        yield TsPacket(index, aac.frame_ticks(part.span.first + i), data)
