"""Who is on the canvas, when: the channel's events folded into occupants in join order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from media.cut.lines import Line
from media.tape.model import EventType, Source, TapeEvent, Track
from media.tape.roster import Roster

# Who has lost all tracks but not left keeps the region for a moment: a publisher who restarts
# the camera, or whom a new recorder is about to hear again.
GRACE_NS = 3_500_000_000
_SCREENS = (Source.SCREEN, Source.SCREEN_AUDIO)


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who has a region: a publisher with at least one track; a screen share counts apart."""

    uid: str
    screen: bool
    tracks: frozenset[str]  # every track since the publisher joined; older pictures do not count

    @property
    def line(self) -> Line:
        """The line whose pictures the region shows."""
        return Line(self.uid, Source.SCREEN if self.screen else Source.CAMERA)


State = tuple[int, tuple[Occupant, ...]]  # since when (Unix nanoseconds), who


@dataclass(slots=True)
class _Group:
    """The tracks of one publisher that make one occupant, since the last join."""

    alive: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    bare_since_ns: int = 0

    def present(self, at_ns: int) -> bool:
        return bool(self.alive) or (bool(self.seen) and at_ns < self.bare_since_ns + GRACE_NS)


class Presence:
    """The state of a channel; feed it the events in order."""

    def __init__(self, roster: Roster, tracks: Mapping[str, Track]) -> None:
        self._tracks = tracks
        self._publishers: dict[str, dict[bool, _Group]] = {}
        for uid in roster.publishers:
            self._join(uid)
        for track in roster.tracks:
            self._add(track)

    def occupants(self, at_ns: int) -> tuple[Occupant, ...]:
        """Everybody who has a region, in join order; ``at_ns`` not before the last event."""
        return tuple(
            Occupant(uid, screen, frozenset(group.seen))
            for uid, groups in self._publishers.items()
            for screen, group in groups.items()
            if group.present(at_ns)
        )

    def feed(self, event: TapeEvent) -> None:
        """Apply one event; what it does not concern is ignored."""
        track = self._tracks.get(event.track)
        if event.type is EventType.JOINED:
            self._join(event.uid)
        elif event.type is EventType.LEFT:
            self._publishers.pop(event.uid, None)
        elif event.type is EventType.TRACK_ADDED and track is not None:
            self._add(track)
        elif event.type is EventType.TRACK_REMOVED and track is not None:
            self._remove(track, event.at_ns)

    def _join(self, uid: str) -> dict[bool, _Group]:
        return self._publishers.setdefault(uid, {False: _Group(), True: _Group()})

    def _add(self, track: Track) -> None:
        group = self._join(track.uid)[track.source in _SCREENS]
        group.alive.add(track.id)
        group.seen.add(track.id)

    def _remove(self, track: Track, at_ns: int) -> None:
        groups = self._publishers.get(track.uid)
        if groups is not None:
            group = groups[track.source in _SCREENS]
            group.alive.discard(track.id)
            group.bare_since_ns = at_ns


def timeline(presence: Presence, events: Iterable[TapeEvent]) -> list[State]:
    """The occupants after each change; the first state stands since ever."""
    states: list[State] = [(0, presence.occupants(0))]
    for at_ns, event in _moments(events):
        if event is not None:
            presence.feed(event)
        now = presence.occupants(at_ns)
        if now != states[-1][1]:
            states.append((at_ns, now))
    return states


def _moments(events: Iterable[TapeEvent]) -> Iterator[tuple[int, TapeEvent | None]]:
    """The events, and the ends of what they let run out."""
    moments: list[tuple[int, int, TapeEvent | None]] = []
    for i, event in enumerate(events):
        moments.append((event.at_ns, i, event))
        if event.type is EventType.TRACK_REMOVED:
            moments.append((event.at_ns + GRACE_NS, i, None))
    moments.sort(key=lambda moment: moment[:2])
    return ((at_ns, event) for at_ns, _, event in moments)
