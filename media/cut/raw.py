"""Mode ``raw``: each publisher's sound and pictures in one index (reference §2.12).

H.264 is copied into transport streams that hold the sound as AAC, VP8, VP9 and AV1 into WebM beside
untouched Opus (:mod:`media.cut.joint`).  A unit is a range of the tape, as in
:mod:`media.cut.individual`: what is open at its end goes on in the next one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from media.cut import joint, joint_files, snapshot
from media.cut.cursor import line_state
from media.cut.joint import Joint, JointPart, JointState
from media.cut.joint_piece import PieceMaker, RowState
from media.cut.lines import Line, by_line
from media.cut.model import CutResult, IndividualSpec, PieceFile, Segment, Slice
from media.cut.publication import Publication, publications
from media.cut.reading import LAG_NS, MARGIN_NS, SOUND_LEAD_NS, line_pauses, read_lines
from media.cut.wishes import Wishes
from media.tape.model import Frame, Kind
from media.tape.reader import Tape

_Frames = dict[str, list[Frame]]


@dataclass(frozen=True, slots=True)
class _State:
    joint: JointState = field(default_factory=JointState)
    row: RowState = field(default_factory=RowState)


def cut_raw(
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

    And their pieces of MP4 files, and screenshots, if ``spec`` asks for them.  ``cursor`` is what
    the unit before returned, ``{}`` at the start of a recording.  The same tape and cursor give the
    same bytes.
    """
    wishes = Wishes(spec.wanted, (), spec.only)
    unit = _Unit(tape, spec, wishes, origin_ns, slice, _load(cursor), final, out_dir).listening()
    frames = unit.read() if spec.files else {}
    after, segments, pieces = unit.cut(frames) if spec.files else ({}, [], [])
    segments += snapshot.due(
        unit.tape, origin_ns, spec.snapshot_s, slice, unit.wishes, frames, out_dir
    )
    segments.sort(key=lambda one: (one.start_ns, one.uid, one.source or "", one.container))
    pieces.sort(key=lambda one: (one.start_ns, one.stretch))
    return CutResult(
        tuple(segments),
        unit.keep_from_ns(after, frames),
        _dump(after),
        frames if spec.files else None,
        tuple(pieces),
    )


@dataclass(frozen=True, slots=True)
class _Unit:
    tape: Tape
    spec: IndividualSpec
    wishes: Wishes
    origin_ns: int
    slice: Slice
    before: Mapping[Publication, _State]
    final: bool
    out_dir: Path

    def listening(self) -> "_Unit":
        """The same on the part of the tape that is needed, with all that was asked for there."""
        since_ns = min([*self._fresh().values(), *self._starts(self.before).values()])
        if self.spec.snapshot_s:
            since_ns = min(since_ns, self.slice.start_ns - snapshot.OLDEST_NS)
        near = self.tape.around(since_ns, self.slice.end_ns)
        events = near.events(0, self.slice.end_ns)
        return replace(self, tape=near, wishes=Wishes(self.spec.wanted, events, self.spec.only))

    def read(self) -> _Frames:
        """Every frame from the first that an open segment needs up to the slice's end."""
        kinds = {Kind.AUDIO: self.spec.audio, Kind.VIDEO: self.spec.video}
        fresh = self._fresh()
        return read_lines(
            self.tape,
            self.slice,
            self._starts(self.before),
            fresh_ns=min(fresh[kind] for kind, on in kinds.items() if on),
            origin_ns=self.origin_ns,
            wants=lambda track: kinds[track.kind] and self.wishes.ever(track),
        )

    def _fresh(self) -> dict[Kind, int]:
        """From when on lines are needed that have no segment open."""
        state = _State()
        return {
            Kind.AUDIO: self._sound_from_ns(state),
            Kind.VIDEO: self._picture_from_ns(state),
        }

    def _starts(self, states: Mapping[Publication, _State]) -> dict[Line, int]:
        """From when on each known line is needed."""
        starts = {}
        for of, state in states.items():
            starts[of.sound] = self._sound_from_ns(state)
            starts[of.picture] = self._picture_from_ns(state)
        return starts

    def _sound_from_ns(self, state: _State) -> int:
        begin_ns = self.slice.start_ns - LAG_NS
        return joint.sound_from_ns(state.joint, begin_ns, self.origin_ns) - SOUND_LEAD_NS

    def _picture_from_ns(self, state: _State) -> int:
        start_ns = state.joint.picture.start_ns
        begin_ns = self.slice.start_ns - LAG_NS
        return min(begin_ns, begin_ns if start_ns is None else start_ns) - MARGIN_NS

    def cut(
        self, frames: _Frames
    ) -> tuple[dict[Publication, _State], list[Segment], list[PieceFile]]:
        """What ends in this slice, and where everything stands after it."""
        lines = by_line(frames)
        after: dict[Publication, _State] = {}
        segments: list[Segment] = []
        pieces: list[PieceFile] = []
        for of in sorted({*publications(lines), *self.before}):
            state = self.before.get(of, _State())
            made = self._publication(of, state, lines)
            after[of] = made.state
            segments += made.segments
            pieces += made.pieces
        return after, segments, pieces

    def _publication(
        self, of: Publication, state: _State, lines: Mapping[Line, list[list[Frame]]]
    ) -> "_Made":
        since_ns = {
            of.sound: self._sound_from_ns(state),
            of.picture: self._picture_from_ns(state),
        }
        silent = {
            line: line_pauses(self.tape, self.wishes, line, at_ns, self.slice.end_ns)
            for line, at_ns in since_ns.items()
        }
        tracks = {
            line: [[f for f in track if f.time_ns >= at_ns] for track in lines.get(line, ())]
            for line, at_ns in since_ns.items()
        }
        sounds = [silent[of.sound].audible(track) for track in tracks[of.sound]]
        plan = Joint(
            state.joint,
            sounds,
            silent[of.sound],
            origin_ns=self.origin_ns,
            until_ns=self.slice.end_ns - (0 if self.final else LAG_NS),
            final=self.final,
        )
        pictures = [frame for track in tracks[of.picture] for frame in track]
        after = plan.split(pictures, silent[of.picture])
        maker = PieceMaker(of, state.row, self.origin_ns)
        made = _Made(_State(after), [], [])
        for part in plan.parts:
            if not isinstance(part, JointPart):
                made.segments.append(joint_files.copied(of, part, self.origin_ns, self.out_dir))
                continue
            segment, sound = joint_files.joint(of, part, sounds, self.origin_ns, self.out_dir)
            made.segments.append(segment)
            if self.spec.mp4:
                piece = maker.made(part, sound, self.out_dir)
                made.pieces += [piece] if piece else []
        made.state = replace(made.state, row=maker.state)
        return made

    def keep_from_ns(self, after: Mapping[Publication, _State], frames: _Frames) -> int:
        """The earliest time that the next unit will ask for."""
        end_ns = self.slice.end_ns
        following = replace(self, slice=Slice(self.slice.number + 1, end_ns, end_ns))
        needs = [*following._fresh().values(), *following._starts(after).values()]
        if self.spec.snapshot_s:
            needs.append(snapshot.keep_from_ns(self.tape, end_ns, self.wishes, frames))
        return min(needs)


@dataclass(slots=True)
class _Made:
    state: _State
    segments: list[Segment]
    pieces: list[PieceFile]


def _load(cursor: Mapping[str, Any]) -> dict[Publication, _State]:
    """The states by publication; an empty cursor is the start of a recording."""
    return {
        Publication(row["uid"], row["screen"]): _State(
            JointState(
                **row["joint"]
                | {name: line_state(row["joint"][name]) for name in ("picture", "sound", "copy")}
            ),
            RowState(**row["row"]),
        )
        for row in cursor.get("publications", ())
    }


def _dump(states: Mapping[Publication, _State]) -> dict[str, Any]:
    """The inverse of :func:`_load`."""
    rows = [asdict(of) | asdict(state) for of, state in sorted(states.items())]
    return {"publications": rows}
