"""What stands on the tape before the lead-in of a slice, and is still seen in it."""

from collections.abc import Sequence

from media.cut.darkness import Darkness
from media.cut.lines import Line
from media.cut.presence import Occupant
from media.tape.model import NS, EventType, Frame, Track
from media.tape.reader import Tape

_LATE_NS = NS  # pictures that were under way when their publisher muted or unpublished
# Key frames are asked for every 15 s.  A publisher who gives none for five minutes is shown again
# when one comes: to search and decode from further back would take longer than the slice lasts.
# What was searched in vain the next slice does not search again (media.tape.keyless).
_REACHES_NS = (20 * NS, 300 * NS)


class Past:
    """The tape before a time.

    A picture may stand for an hour after its publisher muted or unpublished; that hour is not read.
    """

    def __init__(
        self, tape: Tape, near: Tape, before_ns: int, start_ns: int, dark: Darkness
    ) -> None:
        """``before_ns``: where reading began; who was muted or gone is judged at ``start_ns``.

        ``near`` is the tape from there on, and what stood when it begins.
        """
        self._tape = tape
        self._before_ns = before_ns
        self._dark = dark
        self._tracks = {track.id: track for one in near.manifests() for track in one.tracks}
        self._added: dict[str, int] = {}
        self._stopped: dict[str, int] = {}  # by track: the last that can have come of it
        muted: dict[Line, int] = {}
        for event in near.events(0, start_ns + 1):
            line = event.source and Line(event.uid, event.source)
            if event.type is EventType.TRACK_ADDED:
                self._added[event.track] = event.at_ns
            elif event.type is EventType.TRACK_REMOVED:
                self._stopped[event.track] = event.at_ns
            elif event.type is EventType.MUTED and line:
                muted[line] = event.at_ns
            elif event.type is EventType.UNMUTED and line:
                muted.pop(line, None)
        for track in self._tracks.values():
            ended_ns = self._stopped.get(track.id, start_ns)
            self._stopped[track.id] = min(ended_ns, muted.get(Line.of(track), ended_ns))

    def newest_first(self, occupant: Occupant) -> list[Track]:
        """The video tracks of an occupant's line that count."""
        ids = sorted(occupant.tracks & self._added.keys(), key=lambda id_: self._added[id_])
        return [self._tracks[id_] for id_ in reversed(ids)]

    def frames(self, track: Track) -> Sequence[Frame]:
        """From the last key frame up to where reading began, or to where the track fell silent."""
        if self._added[track.id] >= self._before_ns:
            return []
        until_ns = min(self._before_ns, self._stopped[track.id] + _LATE_NS)
        key_ns = self._key_before(track, until_ns)
        if key_ns is None:
            return []
        there = self._tape.around(key_ns, until_ns)
        return there.frames(key_ns, until_ns, tracks=lambda one: one.id == track.id)[track.id]

    def _key_before(self, track: Track, until_ns: int) -> int | None:
        found = self._last_key(track, until_ns)
        dark_ns = None if found is None else self._dark.since(Line.of(track), found)
        if dark_ns is None:
            return found
        before = self._last_key(track, dark_ns)
        return found if before is None else before

    def _last_key(self, track: Track, until_ns: int) -> int | None:
        for reach_ns in _REACHES_NS:
            since_ns = until_ns - reach_ns
            there = self._tape.around(since_ns, until_ns)
            found = there.keyframe_before(track.id, until_ns - 1, since_ns=since_ns)
            if found is not None:
                return found
        return None
