"""What becomes of a recording's tape once its media is in the bucket.

Called under the lock ``deliver:<sid>`` of the recording, see workers/spool/kept.py.
"""

from collections.abc import Iterable
from dataclasses import asdict

from media.tape.model import NS
from media.tape.reader import Tape
from workers.job.spec import RecordingSpec
from workers.job.status import FileEntry
from workers.spool.kept import Kept, TapeFolder, needed
from workers.spool.spool import Closed, Folder, Spool, Unit
from workers.uploader.cut_units import CutUnits


class Tapes:
    """Of all recordings."""

    def __init__(self, spool: Spool, units: CutUnits, retention_s: int) -> None:
        """``retention_s``: for how long the tape of an ended recording is kept."""
        self._spool = spool
        self._units = units
        self.retention_s = retention_s

    def trim(self, spec: RecordingSpec, folder: Folder, units: Iterable[Unit]) -> None:
        """Delete what nobody needs: not this recording, nor who is cut from its tape."""
        if spec.tape_of or self.retention_s:
            return
        needs = [needed(folder, units)]
        for sid in TapeFolder(folder).recuts():
            cut = self._spool.folder(sid)
            needs.append(needed(cut, self._units.of(cut)))
        ranges = [one for need in needs for one in need.ranges]
        Tape(folder.tape).trim(min(need.from_ns for need in needs), keep=ranges)

    def keep(
        self,
        spec: RecordingSpec,
        folder: Folder,
        closed: Closed,
        files: Iterable[FileEntry],
        at_ns: int,
    ) -> None:
        """Note that the tape stays when the recording ends now, if it does."""
        tape = TapeFolder(folder)
        if spec.tape_of or not closed.units or not (self.retention_s or tape.recuts()):
            return
        until_ns = at_ns + self.retention_s * NS
        rows = tuple(asdict(file) for file in files)
        tape.keep(Kept(delivered_ns=at_ns, until_ns=until_ns, files=rows))

    def leave(self, spec: RecordingSpec, folder: Folder) -> None:
        """The recording has ended: forget all of it but a tape that is kept."""
        if spec.tape_of:
            TapeFolder(self._spool.folder(spec.tape_of)).end_recut(spec.sid)
        TapeFolder(folder).leave()
