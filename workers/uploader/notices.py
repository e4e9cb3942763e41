"""What uploaders tell the customer of files."""

from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.job.spec import RecordingSpec
from workers.job.status import FileEntry
from workers.uploader import quality
from workers.uploader.growing_files import GrowingFile

_UPLOADER, _MEDIUM, _FILE_HANDLING = 1, 3, 51  # module, level, code (reference §7.3, §7.5)


def tell_lacks(
    outbox: Outbox, spec: RecordingSpec, files: list[GrowingFile]
) -> list[quality.Document]:
    """Tell of what was damaged on disk, once each; returns all of it for the report."""
    lacks = [lack for file in files for lack in quality.lacks(spec, file)]
    for lack in lacks:
        once = f"lack:{lack['name']}:{lack['from_ms']}"
        outbox.add(spec, EventType.ERROR, _error(lack), once=once)
    return lacks


def _error(lack: quality.Document) -> dict[str, object]:
    said = f"{lack['name']} lacks {lack['duration_s']} s from {lack['from_ms']}: damaged on disk"
    return {
        "module": _UPLOADER,
        "errorLevel": _MEDIUM,
        "errorCode": _FILE_HANDLING,
        "stat": 0,
        "errorMsg": said,
    }


def rows(files: list[FileEntry]) -> list[dict[str, object]]:
    """Files as event 31 lists them (reference §7.5)."""
    return [
        {
            "fileName": file.name,
            "trackType": file.track_type,
            "uid": file.uid,
            "mixedAllUser": file.mixed,
            "isPlayable": file.playable,
            "sliceStartTime": file.slice_start_ms,
        }
        for file in files
    ]
