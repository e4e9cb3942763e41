"""The one story that the parts of a tape tell, and who is there at a moment of it.

Each part restates what stands, and when one recorder takes over from another the new one tells
anew what it finds.  Here the repetitions go, and what the dead recorder could not tell any more
is added: the end of its tracks, and of publishers that its successor did not find.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from media.tape.model import NS, EventType, PartManifest, Source, TapeEvent, Track

_Key = TypeVar("_Key")

SETTLED_NS = 3 * NS  # by then a new recorder has told who is there


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is in the channel at one moment."""

    publishers: tuple[str, ...]  # in join order
    muted: frozenset[tuple[str, Source]]
    tracks: tuple[Track, ...]  # those alive, in the order they were added
    look: str = ""  # the latest LOOK's and WANTED's detail; "" if there was none
    wanted: str = ""


class _State:
    """What stands; says of each event whether it changes anything."""

    def __init__(self) -> None:
        self.joined: dict[str, None] = {}
        self.muted: dict[tuple[str, Source], None] = {}
        self.tracks: dict[str, None] = {}
        self.orders: dict[EventType, str] = {}  # LOOK, WANTED

    def apply(self, event: TapeEvent) -> bool:
        uid = event.uid
        match event.type:
            case EventType.JOINED:
                return _put(self.joined, uid)
            case EventType.LEFT:
                for key in [key for key in self.muted if key[0] == uid]:
                    del self.muted[key]
                return _take(self.joined, uid)
            case EventType.MUTED:
                return event.source is not None and _put(self.muted, (uid, event.source))
            case EventType.UNMUTED:
                return event.source is not None and _take(self.muted, (uid, event.source))
            case EventType.TRACK_ADDED:
                return _put(self.tracks, event.track)
            case EventType.TRACK_REMOVED:
                return _take(self.tracks, event.track)
            case EventType.LOOK | EventType.WANTED:
                changed = self.orders.get(event.type) != event.detail
                self.orders[event.type] = event.detail
                return changed
            case EventType.CLOCK | EventType.TALLY | EventType.PARAMETERS:
                return True


def _put(rows: dict[_Key, None], key: _Key) -> bool:
    if key in rows:
        return False
    rows[key] = None
    return True


def _take(rows: dict[_Key, None], key: _Key) -> bool:
    if key not in rows:
        return False
    del rows[key]
    return True


def roster(events: Iterable[TapeEvent], tracks: dict[str, Track], at_ns: int) -> Roster:
    """Who is there after the events up to and including ``at_ns``; they are in time order."""
    state = _State()
    for event in events:
        if event.at_ns > at_ns:
            break
        state.apply(event)
    alive = tuple(tracks[id_] for id_ in state.tracks if id_ in tracks)
    return Roster(
        tuple(state.joined),
        frozenset(state.muted),
        alive,
        state.orders.get(EventType.LOOK, ""),
        state.orders.get(EventType.WANTED, ""),
    )


def story(manifests: Sequence[PartManifest]) -> list[TapeEvent]:
    """All events in time order, each once."""
    fences: dict[int, list[PartManifest]] = {}
    for part in manifests:
        fences.setdefault(part.fence, []).append(part)
    events: list[TapeEvent] = []
    before: _Fence | None = None
    for fence in sorted(fences):
        this = _Fence(fences[fence])
        if before is not None:
            events += before.aftermath(this)
        events += this.events
        before = this
    events.sort(key=lambda event: event.at_ns)
    state = _State()
    return [event for event in events if state.apply(event)]


class _Fence:
    """What one recorder told."""

    def __init__(self, parts: Sequence[PartManifest]) -> None:
        self.begins_ns = min(part.from_ns for part in parts)
        self.ends_ns = max(part.until_ns for part in parts)
        self.events = list(dict.fromkeys(event for part in parts for event in part.events))
        self.events.sort(key=lambda event: event.at_ns)

    def aftermath(self, successor: "_Fence") -> list[TapeEvent]:
        """What ends with this recorder, as its successor's beginning shows."""
        left, found = _State(), _State()
        for event in self.events:
            left.apply(event)
        settled_ns = successor.begins_ns + SETTLED_NS
        for event in successor.events:
            if event.at_ns <= settled_ns:
                found.apply(event)
        over = TapeEvent(EventType.TRACK_REMOVED, max(self.ends_ns, successor.begins_ns))
        events = [replace(over, track=track) for track in left.tracks]
        events += [
            TapeEvent(EventType.UNMUTED, settled_ns, uid=uid, source=source)
            for uid, source in left.muted
            if (uid, source) not in found.muted
        ]
        gone = [uid for uid in left.joined if uid not in found.joined]
        return events + [TapeEvent(EventType.LEFT, settled_ns, uid=uid) for uid in gone]
