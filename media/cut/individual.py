"""Stores each publisher's media apart: copied where possible, Opus as AAC where asked for.

Segments of different lines end at different times, so a unit of work is a range of the tape, not
a segment: unit ``k`` finishes every segment that ends before ``slice.end_ns``, and leaves the open
ones, by their start, to unit ``k + 1``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from media.cut import aac, files, snapshot
from media.cut.copying import Splitter
from media.cut.cursor import Cursor, LineState, dump, load
from media.cut.lines import Line, by_line
from media.cut.model import CutResult, IndividualSpec, Segment, Slice
from media.cut.pauses import Pauses
from media.cut.reading import MARGIN_NS, SOUND_LEAD_NS, line_pauses, read_lines
from media.cut.standard import Cameras, is_copied
from media.cut.transcoding import AacSplitter
from media.cut.wishes import Wishes
from media.tape.model import Frame, Kind
from media.tape.reader import Tape

_Frames = dict[str, list[Frame]]
_Lines = dict[Line, list[list[Frame]]]


def cut_individual(
    tape: Tape,
    spec: IndividualSpec,
    *,
    origin_ns: int,
    slice: Slice,  # noqa: A002  # the farm's word for it; the builtin is not used here
    cursor: Mapping[str, Any],
    final: bool,
    out_dir: Path,
) -> CutResult:
    """Make every segment that ends in this slice; with ``final`` also those still open.

    And the screenshots that are due in it, if ``spec`` asks for some.  ``cursor`` is what the unit
    before returned, ``{}`` at the start of a recording.  The same tape and cursor give the same
    bytes.
    """
    wishes = Wishes(spec.wanted, (), spec.only)
    unit = _Unit(tape, spec, wishes, origin_ns, slice, load(cursor), final, out_dir).listening()
    frames = unit.read() if spec.files else {}
    segments, after = unit.cut(by_line(frames)) if spec.files else ([], Cursor())
    segments += snapshot.due(
        unit.tape, origin_ns, spec.snapshot_s, slice, unit.wishes, frames, out_dir
    )
    segments.sort(key=lambda one: (one.start_ns, one.uid, one.source or "", one.container))
    keep = unit.keep_from_ns(after, frames)
    return CutResult(tuple(segments), keep, dump(after), frames if spec.files else None)


@dataclass(frozen=True, slots=True)
class _Unit:
    tape: Tape
    spec: IndividualSpec
    wishes: Wishes
    origin_ns: int
    slice: Slice
    before: Cursor
    final: bool
    out_dir: Path

    def listening(self) -> "_Unit":
        """The same on the part of the tape that is needed, with all that was asked for there."""
        since_ns = self._reads_from_ns()
        if self.spec.snapshot_s:
            since_ns = min(since_ns, self.slice.start_ns - snapshot.OLDEST_NS)
        near = self.tape.around(since_ns, self.slice.end_ns)
        events = near.events(0, self.slice.end_ns)
        return replace(self, tape=near, wishes=Wishes(self.spec.wanted, events, self.spec.only))

    def read(self) -> _Frames:
        """Every frame from the first that an open segment needs up to the slice's end."""
        kinds = self._kinds()
        return read_lines(
            self.tape,
            self.slice,
            self._starts(),
            fresh_ns=min(self._fresh()),
            origin_ns=self.origin_ns,
            wants=lambda track: kinds[track.kind] and self.wishes.ever(track),
        )

    def _kinds(self) -> dict[Kind, bool]:
        return {Kind.AUDIO: self.spec.audio, Kind.VIDEO: self.spec.video}

    def _reads_from_ns(self) -> int:
        return min([*self._fresh(), *self._starts().values()])

    def _starts(self) -> dict[Line, int]:
        """From when on each line is needed that has a segment open."""
        lines = self.before.lines.items()
        starts = {line: self._from_ns(line.kind, state) for line, state in lines}
        for line, state in self.before.copies.items():
            starts[line] = min(starts.get(line, self.slice.end_ns), self._copy_from_ns(state))
        return starts

    def _fresh(self) -> list[int]:
        """From when on lines are needed that have none."""
        kinds = [kind for kind, on in self._kinds().items() if on]
        return [self.slice.start_ns, *(self._from_ns(kind, LineState()) for kind in kinds)]

    def _from_ns(self, kind: Kind, state: LineState) -> int:
        if self._transcodes(kind):
            start = self.slice.start_ns
            if state.frame is not None:
                start = aac.frame_ns(state.frame, self.origin_ns)
            return min(start, self.slice.start_ns) - SOUND_LEAD_NS
        return self._copy_from_ns(state)

    def _copy_from_ns(self, state: LineState) -> int:
        start = self.slice.start_ns if state.start_ns is None else state.start_ns
        return min(start, self.slice.start_ns) - MARGIN_NS

    def _transcodes(self, kind: Kind) -> bool:
        return kind is Kind.AUDIO and self.spec.stream_mode != "original"

    def cut(self, found: _Lines) -> tuple[list[Segment], Cursor]:
        """The segments that end in this slice, and where everything stands after it."""
        made = _Made()
        merges = self._merges()
        cameras = Cameras(self.before.cameras, found) if merges else Cameras({}, {})
        for line in sorted(found.keys() | self.before.lines.keys()):
            tracks = found.get(line, [])
            if self._transcodes(line.kind):
                segments, made.lines[line] = self._transcode(line, tracks)
            else:
                segments, made.lines[line] = self._copy(line, tracks)
            made.segments += segments
            if merges and is_copied(line):
                segments, made.copies[line] = self._sound_copy(line, tracks, cameras)
                made.segments += segments
        after = Cursor(made.lines, made.copies, cameras.after(self.slice.end_ns))
        return made.segments, after

    def _merges(self) -> bool:
        """Whether there is a merged index; with one medium ``standard`` is as ``default`` is."""
        return self.spec.stream_mode == "standard" and self.spec.audio and self.spec.video

    def _pauses(self, line: Line, from_ns: int) -> Pauses:
        return line_pauses(self.tape, self.wishes, line, from_ns, self.slice.end_ns)

    def _copy(self, line: Line, tracks: list[list[Frame]]) -> tuple[list[Segment], LineState]:
        splitter, after = self._split(line, tracks, self.before.lines.get(line, LineState()))
        made = [
            files.copied(line, run, self.origin_ns, self.out_dir, on_grid=self._merges())
            for run in splitter.closed
        ]
        return made, after

    def _sound_copy(
        self, line: Line, tracks: list[list[Frame]], cameras: Cameras
    ) -> tuple[list[Segment], LineState]:
        """The line's Opus as WebM, as far as its publisher's pictures are WebM."""
        splitter, after = self._split(line, tracks, self.before.copies.get(line, LineState()))
        made = [
            files.opus_webm(line, run, self.origin_ns, self.out_dir)
            for run in splitter.closed
            if run.frames[0].codec.key == "opus"
            and cameras.sent_webm(line.uid, run.start_ns, run.end_ns)
        ]
        return made, after

    def _split(
        self, line: Line, tracks: list[list[Frame]], state: LineState
    ) -> tuple[Splitter, LineState]:
        begin = self._copy_from_ns(state)
        splitter = Splitter(state, self._pauses(line, begin))
        splitter.feed([f for track in tracks for f in track if f.time_ns >= begin])
        return splitter, splitter.finish(self.slice.end_ns, final=self.final)

    def _transcode(self, line: Line, tracks: list[list[Frame]]) -> tuple[list[Segment], LineState]:
        state = self.before.lines.get(line, LineState())
        begin = self._from_ns(line.kind, state)
        silent = self._pauses(line, begin)
        heard = [silent.audible(f for f in track if f.time_ns >= begin) for track in tracks]
        splitter = AacSplitter(state, heard, silent, origin_ns=self.origin_ns)
        limit = aac.frame_at(self.slice.end_ns, self.origin_ns)
        cut, after = splitter.split(limit, final=self.final)
        made = [files.transcoded(line, one, heard, self.origin_ns, self.out_dir) for one in cut]
        return made, after

    def keep_from_ns(self, after: Cursor, frames: _Frames) -> int:
        """The earliest time that the next unit will ask for."""
        end_ns = self.slice.end_ns
        following = replace(self, slice=Slice(self.slice.number + 1, end_ns, end_ns))
        needs = [following._from_ns(kind, LineState()) for kind in Kind]
        needs += [following._from_ns(line.kind, one) for line, one in after.lines.items()]
        needs += [following._copy_from_ns(one) for one in after.copies.values()]
        if self.spec.snapshot_s:
            needs.append(snapshot.keep_from_ns(self.tape, end_ns, self.wishes, frames))
        return min(needs)


@dataclass(slots=True)
class _Made:
    segments: list[Segment] = field(default_factory=list)
    lines: dict[Line, LineState] = field(default_factory=dict)
    copies: dict[Line, LineState] = field(default_factory=dict)
