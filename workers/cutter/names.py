"""What the files of segments are called, and which indices list them."""

from typing import NamedTuple

from media.cut.joint import PICTURE, SOUND
from media.cut.model import Segment
from media.mux.m3u8 import utc17
from workers.cutter.plan import is_merged
from workers.job import naming
from workers.job.spec import Mode, RecordingSpec


class Names(NamedTuple):
    """Bare file names; "": there is none."""

    file: str
    playlist: str
    merged: str  # the index of several lines


def segment_names(spec: RecordingSpec, made: Segment) -> Names:
    """The names of a segment (reference §5.1)."""
    if spec.mode is Mode.RAW:
        return _raw(spec, made)
    screen = made.source if made.source and made.source.is_screen else None
    track_type = screen.value if screen else made.kind
    stem = naming.stem(spec, made.uid, track_type)
    return Names(
        naming.segment(stem, made.start_ns, made.container),
        naming.playlist(stem) if made.listed else "",
        naming.merged(spec, made.uid, made.container) if is_merged(spec, made) else "",
    )


def _raw(spec: RecordingSpec, made: Segment) -> Names:
    def name(end: str) -> str:
        return naming.raw(spec, made.uid, end, screen=screen)

    screen = made.source is not None and made.source.is_screen
    if made.container == "jpg":
        return Names(name(f"{utc17(made.start_ns)}.jpg"), "", "")
    if made.container == "webm":
        stream = PICTURE if made.kind == "video" else SOUND
        file = name(f"{stream}_{made.number}_{made.index}.webm")
        return Names(file, "", name(f"{made.index}.mpd"))
    file = name(f"{utc17(made.start_ns)}_{made.index}.ts")
    return Names(file, name(f"{made.index}.m3u8"), "")
