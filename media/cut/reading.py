"""Reads what a unit needs of a tape, where some lines have segments that began long ago."""

from collections.abc import Callable, Mapping

from media.cut.lines import Line
from media.cut.model import Slice
from media.tape.model import NS, Frame, Track
from media.tape.reader import Tape

_FAR_NS = 60 * NS  # a line that is needed from longer ago is read by itself, and not all with it


def read_lines(
    tape: Tape,
    part: Slice,
    starts: Mapping[Line, int],
    *,
    fresh_ns: int,
    origin_ns: int,
    wants: Callable[[Track], bool],
) -> dict[str, list[Frame]]:
    """Every frame that is wanted up to the slice's end, by track id.

    Lines in ``starts`` are read from there on at the latest, the others from ``fresh_ns`` on.
    """

    def read(from_ns: int, chosen: Callable[[Line], bool]) -> dict[str, list[Frame]]:
        return tape.frames(
            max(from_ns, origin_ns),
            part.end_ns,
            tracks=lambda track: wants(track) and chosen(Line.of(track)),
        )

    far = {line for line, at_ns in starts.items() if at_ns < part.start_ns - _FAR_NS}
    near_ns = [at_ns for line, at_ns in starts.items() if line not in far]
    frames = read(min([*near_ns, fresh_ns]), lambda line: line not in far)
    for line in far:
        frames |= read(starts[line], line.__eq__)
    return frames
