"""Mixes one slice of a channel: one picture of everybody, one sound of everybody."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import av

from media.cut import aac, h264
from media.cut.darkness import Range
from media.cut.encoder import SOFTWARE, Encoder
from media.cut.lines import Line
from media.cut.material import Material, gather
from media.cut.model import NOBODY, CompositeSpec, CutResult, Segment, Slice
from media.cut.picture import LinePictures, decodable
from media.cut.pieces import Sound, mix_piece
from media.cut.pieces import made as pieces_of
from media.cut.scenes import changes
from media.cut.sound import render
from media.cut.stage import Stage
from media.cut.ticks import TickGrid, first_ticks
from media.mux import adts
from media.mux.mpegts import CLOCK_HZ, START_TICKS, TransportStream, TsPacket
from media.mux.output import complete
from media.tape.model import Frame
from media.tape.reader import Tape

_AHEAD = 4  # ticks that a line is decoded ahead, if all lines together need no more than
_AHEAD_PIXELS = 60_000_000  # 90 MB
NO_IMAGES: Mapping[str, Path] = MappingProxyType({})
# What goes into the segment, and what the encoder gave: the latter goes into the piece.
_Encoded = tuple[TsPacket, h264.Picture | Sound]


def cut_composite(
    tape: Tape,
    spec: CompositeSpec,
    *,
    origin_ns: int,
    slice: Slice,  # noqa: A002  # the farm's word for it; the builtin is not used here
    out_dir: Path,
    images: Mapping[str, Path] = NO_IMAGES,
    encoder: Encoder = SOFTWARE,
) -> CutResult:
    """Make the segment of one slice.

    The tape should reach ``material.LOOK_AHEAD_NS`` past the slice, unless the recording ends
    there.  ``images`` are the files of the looks' URLs; one that is not there is not shown.  The
    same tape and images give the same bytes.  The last slice may be too short for a single tick:
    its sound has the picture of the next one with it, and without sound it gives no segment.
    Where ``encoder`` does not work, or gives up half-way, the one in software does it.
    """
    mix = _Mix.of(spec, slice, origin_ns)
    material = gather(tape, spec, slice)
    if mix.empty:
        return CutResult((), material.keep_from_ns, frames=material.frames, keep=material.keep)
    made = partial(_made, mix, material, slice, out_dir, images)
    try:
        return made(h264.working(encoder))
    except h264.EncoderFailed as error:
        if encoder == SOFTWARE:
            raise
        h264.give_up(encoder, error)
        return made(SOFTWARE)


def _made(
    mix: "_Mix",
    material: Material,
    part: Slice,
    out_dir: Path,
    images: Mapping[str, Path],
    encoder: Encoder,
) -> CutResult:
    spec = mix.spec
    path = out_dir / f"mix-{part.number:06d}.ts"
    stage = Stage(spec, _lines(material, mix), images)
    with (
        mix_piece(spec, path, stage.size) as piece,
        complete(path) as unfinished,
        TransportStream(unfinished) as stream,
    ):
        sources: list[Iterator[_Encoded]] = []
        if spec.video:
            video = stream.add_h264(*stage.size)
            sources.append(_video(mix, material, stage, encoder, video))
        if spec.audio:
            sources.append(_audio(mix, material, stream.add_aac()))
        for packet, unit in heapq.merge(*sources, key=lambda one: one[0].time):
            stream.write(packet)
            if piece is not None:
                piece.write(unit)
    segment = _segment(mix, part, path, stage.size, resumes=material.resumes)
    pieces = pieces_of(spec, segment)
    return CutResult(
        (segment,),
        material.keep_from_ns,
        frames=material.frames,
        pieces=pieces,
        keep=material.keep,
    )


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
        edges = part.start_ns, part.end_ns
        begin, end = map(grid.first_at, edges)
        first, last = (aac.frame_at(at, origin_ns) for at in edges)
        if spec.audio and first < last:
            end = max(end, begin + 1)  # players stumble over a segment without a picture
        return cls(spec, origin_ns, grid, range(begin, end), aac.Span(first, last))

    @property
    def empty(self) -> bool:
        return (self.spec.video and not self.ticks) or self.span.first == self.span.last

    @property
    def duration_s(self) -> float:
        return len(self.ticks) / self.spec.fps if self.spec.video else self.span.seconds


def _segment(
    mix: _Mix, part: Slice, path: Path, size: tuple[int, int], *, resumes: bool
) -> Segment:
    width, height = size if mix.spec.video else (0, 0)
    return Segment(
        uid=NOBODY,
        kind=mix.spec.kind,
        source=None,
        container="ts",
        path=path,
        start_ns=part.start_ns,
        duration_s=mix.duration_s,
        discontinuity=resumes,
        width=width,
        height=height,
        codec="h264" if mix.spec.video else "aac",
        resumed=resumes or part.number == 0,
    )


def _lines(material: Material, mix: _Mix) -> dict[Line, LinePictures]:
    pixels = sum(
        max((frame.width * frame.height for frame in frames), default=0)
        for frames in material.pictures.values()
    )
    ahead = min(_AHEAD, max(1, _AHEAD_PIXELS // max(1, pixels)))
    return {
        line: _line(frames, mix, material.dark.of(line), ahead)
        for line, frames in material.pictures.items()
    }


def _line(frames: list[Frame], mix: _Mix, dark: Sequence[Range], ahead: int) -> LinePictures:
    """The decodable pictures of a line."""
    times = [frame.time_ns for frame in frames]
    due = dict(zip(map(id, frames), first_ticks(times, mix.grid), strict=True))
    good = decodable(frames)
    return LinePictures(good, [due[id(frame)] for frame in good], dark, ahead)


def _video(
    mix: _Mix, material: Material, stage: Stage, encoder: Encoder, stream: int
) -> Iterator[_Encoded]:
    width, height = stage.size
    spec = mix.spec
    drawn = _drawn(mix, material, stage)
    pictures = h264.encode(
        drawn, width=width, height=height, fps=spec.fps, bitrate=spec.bitrate, encoder=encoder
    )
    for picture in pictures:
        time = picture.tick * CLOCK_HZ // spec.fps + START_TICKS
        yield TsPacket(stream, time, picture.data, picture.keyframe), picture


def _drawn(mix: _Mix, material: Material, stage: Stage) -> Iterator[tuple[int, av.VideoFrame]]:
    moments = [(tick, mix.grid.at(tick)) for tick in mix.ticks]
    for tick, scene in changes(material.scenes, moments):
        if scene is not None:
            stage.arrange(scene)
        yield tick, stage.draw(tick)


def _audio(mix: _Mix, material: Material, stream: int) -> Iterator[_Encoded]:
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
        sound = Sound(span.first + i, payload)
        yield TsPacket(stream, aac.frame_ticks(sound.frame), data), sound
