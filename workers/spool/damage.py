"""Pieces of growing files that the spool does not hold as they were cut.

::

    <root>/<sid>/damaged/<piece>    one word: a Harm

A slice is a pure function of its tape, so a damaged piece is cut once more.  When that cannot be,
or does not help, its file is made without it: no recording waits for ever for its disk.
"""

import errno
import zlib
from enum import StrEnum
from pathlib import Path

from workers.spool.document import write
from workers.spool.spool import Folder

# What a disk says that does not give back what it held (ext4 and XFS: EUCLEAN, EBADMSG), and never
# says when it is only full or away for a moment.
_DAMAGE = (errno.ENOENT, errno.EIO, errno.EUCLEAN, errno.EBADMSG)
_AT_ONCE = 1024 * 1024  # bytes that are read together


class Harm(StrEnum):
    """What is known of a damaged piece."""

    FOUND = "found"  # its slice is to be cut once more
    MENDED = "mended"  # that was done; it is done once
    LOST = "lost"  # its file goes without it


class DamagedPieces:
    """Those of one recording, by name."""

    def __init__(self, folder: Folder) -> None:
        self._notes = folder.path / "damaged"

    def all(self) -> dict[str, Harm]:
        """What is known of each; those that nobody complained of are not named."""
        try:
            paths = [path for path in self._notes.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return {}
        return {path.name: _harm(path) for path in sorted(paths)}

    def note(self, name: str, harm: Harm) -> None:
        """Remember it."""
        write(self._notes / name, harm.value.encode())

    def found(self) -> frozenset[str]:
        """Those that are to be cut once more."""
        return self._of(Harm.FOUND)

    def lost(self) -> frozenset[str]:
        """Those that files go without."""
        return self._of(Harm.LOST)

    def slices(self) -> list[int]:
        """The slices that are to be cut once more."""
        return sorted({slice_of(name) for name in self.found()})

    def _of(self, harm: Harm) -> frozenset[str]:
        return frozenset(name for name, known in self.all().items() if known is harm)


def is_damage(error: OSError) -> bool:
    """Whether reading once more would give the same error."""
    return error.errno in _DAMAGE


def slice_of(piece: str) -> int:
    """The slice that a piece came from, by its name."""
    return int(piece.partition("-")[0])


def crc_of(path: Path) -> int:
    """The CRC-32 of a file's bytes.  Raises OSError."""
    crc = 0
    with path.open("rb") as file:
        while data := file.read(_AT_ONCE):
            crc = zlib.crc32(data, crc)
    return crc


def _harm(path: Path) -> Harm:
    try:
        return Harm(path.read_text())
    except (OSError, ValueError):
        return Harm.LOST  # the note itself is damaged
