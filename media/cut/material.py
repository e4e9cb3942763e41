"""What a composite slice needs of the tape, and from when on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from media.cut import sound_clock, ticks
from media.cut.darkness import Darkness, Range, darkness
from media.cut.lines import Line, by_line
from media.cut.model import CompositeSpec, Slice
from media.cut.past import Past
from media.cut.scenes import Programme, Scene, programme
from media.tape.model import NS, Frame, Kind
from media.tape.reader import Tape

# Encoders and limiter look a little past the end; the tape should hold this much more.
LOOK_AHEAD_NS = 300_000_000
# Before the start: what settles the clocks of sound, and the bias of pictures.
_LEAD_NS = max(sound_clock.LEAD_NS + NS, ticks.LEAD_NS)
_HOLE_NS = NS // 2  # for so long nobody taped: what follows does not continue what was before
_AROUND_NS = 4 * NS  # of the tape, to read a picture as if all of it were there
_SHIFT = 2  # ticks: a picture may be shown so much later than its time

_Frames = Mapping[str, Sequence[Frame]]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that goes into one slice of a mix."""

    pictures: dict[Line, list[Frame]]  # from the key frame that the first shown one needs
    dark: Darkness  # when black ones among them do not count
    sounds: list[list[Frame]]  # one list per track; what was not wanted is not there
    scenes: tuple[tuple[int, Scene], ...]  # since when (Unix nanoseconds); the first since ever
    keep_from_ns: int  # the earliest time that the slice after this one will ask for, and
    keep: tuple[Range, ...]  # earlier ones, of pictures that still stand
    frames: _Frames  # of lead-in, slice and look-ahead, by track id
    resumes: bool  # nobody had taped for a while when a recorder took over in this slice


def gather(tape: Tape, spec: CompositeSpec, part: Slice) -> Material:
    """Read one slice with its lead-in and look-ahead."""
    kinds = {Kind.AUDIO: spec.audio, Kind.VIDEO: spec.video}
    from_ns, until_ns = part.start_ns - _LEAD_NS, part.end_ns + LOOK_AHEAD_NS
    near = tape.around(from_ns, until_ns)
    frames = near.frames(from_ns, until_ns, tracks=lambda track: kinds[track.kind])
    plan = programme(near, spec, part)
    shift_ns = _SHIFT * NS // spec.fps
    dark = darkness(near, {one.line for one in plan.occupants}, part.end_ns)
    past = Past(tape, near, from_ns, part.start_ns, dark)
    pictures = _pictures(past, part, frames, plan, dark, shift_ns) if spec.video else {}
    return Material(
        {line: [f for one in tracks for f in one] for line, tracks in by_line(pictures).items()},
        dark,
        _sounds(frames, plan),
        plan.scenes,
        part.end_ns - _LEAD_NS,
        _standing(part, pictures, plan, dark, shift_ns),
        frames,
        _resumes(near, part),
    )


def _resumes(tape: Tape, part: Slice) -> bool:
    return any(
        one.fence != other.fence
        and other.from_ns - one.until_ns >= _HOLE_NS
        and part.start_ns <= other.from_ns < part.end_ns
        for one, other in pairwise(tape.manifests())
    )


def _of(kind: Kind, frames: _Frames) -> _Frames:
    return {id_: track for id_, track in frames.items() if track[0].track.kind is kind}


def _sounds(frames: _Frames, plan: Programme) -> list[list[Frame]]:
    """What was wanted at its very time; where the rest is missing, sound fades out and in."""
    heard = {id_: plan.heard(track) for id_, track in _of(Kind.AUDIO, frames).items()}
    return [one for tracks in by_line(heard).values() for one in tracks]


def _pictures(
    past: Past,
    part: Slice,
    frames: _Frames,
    plan: Programme,
    dark: Darkness,
    shift_ns: int,
) -> dict[str, list[Frame]]:
    """Each video track's frames up to the slice's end, from a key frame on where there is one."""
    pictures = {
        id_: [frame for frame in track if frame.time_ns < part.end_ns]
        for id_, track in _of(Kind.VIDEO, frames).items()
    }
    surely_ns = part.start_ns - shift_ns
    for occupant in plan.occupants:
        for track in past.newest_first(occupant):
            recent = pictures.get(track.id, [])
            if not _covers(recent, surely_ns, dark):
                pictures[track.id] = [*past.frames(track), *recent]
            if _covers(pictures[track.id], surely_ns, dark):
                break
    return {id_: track for id_, track in pictures.items() if track}


def _covers(frames: Iterable[Frame], at_ns: int, dark: Darkness) -> bool:
    return any(frame.time_ns <= at_ns and dark.begins(frame) for frame in frames)


def _standing(
    part: Slice, pictures: _Frames, plan: Programme, dark: Darkness, shift_ns: int
) -> tuple[Range, ...]:
    """Where the pictures lie that are shown when the slice ends, and were long before."""
    ranges = []
    for occupant in plan.at(part.end_ns).occupants:
        keys = [
            (frame.time_ns, id_)
            for id_ in occupant.tracks & pictures.keys()
            for frame in pictures[id_]
            if frame.time_ns <= part.end_ns - shift_ns and dark.begins(frame)
        ]
        key_ns, id_ = max(keys, default=(part.end_ns, ""))
        if key_ns < part.end_ns - _LEAD_NS:
            ranges.append((key_ns - _AROUND_NS, pictures[id_][-1].time_ns + _AROUND_NS))
    return tuple(sorted(ranges))
