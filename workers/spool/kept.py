"""Tapes that recuts are made from: who still needs one, and until when it is kept.

A recut reads the tape in the folder of another recording.  It is noted there in ``recuts/`` before
it is taken in and until it is delivered; as long as any note is there nobody removes the tape.
Notes are made, and the end of a tape is decided on, under the lock ``deliver:<sid>`` of the
recording that has the tape.
"""

import shutil
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from media.tape.model import PartManifest
from media.tape.part import MANIFEST_SUFFIX
from media.tape.shelf import load_manifest
from workers.job.spec import SLICE_SECONDS
from workers.spool.document import Stored, read, write
from workers.spool.spool import Folder, Unit

_SLICE_NS = SLICE_SECONDS * 1_000_000_000
# What recuts can be made from; all the rest of a folder is in the bucket.
_LASTING = frozenset({"tape", "recuts", "spec.json", "closed.json", "kept.json"})


class Kept(Stored):
    """The recording has ended, and its tape is still there.  Times are Unix nanoseconds."""

    delivered_ns: int
    until_ns: int
    files: tuple[dict[str, Any], ...] = ()  # of the bucket, as FileEntry has them


class TapeFolder:
    """A recording's folder as recuts of it see it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._recuts = folder.path / "recuts"
        self._kept = folder.path / "kept.json"

    def there(self) -> bool:
        """Whether there is a tape."""
        return self.folder.tape.is_dir()

    def recuts(self) -> list[str]:
        """Those that are being made from this tape."""
        try:
            names = [path.name for path in self._recuts.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith("."))

    def begin_recut(self, sid: str) -> None:
        """From now on the tape stays for this one."""
        write(self._recuts / sid, b"")

    def end_recut(self, sid: str) -> None:
        """It needs the tape no more.  Idempotent."""
        (self._recuts / sid).unlink(missing_ok=True)

    def noted_for_s(self, sid: str) -> float:
        """How long ago a recut was noted, seconds; 0 if it is not."""
        try:
            return time.time() - (self._recuts / sid).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def kept(self) -> Kept | None:
        """Until when the tape is kept; None if its recording has not ended."""
        return read(self._kept, Kept)

    def keep(self, kept: Kept) -> None:
        """Everything is in the bucket, and the tape stays."""
        write(self._kept, kept.model_dump_json().encode())

    def thin(self) -> None:
        """Remove what the bucket has.  Idempotent."""
        for path in self.folder.path.iterdir():
            if path.name in _LASTING:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def leave(self) -> None:
        """Its recording has ended: forget all of it but a tape that is kept.  Idempotent."""
        if self.kept() is None:
            self.folder.remove()
        else:
            self.thin()

    def overdue(self, now_ns: int) -> bool:
        """Whether nobody needs the tape any more, and its time is over."""
        kept = self.kept()
        return kept is not None and now_ns >= kept.until_ns and not self.recuts()

    def first_part(self) -> PartManifest | None:
        """The oldest from which on nothing was deleted; None if there is none.

        Before it there may be parts with pictures that stand for long.  Raises TapeDamaged.
        """
        paths = sorted(self.folder.tape.glob(f"*{MANIFEST_SUFFIX}"))
        numbers = [int(path.stem.partition("-")[2]) for path in paths]
        gaps = [i for i in range(1, len(paths)) if numbers[i] != numbers[i - 1] + 1]
        for path in paths[max(gaps, default=0) :]:
            part = load_manifest(path)
            if part is not None:  # else it was deleted at this moment
                return part
        return None


class Needed(NamedTuple):
    """What a recording needs of a tape: all from a time on (0: from the beginning), and ranges."""

    from_ns: int
    ranges: tuple[tuple[int, int], ...]


def needed(folder: Folder, units: Iterable[Unit]) -> Needed:
    """What slices may ask for that are not in the bucket.

    Pieces of growing files need not be there: they are on the spool's disk, as the tape is, and
    stay until the bucket has the whole file.
    """
    found = Needed(0, ())
    for unit in units:
        if not all(folder.delivered(segment.name) for segment in unit.segments):
            break
        found = Needed(max(found.from_ns, unit.keep_from_ns), unit.keep)
    return found


def first_slice(origin_ns: int, first: PartManifest) -> int:
    """The first slice that a tape holds whole; its slices are counted from ``origin_ns``."""
    late_ns = first.from_ns - origin_ns
    if first.number == 0 and late_ns < _SLICE_NS:
        return 0  # nothing was deleted: a timeline may begin before the first packet
    return max(0, -(-late_ns // _SLICE_NS))
