"""Lines of media: the tracks of one publisher's source, one after the other."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from media.tape.model import Frame, Kind, Source, Track

_LONGEST = 100  # characters of a uid in the name of a file


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """What a publisher sends from one source, whichever track carries it."""

    uid: str
    source: Source

    @classmethod
    def of(cls, track: Track) -> "Line":
        """The line a track belongs to."""
        return cls(track.uid, track.source)

    @property
    def stem(self) -> str:
        """What names of files may begin with: a uid may hold any character, and be long."""
        plain = quote(self.uid, safe="")
        if len(plain) > _LONGEST:
            plain = hashlib.sha256(self.uid.encode()).hexdigest()[:32]
        return f"{plain}-{self.source.value}"

    @property
    def kind(self) -> Kind:
        """Audio or video, by the source."""
        return self.source.kind


def by_line(frames: Mapping[str, Sequence[Frame]]) -> dict[Line, list[list[Frame]]]:
    """The frames of each line, one list per track, in time order and without overlap.

    Two tracks of one line overlap when a publisher rejoins before the old connection is gone, and
    when one recorder hands over to the next.  The newer one counts from its first key frame on.
    """
    tracks: dict[Line, list[list[Frame]]] = {}
    for track in frames.values():
        if track:
            tracks.setdefault(Line.of(track[0].track), []).append(list(track))
    return {line: _successive(tracks[line]) for line in sorted(tracks)}


def _successive(tracks: list[list[Frame]]) -> list[list[Frame]]:
    starts = sorted((_usable_from(track), i) for i, track in enumerate(tracks))
    line = []
    for (_, i), until in zip(starts, [at for at, _ in starts[1:]] + [None], strict=True):
        kept = [frame for frame in tracks[i] if until is None or frame.time_ns < until]
        if kept:
            line.append(kept)
    return line


def _usable_from(track: Sequence[Frame]) -> int:
    last = track[-1].time_ns
    return next((frame.time_ns for frame in track if frame.keyframe), last)
