"""What is true in a channel at a moment, so that a new part can begin by saying it."""

from collections import deque
from collections.abc import Iterator

from media.tape.model import NS, EventType, Source, TapeEvent, Track

_POINTS_NS = 10 * NS  # points of a clock map: it is written ahead, and packets may be late
_POINTS_MOST = 16


class Standing:
    """The events that still hold: who is there, on which tracks, muted where, by which clock."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}  # those alive
        self._joined: dict[str, TapeEvent] = {}
        self._added: dict[str, TapeEvent] = {}
        self._muted: dict[tuple[str, Source | None], TapeEvent] = {}
        self._clocks: dict[str, deque[TapeEvent]] = {}
        self._parameters: dict[str, TapeEvent] = {}

    def add_track(self, track: Track, event: TapeEvent) -> None:
        """A track began; ``event`` is its TRACK_ADDED."""
        self.tracks[track.id] = track
        self._added[track.id] = event

    def apply(self, event: TapeEvent) -> None:
        """Take note of an event; TRACK_ADDED comes through :meth:`add_track`."""
        match event.type:
            case EventType.JOINED:
                self._joined.setdefault(event.uid, event)
            case EventType.LEFT:
                self._leave(event.uid)
            case EventType.MUTED:
                self._muted[event.uid, event.source] = event
            case EventType.UNMUTED:
                self._muted.pop((event.uid, event.source), None)
            case EventType.TRACK_REMOVED:
                for rows in (self.tracks, self._added, self._clocks, self._parameters):
                    rows.pop(event.track, None)
            case EventType.CLOCK | EventType.PARAMETERS if event.track in self.tracks:
                self._say_again(event)

    def _say_again(self, event: TapeEvent) -> None:
        if event.type is EventType.PARAMETERS:
            self._parameters[event.track] = event
        else:
            points = self._clocks.setdefault(event.track, deque(maxlen=_POINTS_MOST))
            points.append(event)
            while len(points) > 1 and points[1].wall_ns <= event.wall_ns - _POINTS_NS:
                points.popleft()

    def _leave(self, uid: str) -> None:
        self._joined.pop(uid, None)
        for key in [key for key in self._muted if key[0] == uid]:
            del self._muted[key]

    def events(self) -> Iterator[TapeEvent]:
        """Everything that holds, as it was first said."""
        for rows in (self._joined, self._added, self._muted, self._parameters):
            yield from rows.values()
        for points in self._clocks.values():
            yield from points
