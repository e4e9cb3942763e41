"""Mixes one slice of a channel: one picture of everybody, one sound of everybody."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from media.cut import aac, h264
from media.cut.lines import Line
from media.cut.material import Material, gather
from media.cut.model import NOBODY, CompositeSpec, CutResult, Segment, Slice
from media.cut.picture import LinePictures, decodable
from media.cut.sound import render
from media.cut.stage import Stage, scenes
from media.cut.ticks import TickGrid, first_ticks
from media.mux import adts
from media.mux.mpegts import CLOCK_HZ, START_TICKS, TransportStream, TsPacket
from media.mux.output import complete
from media.tape.model import Frame
from media.tape.reader import Tape


def cut_composite(
    tape: Tape,
    spec: CompositeSpec,
    *,
    origin_ns: int,
    slice: Slice,  # noqa: A002  # the farm's word for it; the builtin is not used here
    out_dir: Path,
) -> CutResult:
    """Make the segment of one slice.

    The tape should reach ``material.LOOK_AHEAD_NS`` past the slice, unless the recording ends
    there.  The same tape gives the same bytes.  A slice too short for a single tick gives no
    segment.
    """
    mix = _Mix.of(spec, slice, origin_ns)
    material = gather(tape, spec, slice)
    if mix.empty:
        return CutResult((), material.keep_from_ns, frames=material.frames)
    path = out_dir / f"mix-{slice.number:06d}.ts"
    stage = Stage(spec, _lines(material, mix))
    with complete(path) as part, TransportStream(part) as stream:
        sources = []
        if spec.video:
            sources.append(_video(mix, material, stage, stream.add_h264(*stage.size)))
        if spec.audio:
            sources.append(_audio(mix, material, stream.add_aac()))
        for packet in heapq.merge(*sources, key=lambda packet: packet.time):
            stream.write(packet)
    segment = _segment(mix, slice, path, stage.size)
    return CutResult((segment,), material.keep_from_ns, frames=material.frames)


@dataclass(frozen=True, slots=True)
class _Mix:
    """One slice on the grids of pictures and of sound."""

    spec: CompositeSpec
    origin_ns: int
    grid: TickGrid
    ticks: range
    span: aac.Span

    @classmethod
    def of(cls, spec: CompositeSpec, part: Slice, origin_ns: int) -> "_Mix":
        grid = TickGrid(origin_ns, spec.fps)
        ticks = range(grid.first_at(part.start_ns), grid.first_at(part.end_ns))
        first, last = (aac.frame_at(at, origin_ns) for at in (part.start_ns, part.end_ns))
        return cls(spec, origin_ns, grid, ticks, aac.Span(first, last))

    @property
    def empty(self) -> bool:
        return (self.spec.video and not self.ticks) or self.span.first == self.span.last

    @property
    def duration_s(self) -> float:
        return len(self.ticks) / self.spec.fps if self.spec.video else self.span.seconds


def _segment(mix: _Mix, part: Slice, path: Path, size: tuple[int, int]) -> Segment:
    width, height = size if mix.spec.video else (0, 0)
    return Segment(
        uid=NOBODY,
        kind=mix.spec.kind,
        source=None,
        container="ts",
        path=path,
        start_ns=part.start_ns,
        duration_s=mix.duration_s,
        discontinuity=False,
        width=width,
        height=height,
        codec="h264" if mix.spec.video else "aac",
        resumed=part.number == 0,
    )


def _lines(material: Material, mix: _Mix) -> dict[Line, LinePictures]:
    return {line: _line(frames, mix) for line, frames in material.pictures.items()}


def _line(frames: list[Frame], mix: _Mix) -> LinePictures:
    """The decodable pictures of a line, from the last key frame due at the slice's start."""
    times = [frame.time_ns for frame in frames]
    due = dict(zip(map(id, frames), first_ticks(times, mix.grid), strict=True))
    good = decodable(frames)
    ticks = [due[id(frame)] for frame in good]
    start = mix.ticks.start
    keys = [i for i, frame in enumerate(good) if frame.keyframe and ticks[i] <= start]
    begin = keys[-1] if keys else 0
    return LinePictures(good[begin:], ticks[begin:])


def _video(mix: _Mix, material: Material, stage: Stage, stream: int) -> Iterator[TsPacket]:
    width, height = stage.size
    spec = mix.spec
    drawn = _drawn(mix, material, stage)
    encoded = h264.encode(drawn, width=width, height=height, fps=spec.fps, bitrate=spec.bitrate)
    for picture in encoded:
        time = picture.tick * CLOCK_HZ // spec.fps + START_TICKS
        yield TsPacket(stream, time, picture.data, picture.keyframe)


def _drawn(mix: _Mix, material: Material, stage: Stage) -> Iterator[tuple[int, av.VideoFrame]]:
    moments = [(tick, mix.grid.at(tick)) for tick in mix.ticks]
    for tick, occupants in scenes(material.states, moments):
        if occupants is not None:
            stage.arrange(occupants)
        yield tick, stage.draw(tick, everything=occupants is not None)


def _audio(mix: _Mix, material: Material, stream: int) -> Iterator[TsPacket]:
    profile, span = aac.PROFILES[mix.spec.audio_profile], mix.span
    pcm = render(
        material.sounds,
        mix.origin_ns,
        first=span.sample,
        count=span.samples,
        channels=profile.channels,
    )
    for i, payload in enumerate(aac.encode(pcm, span, profile)):
        data = adts.frame(payload, profile.channels)
        yield TsPacket(stream, aac.frame_ticks(span.first + i), data)
