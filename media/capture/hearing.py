"""Whose sound and picture arrive: told when that changes."""

from dataclasses import dataclass

from media.capture.observer import CaptureObserver
from media.tape.model import NS, Kind, Source, Track

SILENCE_NS = 5 * NS  # a sender that rests (RFC 3389, Opus DTX) is heard more often than this

Line = tuple[str, Kind]  # uid, and whether it is sound or picture


@dataclass(slots=True)
class _Heard:
    track: Track
    last_ns: int  # when its newest packet came
    since_ns: int = 0  # what came before was of a time when it was muted


class Hearing:
    """Of one recording.  A line is a publisher's sound, or its picture, of whatever source."""

    def __init__(self, observer: CaptureObserver) -> None:
        self._observer = observer
        self._tracks: dict[str, _Heard] = {}
        self._muted: set[tuple[str, Source]] = set()
        self._told: set[Line] = set()  # those that arrive

    def began(self, track: Track, at_ns: int) -> None:
        """The first packet of a track came."""
        self._tracks[track.id] = _Heard(track, at_ns)
        self._look(track, at_ns)

    def heard(self, track: Track, last_ns: int) -> None:
        """When the newest packet of a track came; now and then."""
        known = self._tracks.get(track.id)
        if known is not None and last_ns > max(known.last_ns, known.since_ns):
            known.last_ns = last_ns
            self._look(track, last_ns)

    def ended(self, track: Track) -> None:
        """No more packets of it will come; what goes on in another track is told of as one."""
        self._tracks.pop(track.id, None)

    def mute(self, uid: str, source: Source, *, muted: bool, at_ns: int) -> None:
        """A publisher muted or unmuted a track, which may still be heard for a moment."""
        if muted:
            self._muted.add((uid, source))
        else:
            self._muted.discard((uid, source))
            for known in self._tracks.values():
                if (known.track.uid, known.track.source) == (uid, source):
                    known.last_ns, known.since_ns = at_ns - SILENCE_NS, at_ns

    def left(self, uid: str) -> None:
        """A publisher is gone, its mutes with it."""
        self._muted = {key for key in self._muted if key[0] != uid}

    def tick(self, now_ns: int) -> None:
        """See who is not heard any more; now and then."""
        if not self._told:
            return
        arriving = {
            _line(known.track)
            for known in self._tracks.values()
            if now_ns - known.last_ns < SILENCE_NS and not self._is_muted(known.track)
        }
        for line in sorted(self._told - arriving):
            self._told.remove(line)
            self._observer.stream(*line, False, now_ns)

    def end(self, now_ns: int) -> None:
        """We leave: nobody is heard any more."""
        self._tracks.clear()
        self.tick(now_ns)

    def _look(self, track: Track, at_ns: int) -> None:
        line = _line(track)
        if line not in self._told and not self._is_muted(track):
            self._told.add(line)
            self._observer.stream(*line, True, at_ns)

    def _is_muted(self, track: Track) -> bool:
        return (track.uid, track.source) in self._muted


def _line(track: Track) -> Line:
    return track.uid, track.kind
