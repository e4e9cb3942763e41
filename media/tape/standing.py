"""What is true in a channel at a moment, so that a new part can begin by saying it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from media.tape.model import NS, EventType, Source, TapeEvent, Track
from media.tape.wanted import EVERYBODY, Wanted

_POINTS_NS = 10 * NS  # points of a clock map: it is written ahead, and packets may be late
_POINTS_MOST = 16


@dataclass(frozen=True, slots=True)
class Ended:
    """A track that is over."""

    track: Track
    added: TapeEvent
    removed: TapeEvent


class Standing:
    """The events that still hold: who is there, on which tracks, muted where, by which clock.

    Of who stopped sending and is still there the last track of each source counts as well: its
    last picture may be seen for hours.
    """

    def __init__(self) -> None:
        self.alive: dict[str, Track] = {}  # by id
        self.joined: dict[str, TapeEvent] = {}  # by uid
        self._ended: dict[tuple[str, Source], Ended] = {}
        self._added: dict[str, TapeEvent] = {}
        self._muted: dict[tuple[str, Source | None], TapeEvent] = {}
        self._clocks: dict[str, deque[TapeEvent]] = {}
        self._parameters: dict[str, TapeEvent] = {}
        self._orders: dict[EventType, TapeEvent] = {}  # LOOK, WANTED

    def add_track(self, track: Track, event: TapeEvent) -> None:
        """A track began; ``event`` is its TRACK_ADDED."""
        self.alive[track.id] = track
        self._added[track.id] = event

    def apply(self, event: TapeEvent) -> None:
        """Take note of an event; TRACK_ADDED comes through :meth:`add_track`."""
        match event.type:
            case EventType.JOINED:
                self.joined.setdefault(event.uid, event)
            case EventType.LEFT:
                self._leave(event.uid)
            case EventType.MUTED:
                self._muted[event.uid, event.source] = event
            case EventType.UNMUTED:
                self._muted.pop((event.uid, event.source), None)
            case EventType.TRACK_REMOVED:
                self._end(event)
            case EventType.LOOK:
                self._orders[event.type] = event
            case EventType.WANTED:
                self._orders[event.type] = event
                self._forget_unwanted(Wanted.told(event.detail) or EVERYBODY)
            case EventType.CLOCK | EventType.PARAMETERS if event.track in self.alive:
                self._say_again(event)

    def _say_again(self, event: TapeEvent) -> None:
        if event.type is EventType.PARAMETERS:
            self._parameters[event.track] = event
        else:
            points = self._clocks.setdefault(event.track, deque(maxlen=_POINTS_MOST))
            points.append(event)
            while len(points) > 1 and points[1].wall_ns <= event.wall_ns - _POINTS_NS:
                points.popleft()

    def ended(self, uid: str) -> list[Ended]:
        """The last track of each source that a publisher does not send from any more."""
        return [ended for key, ended in self._ended.items() if key[0] == uid]

    def inherit(self, ended: Ended) -> None:
        """Tell of a track that ended before this recorder came."""
        self._ended[ended.track.uid, ended.track.source] = ended

    def _forget_unwanted(self, wanted: Wanted) -> None:
        """Who is wanted again later comes back without what was there before."""
        for key, ended in [*self._ended.items()]:
            if ended.track.kind not in wanted.kinds(ended.track.uid):
                del self._ended[key]

    def _end(self, event: TapeEvent) -> None:
        track, added = self.alive.pop(event.track, None), self._added.pop(event.track, None)
        if track is not None and added is not None and track.uid in self.joined:
            self._ended[track.uid, track.source] = Ended(track, added, event)
        for rows in (self._clocks, self._parameters):
            rows.pop(event.track, None)

    def _leave(self, uid: str) -> None:
        self.joined.pop(uid, None)
        for ended in [key for key in self._ended if key[0] == uid]:
            del self._ended[ended]
        for key in [key for key in self._muted if key[0] == uid]:
            del self._muted[key]

    def tracks(self) -> Iterator[Track]:
        """Those alive, and those that ended of which events tell."""
        yield from self.alive.values()
        for ended in self._ended.values():
            yield ended.track

    def events(self) -> Iterator[TapeEvent]:
        """Everything that holds, as it was first said."""
        for rows in (self.joined, self._added, self._muted, self._parameters, self._orders):
            yield from rows.values()
        for ended in self._ended.values():
            yield from (ended.added, ended.removed)
        for points in self._clocks.values():
            yield from points
