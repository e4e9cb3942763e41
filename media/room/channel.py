"""Who is in a channel, and who is told about it."""

import time
from collections import Counter
from typing import Any, Generic, Protocol, TypeVar

from media.room.errors import RoomFull
from media.room.events import Watcher, encode
from media.tape.model import Kind, Source

Key = tuple[str, Source]  # uid, and CAMERA or SCREEN


class Present(Protocol):
    """A publisher as presence sees it."""

    @property
    def key(self) -> Key:
        """Uid and source; at most one publisher of a key is present."""
        ...

    def describe(self) -> dict[str, Any]:
        """Uid, source, joining time, tracks and what is muted, for a snapshot."""
        ...


P = TypeVar("P", bound=Present)


class Channel(Generic[P]):
    """The publishers, listeners and watchers of one channel.

    Every change is one event for every watcher, in the order of the changes; a watcher's first
    event is a snapshot, and nothing lies between the snapshot and the next event.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._publishers: dict[Key, P] = {}
        self._listeners: Counter[str] = Counter()
        self._watchers: set[Watcher] = set()

    @property
    def empty(self) -> bool:
        """Nobody is here and nobody looks."""
        return not (self._publishers or self._listeners or self._watchers)

    def find(self, key: Key) -> P | None:
        """The publisher of this uid and source, if present."""
        return self._publishers.get(key)

    def check_place(self, key: Key, limit: int) -> None:
        """Raise RoomFull when one more publisher (not a rejoining one) would be too many."""
        if key not in self._publishers and len(self._publishers) >= limit:
            raise RoomFull(f"the channel has {limit} publishers already")

    def join(self, publisher: P) -> P | None:
        """Let a publisher in; returns the one it replaces, which has left."""
        replaced = self._publishers.get(publisher.key)
        if replaced is not None:
            self.leave(replaced)
        self._publishers[publisher.key] = publisher
        self._tell("joined", publisher.key, **publisher.describe())
        return replaced

    def leave(self, publisher: P) -> None:
        """Idempotent; harmless when the publisher was replaced."""
        if self._publishers.get(publisher.key) is publisher:
            del self._publishers[publisher.key]
            self._tell("left", publisher.key)

    def muted(self, publisher: P, kind: Kind, muted: bool) -> None:
        """Tell that a present publisher muted or unmuted a track."""
        if self._publishers.get(publisher.key) is publisher:
            self._tell("muted", publisher.key, kind=kind.value, muted=muted)

    def listen(self, uid: str) -> None:
        """Count a listener in; the same uid may listen several times at once."""
        self._listeners[uid] += 1
        if self._listeners[uid] == 1:
            self._tell_all("listener_joined", {"uid": uid, "at_ns": time.time_ns()})

    def unlisten(self, uid: str) -> None:
        """The other half of :meth:`listen`, to be called once for each."""
        self._listeners[uid] -= 1
        if self._listeners[uid] <= 0:
            del self._listeners[uid]
            self._tell_all("listener_left", {"uid": uid, "at_ns": time.time_ns()})

    def watch(self, watcher: Watcher) -> None:
        """Begin with a snapshot, go on with every event."""
        watcher.put(encode("snapshot", self.snapshot()))
        self._watchers.add(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Idempotent."""
        self._watchers.discard(watcher)

    def snapshot(self) -> dict[str, Any]:
        """Who is here now, publishers in the order they joined."""
        return {
            "publishers": [publisher.describe() for publisher in self._publishers.values()],
            "listeners": sorted(self._listeners),
            "at_ns": time.time_ns(),
        }

    def _tell(self, event: str, key: Key, **more: Any) -> None:
        uid, source = key
        row = {"uid": uid, "source": source.value, "at_ns": time.time_ns(), **more}
        self._tell_all(event, row)

    def _tell_all(self, event: str, row: dict[str, Any]) -> None:
        text = encode(event, row)
        for watcher in tuple(self._watchers):
            watcher.put(text)
