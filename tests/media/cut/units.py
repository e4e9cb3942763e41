"""Recordings cut unit by unit, as a farm does."""

import json
from collections.abc import Callable
from pathlib import Path

from media.cut.individual import cut_individual
from media.cut.model import CutResult, IndividualSpec, Segment, Slice
from media.tape.model import NS
from media.tape.reader import Tape
from tests.media.cut.scene import ORIGIN_NS

DEFAULT = IndividualSpec()
FRAME_NS = 22_000_000  # of AAC: a segment begins on the grid, before its first sound


def by_units(
    cut: Callable[..., CutResult],
    tape: Tape,
    out: Path,
    end_s: float,
    spec: IndividualSpec,
    *,
    units: float,
    trim: bool = False,
) -> list[CutResult]:
    """What each unit of ``end_s`` seconds makes; the cursor goes through JSON each time.

    With ``trim`` the tape loses what is said to be done.
    """
    results: list[CutResult] = []
    cursor: dict[str, object] = {}
    begin, number, kept = 0.0, 0, 0
    while begin < end_s:
        end = min(begin + units, end_s)
        part = Slice(number, ORIGIN_NS + int(begin * NS), ORIGIN_NS + int(end * NS))
        made = cut(
            tape,
            spec,
            origin_ns=ORIGIN_NS,
            slice=part,
            cursor=cursor,
            final=end >= end_s,
            out_dir=out,
        )
        cursor = json.loads(json.dumps(made.cursor))
        results.append(made)
        assert kept - FRAME_NS <= made.keep_from_ns <= part.end_ns
        kept = made.keep_from_ns
        if trim:
            tape.trim(kept)
            tape = Tape(tape.directory)
        begin, number = end, number + 1
    return results


def cut_apart(
    tape: Tape,
    out: Path,
    end_s: float,
    spec: IndividualSpec = DEFAULT,
    *,
    units: float = 15.0,
    trim: bool = False,
) -> list[Segment]:
    """All segments of an individual recording of ``end_s`` seconds."""
    results = by_units(cut_individual, tape, out, end_s, spec, units=units, trim=trim)
    return [segment for made in results for segment in made.segments]


def since_s(segment: Segment) -> float:
    return round((segment.start_ns - ORIGIN_NS) / NS, 2)
