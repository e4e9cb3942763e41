"""A recording as Redis shows it at one moment."""

from dataclasses import dataclass

from workers.job.spec import RecordingSpec
from workers.job.state import ON_AIR
from workers.job.status import FileEntry, RecordingStatus
from workers.store.row import Row


@dataclass(frozen=True, slots=True)
class Seen:
    """All that there is to say of it."""

    row: Row
    spec: RecordingSpec
    files: tuple[FileEntry, ...]
    leased: bool  # a recorder holds it

    def status(self) -> RecordingStatus:
        """As it looks from outside."""
        row, spec = self.row, self.spec
        return RecordingStatus(
            sid=row.sid,
            state=row.state,
            mode=spec.mode,
            app_id=spec.app_id,
            cname=spec.cname,
            uid=spec.recorder_uid,
            audio=spec.audio,
            video=spec.video,
            mp4=spec.mp4,
            snapshots=bool(spec.snapshot_s),
            files=self.files,
            slice_start_ms=row.origin_ns // 1_000_000,
            no_data=row.no_data,
            tape_of=spec.tape_of,
            reason=row.reason,
            joined=row.joined,
            orphan=row.state in ON_AIR and row.fence > 0 and not self.leased,
            accepted_ns=spec.accepted_ns,
            stop_ns=row.stop_ns,
            end_ns=row.end_ns,
            delivered_ns=row.delivered_ns,
        )
