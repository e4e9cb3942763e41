"""Stores each publisher's media as one WebM per continuous stretch, growing slice by slice.

A stretch begins where a line comes to be, or comes back after a mute, an absence or an interruption
(as in :mod:`media.cut.copying`), pictures at a key frame; it goes on over changes of resolution and
ends with a change of the codec.  A file can say only once how its pictures lie, so a camera that is
turned begins another one at the next key frame: nothing is left out, and no more than the pictures
up to there lie on their side, unless it is turned again and again (:mod:`media.cut.continuity`).
Every slice leaves a piece of each stretch that it touches.

Only what WebM knows is stored: VP8, VP9, AV1 and Opus.  Other lines leave nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from media.cut import opus, sound_packet
from media.cut.continuity import Continuity, LineState, Stretch, dump, load
from media.cut.copying import end_of
from media.cut.lines import Line, by_line
from media.cut.model import CutResult, IndividualSpec, PieceFile, Slice
from media.cut.pauses import Pauses
from media.cut.reading import MARGIN_NS, line_pauses
from media.cut.wishes import Wishes
from media.errors import BadPacket
from media.mux.av1c import av1c
from media.mux.clusters import ClusterIndex, WebmTrack, new_clusters
from media.mux.piece_writer import piece_at
from media.tape.model import NS, Frame, Kind
from media.tape.reader import Tape

_ONE_FRAME = 0xFC  # what stays of an Opus packet's first byte to say: one frame (RFC 6716 §3.1)

_log = structlog.get_logger(__name__)


def cut_stretches(
    tape: Tape,
    spec: IndividualSpec,
    *,
    origin_ns: int,
    slice: Slice,  # noqa: A002  # the farm's word for it; the builtin is not used here
    cursor: Mapping[str, Any],
    final: bool,
    out_dir: Path,
) -> CutResult:
    """Make the pieces of one slice; with ``final`` every stretch ends here.

    ``cursor`` is what the unit before returned, ``{}`` at the start of a recording.  The last
    piece of a stretch may be empty: that it ended is known when nothing comes any more.  The same
    tape and cursor give the same bytes.
    """
    before = load(cursor)
    starts = [_from_ns(slice.start_ns, state) for state in before.values()]
    near = tape.around(min([slice.start_ns, *starts]) - MARGIN_NS, slice.end_ns)
    wishes = Wishes(spec.wanted, near.events(0, slice.end_ns), spec.only)
    unit = _Unit(near, spec, wishes, origin_ns, slice, before, final, out_dir)
    frames = unit.read()
    lines = by_line(frames)
    pieces: list[PieceFile] = []
    after: dict[Line, LineState] = {}
    for line in sorted(lines.keys() | unit.before.keys()):
        touched, after[line] = unit.follow(
            line, [f for track in lines.get(line, ()) for f in track]
        )
        pieces += [unit.written(line, stretch) for stretch in touched]
    keep = min([slice.end_ns, *(_from_ns(slice.end_ns, state) for state in after.values())])
    return CutResult((), keep - MARGIN_NS, dump(after), frames, tuple(pieces))


@dataclass(frozen=True, slots=True)
class _Unit:
    tape: Tape
    spec: IndividualSpec
    wishes: Wishes
    origin_ns: int
    slice: Slice
    before: dict[Line, LineState]
    final: bool
    out_dir: Path

    def read(self) -> dict[str, list[Frame]]:
        """Every frame of the slice, and those before it that may be new."""
        kinds = {Kind.AUDIO: self.spec.audio, Kind.VIDEO: self.spec.video}
        return self.tape.frames(
            max(self.slice.start_ns - MARGIN_NS, self.origin_ns),
            self.slice.end_ns,
            tracks=lambda track: kinds[track.kind] and self.wishes.ever(track),
        )

    def follow(self, line: Line, frames: list[Frame]) -> tuple[list[Stretch], LineState]:
        """What the slice adds to a line's stretches, and the line's state after it."""
        state = self.before.get(line, LineState())
        continuity = Continuity(state, self._pauses(line, state))
        continuity.feed(frames)
        after = continuity.finish(line.kind, self.slice.end_ns, final=self.final)
        return [one for one in continuity.touched if one.frames or one.last], after

    def _pauses(self, line: Line, state: LineState) -> Pauses:
        from_ns = _from_ns(self.slice.start_ns, state) - MARGIN_NS
        return line_pauses(self.tape, self.wishes, line, from_ns, self.slice.end_ns)

    def written(self, line: Line, stretch: Stretch) -> PieceFile:
        """The files of one piece."""
        name = f"{line.stem}-{stretch.start_ns}"
        piece = piece_at(self.out_dir / f"{name}-{self.slice.number:06d}")
        with new_clusters(piece) as writer:
            for at_ns, data, keyframe in _blocks(stretch):
                splits = keyframe and line.kind is Kind.VIDEO
                time_ns = at_ns - stretch.start_ns
                writer.write(data, time_ns=time_ns, keyframe=keyframe, splits=splits)
        end_ns = stretch.end_ns - stretch.start_ns
        index = ClusterIndex(_track(stretch), tuple(writer.clusters), end_ns)
        index.write(piece.index)
        return PieceFile(
            "webm",
            piece.payload,
            piece.index,
            stretch.from_ns,
            max(0, stretch.end_ns - stretch.from_ns) / NS,
            index.bytes,
            line.uid,
            line.source,
            stretch.codec,
            name,
            stretch.last,
        )


def _from_ns(begin_ns: int, state: LineState) -> int:
    """When what decides about an open stretch begins."""
    if state.start_ns is None or state.mark is None:
        return begin_ns
    return min(begin_ns, state.mark.time_ns)


def _blocks(stretch: Stretch) -> Iterator[tuple[int, bytes, bool]]:
    """Time, data and whether it is a key frame, of everything that a piece holds."""
    until_ns = stretch.from_ns
    for frame in stretch.frames:
        if stretch.codec == "opus":
            yield from _concealed(until_ns, frame)
            until_ns = end_of([frame])
        yield frame.time_ns, frame.data, frame.keyframe


def _concealed(from_ns: int, frame: Frame) -> Iterator[tuple[int, bytes, bool]]:
    """Opus packets without content from a time up to a packet.

    Decoders make of them what a receiver hears when nothing comes.  Without them players put the
    packets after a pause directly behind those before it, whatever time they have.
    """
    empty = bytes((frame.data[0] & _ONE_FRAME,))
    step_ns = opus.samples(empty) * NS // opus.RATE
    for i in range(round((frame.time_ns - from_ns) / step_ns)):
        yield from_ns + i * step_ns, empty, True


def _track(stretch: Stretch) -> WebmTrack:
    """What a piece knows of its file's track; the first knows most."""
    if stretch.codec == "opus":
        channels = max(map(sound_packet.channels, stretch.frames), default=1)
        return WebmTrack("opus", channels=channels)
    if not stretch.fresh:
        return WebmTrack(stretch.codec)
    first = stretch.frames[0]
    config = _av1_config(first) if stretch.codec == "av1" else ""
    size = first.width, first.height
    return WebmTrack(stretch.codec, config, *size, rotation=stretch.rotation)


def _av1_config(first: Frame) -> str:
    try:
        return av1c(first.data).hex()
    except BadPacket as error:
        # Decoders find the sequence header in the pictures, too.
        _log.warning("An AV1 stream begins strangely.", uid=first.track.uid, error=str(error))
        return ""
