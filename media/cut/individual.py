"""Stores each publisher's media apart: copied where possible, Opus as AAC where asked for.

Segments of different lines end at different times, so a unit of work is a range of the tape, not
a segment: unit ``k`` finishes every segment that ends before ``slice.end_ns``, and leaves the open
ones, by their start, to unit ``k + 1``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.cut import aac, files, sound_clock
from media.cut.copying import Splitter
from media.cut.cursor import LineState, dump, load
from media.cut.lines import Line, by_line
from media.cut.model import CutResult, IndividualSpec, Segment, Slice
from media.cut.pauses import Pauses, pauses
from media.cut.transcoding import AacSplitter
from media.tape.model import NS, Frame, Kind
from media.tape.reader import Tape

# Times may still move a little between two readings; marks keep out what was there already.
_MARGIN_NS = NS
_AAC_LEAD_NS = sound_clock.LEAD_NS + NS

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

    ``cursor`` is what the unit before returned, ``{}`` at the start of a recording.  The same
    tape and cursor give the same bytes.
    """
    unit = _Unit(tape, spec, origin_ns, slice, load(cursor), final, out_dir)
    frames = unit.read()
    segments: list[Segment] = []
    states: dict[Line, LineState] = {}
    for line, tracks in unit.lines(by_line(frames)):
        made, states[line] = unit.cut(line, tracks)
        segments += made
    segments.sort(key=lambda one: (one.start_ns, one.uid, one.source or ""))
    keep = unit.keep_from_ns(states)
    return CutResult(tuple(segments), keep, dump(states.items()), frames)


@dataclass(frozen=True, slots=True)
class _Unit:
    tape: Tape
    spec: IndividualSpec
    origin_ns: int
    slice: Slice
    states: dict[Line, LineState]
    final: bool
    out_dir: Path

    def lines(self, found: _Lines) -> Iterator[tuple[Line, list[list[Frame]]]]:
        """Every line that has frames now, or a segment open."""
        for line in sorted(found.keys() | self.states.keys()):
            yield line, found.get(line, [])

    def read(self) -> dict[str, list[Frame]]:
        """Every frame from the first that an open segment needs up to the slice's end."""
        kinds = {Kind.AUDIO: self.spec.audio, Kind.VIDEO: self.spec.video}
        starts = [self._from_ns(line.kind, state) for line, state in self.states.items()]
        fresh = [self._from_ns(kind, LineState()) for kind, wanted in kinds.items() if wanted]
        return self.tape.frames(
            max(min([self.slice.start_ns, *fresh, *starts]), self.origin_ns),
            self.slice.end_ns,
            tracks=lambda track: kinds[track.kind],
        )

    def _from_ns(self, kind: Kind, state: LineState) -> int:
        if self._transcodes(kind):
            start = self.slice.start_ns
            if state.frame is not None:
                start = aac.frame_ns(state.frame, self.origin_ns)
            return min(start, self.slice.start_ns) - _AAC_LEAD_NS
        start = self.slice.start_ns if state.start_ns is None else state.start_ns
        return min(start, self.slice.start_ns) - _MARGIN_NS

    def _transcodes(self, kind: Kind) -> bool:
        return kind is Kind.AUDIO and self.spec.stream_mode != "original"

    def cut(self, line: Line, tracks: list[list[Frame]]) -> tuple[list[Segment], LineState]:
        """The finished segments of one line, and its state after them."""
        state = self.states.get(line, LineState())
        begin = self._from_ns(line.kind, state)
        events = self.tape.events(begin, self.slice.end_ns)
        silent = pauses(line, self.tape.roster(begin), events)
        if self._transcodes(line.kind):
            return self._transcode(line, state, tracks, silent)
        return self._copy(line, state, tracks, silent)

    def _copy(
        self, line: Line, state: LineState, tracks: list[list[Frame]], silent: Pauses
    ) -> tuple[list[Segment], LineState]:
        begin = self._from_ns(line.kind, state)
        splitter = Splitter(state, silent)
        splitter.feed([f for track in tracks for f in track if f.time_ns >= begin])
        after = splitter.finish(self.slice.end_ns, final=self.final)
        made = [files.copied(line, run, self.origin_ns, self.out_dir) for run in splitter.closed]
        return made, after

    def _transcode(
        self, line: Line, state: LineState, tracks: list[list[Frame]], silent: Pauses
    ) -> tuple[list[Segment], LineState]:
        begin = self._from_ns(line.kind, state)
        heard = [silent.audible(f for f in track if f.time_ns >= begin) for track in tracks]
        splitter = AacSplitter(state, heard, silent, origin_ns=self.origin_ns)
        limit = aac.frame_at(self.slice.end_ns, self.origin_ns)
        pieces, after = splitter.split(limit, final=self.final)
        made = [files.transcoded(line, one, heard, self.origin_ns, self.out_dir) for one in pieces]
        return made, after

    def keep_from_ns(self, states: Mapping[Line, LineState]) -> int:
        """The earliest time that the next unit will ask for."""
        after = Slice(self.slice.number + 1, self.slice.end_ns, self.slice.end_ns)
        following = _Unit(self.tape, self.spec, self.origin_ns, after, {}, self.final, self.out_dir)
        fresh = [following._from_ns(kind, LineState()) for kind in Kind]
        return min([*fresh, *(following._from_ns(line.kind, one) for line, one in states.items())])
