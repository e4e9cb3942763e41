"""Which piece of a recording belongs to which of its growing files.

A new file begins with the piece that would carry the one before beyond 2 h or 2 GB (reference
§5.5), so always at a slice's boundary.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

NS = 1_000_000_000

LONGEST_NS = 7200 * NS
LARGEST = 2_000_000_000  # bytes, the head included
# More than any head of a file of this length; what it takes exactly is known when the file ends.
_HEAD = 10_000_000
# Slices end on a grid of pictures or of AAC frames, so their ends differ from 15 s by less.
_GRID_NS = NS // 10


class Extent(Protocol):
    """What counts of a piece; :class:`media.cut.model.PieceFile` is one."""

    @property
    def start_ns(self) -> int:
        """Unix nanoseconds."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""

    @property
    def bytes(self) -> int:
        """The size of its payload."""


@dataclass(frozen=True, slots=True)
class NewestFile:
    """The newest file after some pieces; the default is before the first."""

    file: int = -1  # its number, from 0
    start_ns: int = 0  # Unix nanoseconds
    bytes: int = 0  # of its payloads

    def after(self, piece: Extent) -> "NewestFile":
        """The state after one more piece, in order; ``file`` is the one that the piece is in.

        Silence between two pieces counts: it is in the file.  A piece that is too large for any
        file has one of its own.
        """
        if self.file < 0 or self._full(piece):
            return NewestFile(self.file + 1, piece.start_ns, piece.bytes)
        return NewestFile(self.file, self.start_ns, self.bytes + piece.bytes)

    def _full(self, piece: Extent) -> bool:
        end_ns = piece.start_ns + round(piece.duration_s * NS)
        long = end_ns - self.start_ns > LONGEST_NS + _GRID_NS
        return long or self.bytes + piece.bytes + _HEAD > LARGEST


def files(pieces: Iterable[Extent]) -> Iterator[int]:
    """The number of the file of each piece, in order."""
    state = NewestFile()
    for piece in pieces:
        state = state.after(piece)
        yield state.file
