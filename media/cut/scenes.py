"""What a slice shows when: everybody who has a region, and the look of the canvas."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from media.cut.lines import Line
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.cut.orders import Course, looks
from media.cut.presence import Occupant, Presence, State, timeline
from media.cut.wishes import Wishes
from media.tape.model import Frame, Kind
from media.tape.reader import Tape


@dataclass(frozen=True, slots=True)
class Scene:
    """The canvas as long as nobody comes or goes, and nobody asks for another look."""

    occupants: tuple[Occupant, ...]  # in join order
    look: Look


@dataclass(frozen=True, slots=True)
class Programme:
    """The scenes of one slice, and what else the channel's events say about it."""

    scenes: tuple[tuple[int, Scene], ...]  # since when; the first since ever
    wishes: Wishes

    @property
    def occupants(self) -> set[Occupant]:
        """Everybody who has a region at some time of the slice."""
        return {one for _, scene in self.scenes for one in scene.occupants}

    def heard(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those of one track that were wanted at their time."""
        unwanted = self.wishes.unwanted(Line.of(frames[0].track)) if frames else ()
        return [
            frame
            for frame in frames
            if not any(from_ns <= frame.time_ns < until_ns for from_ns, until_ns in unwanted)
        ]

    def at(self, at_ns: int) -> Scene:
        """What is shown at a moment of the slice."""
        return Course(self.scenes).at(at_ns)


def programme(tape: Tape, spec: CompositeSpec, part: Slice) -> Programme:
    """What the tape says about one slice."""
    events = tape.events(0, part.end_ns)
    wishes = Wishes(spec.wanted, events, spec.only)
    asked = frozenset(
        kind for kind, on in ((Kind.AUDIO, spec.audio), (Kind.VIDEO, spec.video)) if on
    )

    def kinds(uid: str, at_ns: int) -> frozenset[Kind]:
        return asked & wishes.kinds(uid, at_ns)

    tracks = {track.id: track for one in tape.manifests() for track in one.tracks}
    states = timeline(Presence(tracks, kinds), events, part.start_ns)
    course = looks(tape, spec.look, part.end_ns) if spec.follow else Course(((0, spec.look),))
    return Programme(_merged(states, course), wishes)


def _merged(states: Sequence[State], looks: Course[Look]) -> tuple[tuple[int, Scene], ...]:
    occupants = Course(tuple(states))
    times = sorted({since_ns for since_ns, _ in [*states, *looks.steps]})
    return tuple((at_ns, Scene(occupants.at(at_ns), looks.at(at_ns))) for at_ns in times)


def changes(
    scenes: Sequence[tuple[int, Scene]], ticks: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, Scene | None]]:
    """For each (tick, time) the scene, if it changed since the tick before."""
    number = -1
    for tick, at_ns in ticks:
        latest = number
        while latest + 1 < len(scenes) and scenes[latest + 1][0] <= at_ns:
            latest += 1
        yield tick, scenes[latest][1] if latest != number else None
        number = latest
