"""Reads what a unit needs of a tape, for cuts that store each publisher apart."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from media.cut import sound_clock
from media.cut.lines import Line
from media.cut.model import Slice
from media.cut.pauses import Pauses, pauses
from media.cut.wishes import Wishes
from media.tape.model import NS, Frame, Track
from media.tape.reader import Tape

# Times may still move a little between two readings; marks keep out what was there already.
MARGIN_NS = NS
SOUND_LEAD_NS = sound_clock.LEAD_NS + NS  # before sound that is to be placed
LAG_NS = NS // 5  # sound is decided on this long before a unit's end: encoders look ahead
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


def line_pauses(tape: Tape, wishes: Wishes, line: Line, from_ns: int, until_ns: int) -> Pauses:
    """When a line is silent on purpose from ``from_ns`` on, and when it is not to be recorded."""
    events = tape.events(from_ns, until_ns)
    silent = pauses(line, tape.roster(from_ns), events)
    return replace(silent, unwanted=wishes.unwanted(line))
