"""Who is on the canvas, when: the channel's events folded into occupants in join order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from media.cut.lines import Line
from media.tape.model import EventType, Source, TapeEvent, Track

if TYPE_CHECKING:
    from media.tape.reader import Roster

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


@dataclass(slots=True)
class _Publisher:
    """Tracks of one publisher since the last join."""

    alive: dict[str, Track] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def occupants(self, uid: str) -> Iterable[Occupant]:
        for screen in (False, True):
            if any((track.source in _SCREENS) == screen for track in self.alive.values()):
                yield Occupant(uid, screen, frozenset(self.seen))


class Presence:
    """The state of a channel; feed it the events in order."""

    def __init__(self, roster: Roster, tracks: Mapping[str, Track]) -> None:
        self._all = tracks
        self._publishers: dict[str, _Publisher] = {uid: _Publisher() for uid in roster.publishers}
        for track in roster.tracks:
            self._add(track)

    def occupants(self) -> tuple[Occupant, ...]:
        """Everybody who has a region now, in join order."""
        there = self._publishers.items()
        return tuple(one for uid, publisher in there for one in publisher.occupants(uid))

    def feed(self, event: TapeEvent) -> None:
        """Apply one event; what it does not concern is ignored."""
        if event.type is EventType.JOINED:
            self._publishers.setdefault(event.uid, _Publisher())
        elif event.type is EventType.LEFT:
            self._publishers.pop(event.uid, None)
        elif event.type is EventType.TRACK_ADDED and event.track in self._all:
            self._add(self._all[event.track])
        elif event.type is EventType.TRACK_REMOVED and event.track in self._all:
            publisher = self._publishers.get(self._all[event.track].uid)
            if publisher is not None:
                publisher.alive.pop(event.track, None)

    def _add(self, track: Track) -> None:
        publisher = self._publishers.setdefault(track.uid, _Publisher())
        publisher.alive[track.id] = track
        publisher.seen.add(track.id)


def timeline(
    presence: Presence, events: Iterable[TapeEvent]
) -> list[tuple[int, tuple[Occupant, ...]]]:
    """The occupants after each change, with its time; the first entry has time 0."""
    states = [(0, presence.occupants())]
    for event in events:
        presence.feed(event)
        now = presence.occupants()
        if now != states[-1][1]:
            states.append((event.at_ns, now))
    return states
