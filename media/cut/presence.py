"""Who is on the canvas, when: the channel's events folded into occupants in join order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from media.cut.lines import Line
from media.tape.model import EventType, Kind, Source, TapeEvent, Track

# Whose video stops keeps the last picture for this long, before an image takes its place (reference
# §3.2); and a screen share keeps its region: a new recorder may be about to hear it again.
GRACE_NS = 3_500_000_000
_CHANGES = frozenset(EventType) - {EventType.CLOCK, EventType.TALLY, EventType.PARAMETERS}

Kinds = Callable[[str, int], frozenset[Kind]]  # (uid, Unix nanoseconds) -> what is wanted


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who has a region: who published since they joined; a screen share counts apart."""

    uid: str
    screen: bool
    tracks: frozenset[str]  # video since the publisher joined; older pictures do not count
    stopped: bool  # no video for GRACE_NS or longer

    @property
    def line(self) -> Line:
        """The line whose pictures the region shows."""
        return Line(self.uid, Source.SCREEN if self.screen else Source.CAMERA)


State = tuple[int, tuple[Occupant, ...]]  # since when (Unix nanoseconds), who


@dataclass(slots=True)
class _Group:
    """The tracks of one publisher that make one occupant, since the last join."""

    seen: dict[str, Track] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    ended_ns: dict[str, int] = field(default_factory=dict)
    live: bool = False  # video is being sent
    still_since_ns: int = 0  # when it was not any more

    def counted(self, kinds: frozenset[Kind]) -> list[Track]:
        return [track for track in self.seen.values() if track.kind in kinds]


class Presence:
    """The state of a channel; feed it the events in order, from what stood when they begin."""

    def __init__(self, tracks: Mapping[str, Track], kinds: Kinds) -> None:
        """``tracks`` by id; ``kinds`` is asked with the time of events and of questions."""
        self._tracks = tracks
        self._kinds = kinds
        self._muted: set[tuple[str, Source]] = set()
        # In join order.  A screen share is as another publisher, who joins when it begins.
        self._groups: dict[tuple[str, bool], _Group] = {}

    def occupants(self, at_ns: int) -> tuple[Occupant, ...]:
        """Everybody who has a region, in join order; ``at_ns`` not before the last event."""
        found = []
        for (uid, screen), group in self._groups.items():
            counted = group.counted(self._kinds(uid, at_ns))
            if counted and not (screen and self._over(group, counted, at_ns)):
                videos = frozenset(track.id for track in counted if track.kind is Kind.VIDEO)
                stopped = not group.live and at_ns >= group.still_since_ns + GRACE_NS
                found.append(Occupant(uid, screen, videos, stopped))
        return tuple(found)

    def _over(self, group: _Group, counted: Sequence[Track], at_ns: int) -> bool:
        """Whether a share has ended for good: the last of its tracks is gone for so long."""
        if any(track.id in group.alive for track in counted):
            return False
        ended_ns = max((group.ended_ns[track.id] for track in counted), default=0)
        return at_ns >= ended_ns + GRACE_NS

    def feed(self, event: TapeEvent) -> None:
        """Apply one event; what it does not concern is ignored."""
        if event.type not in _CHANGES:
            return
        track = self._tracks.get(event.track)
        uid = track.uid if track is not None else event.uid
        match event.type:
            case EventType.TRACK_ADDED if track is not None:
                self._add(track, event.at_ns)
            case EventType.TRACK_REMOVED if track is not None:
                self._remove(track, event.at_ns)
            case EventType.WANTED:
                self._forget_unwanted(event.at_ns)
                for each in {uid for uid, _ in self._groups}:
                    self._note_video(each, event.at_ns)
            case _:
                self._hear(event)
        self._note_video(uid, event.at_ns)

    def _hear(self, event: TapeEvent) -> None:
        """What the channel says of a publisher."""
        uid, source = event.uid, event.source
        match event.type:
            case EventType.JOINED:
                self._groups.setdefault((uid, False), _Group())
            case EventType.LEFT:
                for screen in (False, True):
                    self._groups.pop((uid, screen), None)
                self._muted = {key for key in self._muted if key[0] != uid}
            case EventType.MUTED if source is not None:
                self._muted.add((uid, source))
            case EventType.UNMUTED if source is not None:
                self._muted.discard((uid, source))

    def _add(self, track: Track, at_ns: int) -> None:
        key = track.uid, track.source.is_screen
        group = self._groups.get(key)
        if group is not None and key[1] and self._over(group, list(group.seen.values()), at_ns):
            del self._groups[key]  # another share: it comes last again
            group = None
        if group is None:
            self._groups.setdefault((track.uid, False), _Group())
            group = self._groups.setdefault(key, _Group())
        if not group.seen:
            group.still_since_ns = at_ns
        group.seen[track.id] = track
        group.alive.add(track.id)

    def _remove(self, track: Track, at_ns: int) -> None:
        group = self._groups.get((track.uid, track.source.is_screen))
        if group is not None and track.id in group.alive:
            group.alive.discard(track.id)
            group.ended_ns[track.id] = at_ns

    def _forget_unwanted(self, at_ns: int) -> None:
        """Who is wanted again later comes back without what was there before."""
        for (uid, _), group in self._groups.items():
            kinds = self._kinds(uid, at_ns)
            group.seen = {
                id_: track
                for id_, track in group.seen.items()
                if track.kind in kinds or id_ in group.alive
            }

    def _note_video(self, uid: str, at_ns: int) -> None:
        kinds = self._kinds(uid, at_ns)
        groups = (self._groups.get((uid, screen)) for screen in (False, True))
        for group in (group for group in groups if group is not None):
            live = any(
                track.kind is Kind.VIDEO
                and track.id in group.alive
                and (uid, track.source) not in self._muted
                for track in group.counted(kinds)
            )
            if group.live and not live:
                group.still_since_ns = at_ns
            group.live = live


def timeline(presence: Presence, events: Sequence[TapeEvent], start_ns: int) -> list[State]:
    """The occupants at ``start_ns`` (the first state) and after each change from then on.

    ``events`` say what stood before, and what happened up to the end of the range.
    """
    for event in events:
        if event.at_ns <= start_ns:
            presence.feed(event)
    states: list[State] = [(0, presence.occupants(start_ns))]
    for at_ns, happened in _moments(events, start_ns):
        if happened is not None:
            presence.feed(happened)
        now = presence.occupants(at_ns)
        if now != states[-1][1]:
            states.append((at_ns, now))
    return states


def _moments(events: Iterable[TapeEvent], start_ns: int) -> Iterator[tuple[int, TapeEvent | None]]:
    """The events after a time, and the ends of what earlier ones let run out."""
    moments: list[tuple[int, int, TapeEvent | None]] = []
    for i, event in enumerate(events):
        if event.type in _CHANGES:
            if event.at_ns > start_ns:
                moments.append((event.at_ns, i, event))
            if event.at_ns + GRACE_NS > start_ns:
                moments.append((event.at_ns + GRACE_NS, i, None))
    moments.sort(key=lambda moment: moment[:2])
    return ((at_ns, event) for at_ns, _, event in moments)
