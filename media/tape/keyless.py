"""Where a track has no key frame: what was searched in vain is not searched again.

Who never sends one would cost every slice the same search through minutes of tape.  What is sealed
does not change, and what is noted ends ten seconds before what was searched does, so searches find
the same with this memory and without: a key frame may be complete late, but no later than that, and
any search counts the packets of the ten seconds behind each moment it looks at, up to a second
behind its own end.
"""

from collections import OrderedDict
from collections.abc import Hashable

_MOST = 4096  # tracks that are remembered, the latest


class Keyless:
    """A range of time for each track; thread-safe enough: what is forgotten is searched again."""

    def __init__(self) -> None:
        self._ranges: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def since_ns(self, track: Hashable, from_ns: int) -> int:
        """From when on a search that would begin at ``from_ns`` may find something."""
        begin_ns, end_ns = self._ranges.get(track, (0, 0))
        return end_ns if begin_ns <= from_ns < end_ns else from_ns

    def note(self, track: Hashable, from_ns: int, until_ns: int) -> None:
        """There is none in ``[from_ns, until_ns)``.

        One range is remembered, of two that do not touch the longer one.
        """
        begin_ns, end_ns = self._ranges.pop(track, (from_ns, from_ns))
        if begin_ns <= until_ns and from_ns <= end_ns:
            longer = min(begin_ns, from_ns), max(end_ns, until_ns)
        else:
            longer = max((begin_ns, end_ns), (from_ns, until_ns), key=lambda one: one[1] - one[0])
        if longer[0] < longer[1]:
            self._ranges[track] = longer
        if len(self._ranges) > _MOST:
            self._ranges.popitem(last=False)
