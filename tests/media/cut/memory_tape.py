"""A tape in memory: the reader's answers without packets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from media.tape.model import EventType, Frame, PartManifest, Source, TapeEvent, Track


@dataclass(frozen=True)
class Roster:
    publishers: tuple[str, ...]
    tracks: tuple[Track, ...]
    muted: frozenset[tuple[str, Source | None]]


class MemoryTape:
    def __init__(self, frames: Iterable[list[Frame]], events: Iterable[TapeEvent]) -> None:
        self._frames = [list(track) for track in frames]
        self._events = sorted(events, key=lambda event: event.at_ns)
        self.tracks = {track[0].track.id: track[0].track for track in self._frames}

    def manifests(self) -> list[PartManifest]:
        tracks = tuple(self.tracks.values())
        return [PartManifest("1-0", 1, 0, 0, 1 << 62, 0, 0, tracks, tuple(self._events))]

    def events(self, from_ns: int, until_ns: int) -> list[TapeEvent]:
        return [event for event in self._events if from_ns <= event.at_ns < until_ns]

    def frames(
        self, from_ns: int, until_ns: int, *, tracks: Callable[[Track], bool] = lambda _: True
    ) -> dict[str, list[Frame]]:
        return {
            track[0].track.id: [f for f in track if from_ns <= f.time_ns < until_ns]
            for track in self._frames
            if tracks(track[0].track)
        }

    def keyframe_before(self, track: str, at_ns: int) -> int | None:
        keys = [
            frame.time_ns
            for line in self._frames
            for frame in line
            if frame.track.id == track and frame.keyframe and frame.time_ns <= at_ns
        ]
        return max(keys, default=None)

    def roster(self, at_ns: int) -> Roster:
        publishers: list[str] = []
        alive: dict[str, Track] = {}
        for event in self.events(0, at_ns):
            if event.type is EventType.JOINED and event.uid not in publishers:
                publishers.append(event.uid)
            elif event.type is EventType.LEFT:
                publishers.remove(event.uid)
                alive = {k: t for k, t in alive.items() if t.uid != event.uid}
            elif event.type is EventType.TRACK_ADDED:
                alive[event.track] = self.tracks[event.track]
            elif event.type is EventType.TRACK_REMOVED:
                alive.pop(event.track, None)
        return Roster(tuple(publishers), tuple(alive.values()), self._muted(at_ns))

    def _muted(self, at_ns: int) -> frozenset[tuple[str, Source | None]]:
        muted: set[tuple[str, Source | None]] = set()
        for event in self.events(0, at_ns):
            if event.type is EventType.MUTED:
                muted.add((event.uid, event.source))
            elif event.type is EventType.UNMUTED:
                muted.discard((event.uid, event.source))
            elif event.type is EventType.LEFT:
                muted = {one for one in muted if one[0] != event.uid}
        return frozenset(muted)
