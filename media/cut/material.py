"""What a composite slice needs of the tape, and from when on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.cut import sound_clock, ticks
from media.cut.lines import Line, by_line
from media.cut.model import Slice
from media.cut.presence import Occupant, Presence, timeline
from media.tape.model import NS, EventType, Frame, Kind, TapeEvent, Track

if TYPE_CHECKING:
    from media.tape.reader import Tape

# Encoders and limiter look a little past the end; the tape should hold this much more.
LOOK_AHEAD_NS = 300_000_000
_SOUND_LEAD_NS = sound_clock.LEAD_NS + NS
_LATE_NS = NS  # pictures that were under way when their publisher muted


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that goes into one slice of a mix."""

    pictures: dict[Line, list[Frame]]
    sounds: list[list[Frame]]  # one list per track
    states: list[tuple[int, tuple[Occupant, ...]]]


def gather(tape: Tape, slice_: Slice, *, audio: bool, video: bool) -> Material:
    """Read one slice with its lead-in and look-ahead."""
    roster = tape.roster(slice_.start_ns)
    tracks = _tracks(tape)
    events = tape.events(slice_.start_ns, slice_.end_ns)
    states = timeline(Presence(roster, tracks), events)
    pictures = _pictures(tape, slice_, roster.tracks) if video else {}
    sounds = _sounds(tape, slice_) if audio else []
    return Material(pictures, sounds, states)


def keep_from_ns(tape: Tape, slice_: Slice) -> int:
    """The earliest time that the slice after this one will ask for."""
    keys = _keyframes(tape, slice_.end_ns, tape.roster(slice_.end_ns).tracks)
    return min([slice_.end_ns - _SOUND_LEAD_NS, *keys.values()])


def _tracks(tape: Tape) -> dict[str, Track]:
    return {track.id: track for part in tape.manifests() for track in part.tracks}


def _sounds(tape: Tape, slice_: Slice) -> list[list[Frame]]:
    frames = tape.frames(
        slice_.start_ns - _SOUND_LEAD_NS,
        slice_.end_ns + LOOK_AHEAD_NS,
        tracks=lambda track: track.kind is Kind.AUDIO,
    )
    return [track for line in by_line(frames).values() for track in line]


def _keyframes(tape: Tape, at_ns: int, tracks: Sequence[Track]) -> dict[str, int]:
    """The last key frame at or before a time, of each video track that has one."""
    found = {
        track.id: tape.keyframe_before(track.id, at_ns)
        for track in tracks
        if track.kind is Kind.VIDEO
    }
    return {track: at for track, at in found.items() if at is not None}


def _pictures(tape: Tape, slice_: Slice, alive: Sequence[Track]) -> dict[Line, list[Frame]]:
    """Each line's frames in the slice, after what is needed to decode the first."""
    keys = _keyframes(tape, slice_.start_ns, alive)
    stills = _stills(tape, slice_, alive, keys)
    recent = [at for track, at in keys.items() if track not in stills]
    begin = min([slice_.start_ns - ticks.LEAD_NS, *recent])
    frames = tape.frames(begin, slice_.end_ns, tracks=lambda track: track.kind is Kind.VIDEO)
    for track, old in stills.items():
        frames[track] = [*old, *frames.get(track, ())]
    return {
        line: [frame for track in tracks for frame in track]
        for line, tracks in by_line(frames).items()
    }


def _stills(
    tape: Tape, slice_: Slice, alive: Sequence[Track], keys: dict[str, int]
) -> dict[str, list[Frame]]:
    """The last pictures of those who muted their video longer ago.

    Read apart, so that a picture that has stood for an hour does not cost reading the hour.
    """
    stills = {}
    for track in alive:
        begin = keys.get(track.id, slice_.start_ns)
        until = _muted_since(tape, track, begin, slice_.start_ns) + _LATE_NS
        if until < slice_.start_ns - ticks.LEAD_NS:
            wanted = track.id
            frames = tape.frames(begin, until, tracks=lambda one, id_=wanted: one.id == id_)
            stills[wanted] = list(frames.get(wanted, ()))
    return stills


def _muted_since(tape: Tape, track: Track, begin_ns: int, at_ns: int) -> int:
    """When a track was muted, if it still is at ``at_ns``; otherwise ``at_ns``."""
    since = at_ns
    for event in tape.events(begin_ns, at_ns):
        if _concerns(event, track):
            since = event.at_ns if event.type is EventType.MUTED else at_ns
    return since


def _concerns(event: TapeEvent, track: Track) -> bool:
    mutes = (EventType.MUTED, EventType.UNMUTED)
    return event.type in mutes and (event.uid, event.source) == (track.uid, track.source)
