"""Turns segments into playlist entries."""

from media.cut.model import Segment
from media.mux.m3u8 import Entry, Rotation, TrackStart


def entry(segment: Segment, name: str, before: Segment | None) -> Entry:
    """The entry of a segment that is stored as ``name``; ``before`` is the one before it."""
    resumed = segment.resumed or before is None
    return Entry(
        name,
        segment.duration_s,
        segment.discontinuity or before is None,
        _starts(segment) if resumed else (),
        _rotation(segment, before),
    )


def _starts(segment: Segment) -> tuple[TrackStart, ...]:
    return tuple(TrackStart(kind.upper(), segment.start_ns) for kind in segment.kind.split("_and_"))


def _rotation(segment: Segment, before: Segment | None) -> Rotation | None:
    if not segment.width:
        return None
    same = before and (segment.width, segment.height) == (before.width, before.height)
    return None if same else Rotation(segment.width, segment.height, segment.start_ns)
