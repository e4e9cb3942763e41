"""What a composite slice needs of the tape, and from when on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from media.cut import sound_clock
from media.cut.lines import Line, by_line
from media.cut.model import CompositeSpec, Slice
from media.cut.presence import GRACE_NS, Presence, State, timeline
from media.tape.model import NS, EventType, Frame, Kind, Track
from media.tape.reader import Tape

# Encoders and limiter look a little past the end; the tape should hold this much more.
LOOK_AHEAD_NS = 300_000_000
# Before the start: what settles the clocks of sound, and the bias of pictures (ticks.LEAD_NS).
_LEAD_NS = sound_clock.LEAD_NS + NS
_LATE_NS = NS  # pictures that were under way when their publisher muted
# Key frames are asked for every 15 s.  A publisher who gives none for so long is shown again when
# one comes: to search and decode from further back would take longer than the slice lasts.
_OLDEST_NS = 300 * NS

_Frames = Mapping[str, Sequence[Frame]]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that goes into one slice of a mix."""

    pictures: dict[Line, list[Frame]]  # from the key frame that the first shown one needs
    sounds: list[list[Frame]]  # one list per track
    states: list[State]
    keep_from_ns: int  # the earliest time that the slice after this one will ask for
    frames: _Frames  # of lead-in, slice and look-ahead, by track id


def gather(tape: Tape, spec: CompositeSpec, part: Slice) -> Material:
    """Read one slice with its lead-in and look-ahead."""
    kinds = {Kind.AUDIO: spec.audio, Kind.VIDEO: spec.video}
    frames = tape.frames(
        part.start_ns - _LEAD_NS,
        part.end_ns + LOOK_AHEAD_NS,
        tracks=lambda track: kinds[track.kind],
    )
    pictures = _pictures(tape, part, frames) if spec.video else {}
    return Material(
        {line: [f for one in tracks for f in one] for line, tracks in by_line(pictures).items()},
        [one for tracks in by_line(_of(Kind.AUDIO, frames)).values() for one in tracks],
        _states(tape, part),
        _keep_from_ns(tape, part, pictures),
        frames,
    )


def _of(kind: Kind, frames: _Frames) -> _Frames:
    return {id_: track for id_, track in frames.items() if track[0].track.kind is kind}


def _states(tape: Tape, part: Slice) -> list[State]:
    begin_ns = part.start_ns - GRACE_NS
    tracks = {track.id: track for one in tape.manifests() for track in one.tracks}
    presence = Presence(tape.roster(begin_ns), tracks)
    return timeline(presence, tape.events(begin_ns, part.end_ns))


def _pictures(tape: Tape, part: Slice, frames: _Frames) -> dict[str, list[Frame]]:
    """Each video track's frames up to the slice's end, from a key frame on where there is one."""
    pictures = {
        id_: [frame for frame in track if frame.time_ns < part.end_ns]
        for id_, track in _of(Kind.VIDEO, frames).items()
    }
    for track in tape.roster(part.start_ns).tracks:
        if track.kind is Kind.VIDEO:
            recent = pictures.get(track.id, [])
            if not any(frame.keyframe and frame.time_ns <= part.start_ns for frame in recent):
                pictures[track.id] = [*_older(tape, track, part), *recent]
    return {id_: track for id_, track in pictures.items() if track}


def _older(tape: Tape, track: Track, part: Slice) -> list[Frame]:
    """What stands before the lead-in: from the last key frame up to it, or up to a mute.

    A picture may stand for an hour after a mute; that hour is not read.
    """
    until_ns = min(part.start_ns - _LEAD_NS, _muted_since(tape, track, part.start_ns) + _LATE_NS)
    key_ns = tape.keyframe_before(track.id, until_ns - 1, since_ns=until_ns - _OLDEST_NS)
    if key_ns is None:
        return []
    return tape.frames(key_ns, until_ns, tracks=lambda one: one.id == track.id)[track.id]


def _muted_since(tape: Tape, track: Track, at_ns: int) -> int:
    """When a track was muted, if it still is at ``at_ns``; otherwise ``at_ns``."""
    if (track.uid, track.source) not in tape.roster(at_ns).muted:
        return at_ns
    return max(
        event.at_ns
        for event in tape.events(0, at_ns + 1)
        if event.type is EventType.MUTED and (event.uid, event.source) == (track.uid, track.source)
    )


def _keep_from_ns(tape: Tape, part: Slice, pictures: _Frames) -> int:
    alive = {track.id for track in tape.roster(part.end_ns).tracks}
    keys = [
        max((frame.time_ns for frame in track if frame.keyframe), default=part.end_ns)
        for id_, track in pictures.items()
        if id_ in alive
    ]
    return min([part.end_ns - _LEAD_NS, *keys])
