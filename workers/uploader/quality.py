"""The quality report as it stands beside a recording's files."""

import json
from collections.abc import Mapping, Sequence
from itertools import islice, takewhile
from typing import Any

from media.quality import report
from media.quality.book import Book
from workers.job import naming
from workers.job.spec import RecordingSpec
from workers.spool.spool import Closed, Delivery, Folder, Unit
from workers.uploader.growing_files import GrowingFile

_TOGETHER = 20  # slices that are taken into the book at once
MOST_FILES = 10_000  # listed in the copy that Redis keeps; about 2 MB

Document = dict[str, Any]


def fold(folder: Folder, units: Sequence[Unit]) -> None:
    """Take slices into the recording's book, when enough of them are cut and delivered.

    By one caller at a time.  Whoever dies in here is followed by one who does it again: the book
    says itself which slices are in it.
    """
    waiting = folder.measured()
    if len(waiting) < _TOGETHER:
        return
    done = takewhile(lambda unit: _delivered(folder, unit), units[waiting[0] :])
    if len(list(islice(done, _TOGETHER))) < _TOGETHER:
        return
    book = folder.book()
    began = book.until
    taken = list(takewhile(lambda unit: _delivered(folder, unit), units[book.until :]))
    for unit in taken:
        _take(folder, book, unit.number)
    book.settle()
    if folder.book().until == began:  # else our lock lapsed, and another one did it
        folder.save_book(book)
        folder.gather(segment.name for unit in taken for segment in unit.segments)


def whole_book(folder: Folder, count: int) -> Book:
    """What all ``count`` slices of a recording say together."""
    while True:
        book = folder.book()
        began = book.until
        for number in range(book.until, count):
            _take(folder, book, number)
        if folder.book().until == began:  # else slices went into it while we looked for them
            return book


def _take(folder: Folder, book: Book, number: int) -> None:
    book.add(number, folder.quality(number))
    if number % _TOGETHER == 0:
        book.settle()


def _delivered(folder: Folder, unit: Unit) -> bool:
    return all(folder.delivered(segment.name) for segment in unit.segments)


def lacks(spec: RecordingSpec, file: GrowingFile) -> list[Document]:
    """What a file has not though it was recorded."""
    return [
        {
            "name": spec.storage.prefix + file.name,
            "from_ms": piece.start_ns // 1_000_000,
            "duration_s": piece.duration_s,
        }
        for piece in file.lost
    ]


def document(
    spec: RecordingSpec,
    closed: Closed,
    book: Book,
    receipts: Mapping[str, Delivery],
    lacking: Sequence[Document] = (),
) -> Document:
    """The report.  The same recording always gives the same."""
    own = naming.report(spec)
    return {
        "sid": spec.sid,
        "cname": spec.cname,
        "mode": spec.mode.value,
        "recorder_uid": spec.recorder_uid,
        "end_reason": closed.reason,
        "slices_not_measured": closed.units - book.measured,
        **report.document(book),
        "files": [
            {"name": spec.storage.prefix + name, "size": one.size, "sha256": one.sha256}
            for name, one in sorted(receipts.items())
            if name != own
        ],
        "files_not_listed": 0,
        "files_lack": list(lacking),
    }


def text(of: Document) -> str:
    """A report as JSON."""
    return json.dumps(of, ensure_ascii=False)


def short(of: Document) -> str:
    """A report as JSON that names no more than MOST_FILES files."""
    files = of["files"]
    more = max(0, len(files) - MOST_FILES)
    return text({**of, "files": files[:MOST_FILES], "files_not_listed": more})
