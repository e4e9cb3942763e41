"""What uploaders tell the customer of files."""

from collections.abc import Iterable, Sequence

from media.tape.model import NS
from workers.callbacks.notice import EventType, Level, Module, error
from workers.callbacks.outbox import Outbox
from workers.job.ending import ending
from workers.job.spec import Mode, RecordingSpec
from workers.job.status import FileEntry
from workers.spool.spool import Closed
from workers.store.letter import Notices
from workers.uploader import quality
from workers.uploader.growing_files import GrowingFile
from workers.uploader.playlists import Line

_FILE_HANDLING = 51  # reference §7.5
_NORMAL = 0
_ALL = 10_000  # of 10 000


def tell_lacks(
    outbox: Outbox, spec: RecordingSpec, files: list[GrowingFile]
) -> list[quality.Document]:
    """Tell of what was damaged on disk, once each; returns all of it for the report."""
    lacks = [lack for file in files for lack in quality.lacks(spec, file)]
    for lack in lacks:
        once = f"lack:{lack['name']}:{lack['from_ms']}"
        outbox.add(outbox.make(spec, EventType.ERROR, _error(lack), once=once))
    return lacks


def _error(lack: quality.Document) -> dict[str, object]:
    said = f"{lack['name']} lacks {lack['duration_s']} s from {lack['from_ms']}: damaged on disk"
    return error(Module.UPLOADER, Level.MEDIUM, _FILE_HANDLING, said)


def of_snapshot(outbox: Outbox, spec: RecordingSpec, name: str) -> Notices:
    """A screenshot is in the bucket."""
    details = {"fileName": spec.storage.prefix + name}
    return outbox.make(spec, EventType.SNAPSHOT_FILE, details, once=f"file:{name}")


def of_file(outbox: Outbox, spec: RecordingSpec, row: FileEntry) -> Notices:
    """A file is in the bucket for the first time."""
    details = {"fileList": row.name}
    return outbox.make(spec, EventType.FILE_INFOS, details, once=f"file:{row.name}")


def of_playlist(
    outbox: Outbox, spec: RecordingSpec, line: Line, row: FileEntry, known: int
) -> Notices:
    """A playlist is in the bucket; of what follows its ``known`` entries: where media begins."""
    told = [*of_file(outbox, spec, row)] if not known else []
    ends_ns: dict[str, int] = {}
    for number, segment in enumerate(line.segments):
        # Of a merged index the media come one behind the other, and have playlists of their own
        # that tell of them; not so in mode raw.
        is_news = spec.mode is Mode.RAW if line.merged else number >= known
        if segment.resumed and is_news:
            end_ns = min(ends_ns.get(segment.kind, segment.start_ns), segment.start_ns)
            told += _slice_start(
                *(outbox, spec, segment.name, segment.uid, segment.kind),
                *(segment.start_ns, end_ns),
            )
        ends_ns[segment.kind] = segment.start_ns + int(segment.duration_s * NS)
    return told


def of_stretch(
    outbox: Outbox, spec: RecordingSpec, file: GrowingFile, before: GrowingFile | None
) -> Notices:
    """A file that is one continuous stretch of media, and the one before it."""
    first = file.pieces[0]
    last = before.pieces[-1] if before else None
    end_ns = last.start_ns + int(last.duration_s * NS) if last else first.start_ns
    return _slice_start(
        *(outbox, spec, file.name, first.uid, file.track_type),
        *(first.start_ns, min(end_ns, first.start_ns)),
    )


def _slice_start(
    outbox: Outbox, spec: RecordingSpec, name: str, uid: str, kind: str, start_ns: int, end_ns: int
) -> Notices:
    details = {
        "startUtcMs": start_ns // 1_000_000,
        "discontinueUtcMs": end_ns // 1_000_000,
        "mixedAllUser": spec.mode is Mode.MIX,
        "streamUid": uid,
        "trackType": kind,
    }
    return outbox.make(spec, EventType.SLICE_START, details, once=f"slice:{name}")


def of_end(
    outbox: Outbox, spec: RecordingSpec, closed: Closed, files: Sequence[FileEntry]
) -> Notices:
    """Everything is in the bucket, and the recording is over."""
    told: list[tuple[EventType, dict[str, object]]] = []
    if files or not spec.files:
        listed = {"status": _NORMAL, "fileList": rows(files)}
        told += [(EventType.UPLOADING_PROGRESS, {"progress": _ALL}), (EventType.UPLOADED, listed)]
    told.append((EventType.SESSION_EXIT, {"exitStatus": ending(closed.reason).exit_status}))
    return [
        notice
        for event, details in told
        for notice in outbox.make(spec, event, details, once=f"end:{event}")
    ]


def rows(files: Iterable[FileEntry]) -> list[dict[str, object]]:
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
