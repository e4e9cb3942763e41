"""Brings growing files to the bucket while they grow (decision 009).

While a recording runs, its MP4 is a multipart upload: parts are sent as pieces fill them, all but
the first, which begins with the head.  When the file ends, what is left and the head are sent: a
few MB, however long the recording.

A piece that is damaged is cut once more, see workers/spool/damage.py; its file waits for that, and
no other one.

Every step may be repeated, whoever died wherever: what is noted in the spool is never more than
what the bucket has, and sending the same part twice changes nothing.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from media.errors import CutFailed
from media.mux import matroska, mp4
from media.mux.clusters import ClusterIndex
from media.mux.piece import Index
from workers.callbacks.outbox import Outbox
from workers.job.errors import PieceDamaged
from workers.job.spec import RecordingSpec
from workers.job.state import TERMINAL
from workers.metrics.metrics import Metrics
from workers.spool.damage import DamagedPieces, Harm, crc_of, slice_of
from workers.spool.spool import Delivery, Folder, StoredPiece
from workers.storage.opening import Buckets
from workers.store.store import Store
from workers.uploader import growing_files, notices, spans
from workers.uploader.content import Content, Payload, blaming
from workers.uploader.cut_units import CutUnits
from workers.uploader.growing_files import GrowingFile
from workers.uploader.parts_upload import PartsUpload
from workers.uploader.spans import Span

_READ_S = 120.0  # putting an object together may take its time
# A bucket may be short of room for parts that it cannot put in their place yet (the embedded one
# keeps them in memory): then they are sent at the end.
_EARLY_READ_S = 60.0

_Index = TypeVar("_Index")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done next."""

    file: GrowingFile
    early: Span | None = None  # a part that can be sent already
    ends: bool = False  # what is left of it, and its head
    over: bool = False  # the bucket has it: its pieces can go

    @property
    def steps(self) -> bool:
        """Whether a file that has ended is sent part by part, so that others come in between."""
        return self.early is not None and self.file.closed

    def at_once(self) -> "Work":
        """All that is left of the file, for a bucket that takes no part before the first."""
        return Work(self.file, ends=True)

    def is_for(self, due: "Work") -> bool:
        """Whether this does what is due: the same, or the steps of it at once."""
        return self == due or (due.steps and self == due.at_once())


class Growth:
    """The growing files of recordings.

    One caller at a time for each recording; errors of the bucket are StorageError.
    """

    def __init__(
        self, store: Store, outbox: Outbox, metrics: Metrics, units: CutUnits, buckets: Buckets
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._metrics = metrics
        self._units = units
        self._buckets = buckets

    def due(self, spec: RecordingSpec, folder: Folder) -> Work | None:
        """What to do next, if anything; a look that costs little."""
        work = self._undelivered(spec, folder)
        if work is None:
            return None
        # Looked at afterwards, because a recording ends before its folder is removed: without a
        # receipt the file may be there as well.
        row = self._store.row(spec.sid)
        return None if row is None or row.state in TERMINAL else work

    def _undelivered(self, spec: RecordingSpec, folder: Folder) -> Work | None:
        harms = DamagedPieces(folder).all()
        lost = [name for name, harm in harms.items() if harm is Harm.LOST]
        files = growing_files.of(spec, self._units.of(folder), lost)
        for file in files:
            if not file.pieces or any(harms.get(one.name) is Harm.FOUND for one in file.pieces):
                continue  # there can be none, or a cutter is asked for what it needs
            if folder.delivered(file.name):
                # At the end of a recording all its folder goes, and nobody need wait for that.
                if not files[-1].closed and folder.piece_index(file.pieces[-1].name).exists():
                    return Work(file, over=True)
                continue
            growing = folder.growing(file.name)
            sent = {part.number for part in growing.parts}
            early = () if growing.in_order else spans.ahead(file.bytes)
            span = next((span for span in early if span.number not in sent), None)
            if span is not None:
                return Work(file, early=span)
            if file.closed:
                return Work(file, ends=True)
        return None

    def do(self, spec: RecordingSpec, folder: Folder, work: Work) -> None:
        """Do it.  A file that ends is listed as soon as the bucket has it whole."""
        if work.over:
            folder.forget_growing(work.file.name, (piece.name for piece in work.file.pieces))
            return
        try:
            self._send(spec, folder, work)
        except PieceDamaged as exc:
            if folder.delivered(work.file.name):
                return  # another one did it, while Redis knew nothing of our lock
            if not all(folder.cut(slice_of(name)) for name in exc.names):
                raise  # it is the spool that is away
            bucket = self._buckets.open(spec.storage)
            PartsUpload(bucket, folder, work.file.name, self._metrics).discard()
            _note(folder, exc.names)

    def _send(self, spec: RecordingSpec, folder: Folder, work: Work) -> None:
        read_s = _EARLY_READ_S if work.early else _READ_S
        bucket, name = self._buckets.open(spec.storage, read_s=read_s), work.file.name
        upload = PartsUpload(bucket, folder, name, self._metrics)
        if work.early is not None:
            upload.send_early(work.early, _payload(folder, work.file))
            return
        began = time.monotonic()
        content = _content(folder, work.file)
        with ThreadPoolExecutor(1, thread_name_prefix="sha256") as beside:
            sha256 = beside.submit(content.sha256)
            receipt = upload.finish(content, sha256.result)
            delivery = Delivery(size=receipt.size, etag=receipt.etag, sha256=sha256.result())
        self._metrics.uploads.labels("delivered").inc()
        self._metrics.upload_seconds.observe(time.monotonic() - began)
        self._deliver(spec, folder, work.file, delivery)

    def _deliver(
        self, spec: RecordingSpec, folder: Folder, file: GrowingFile, delivery: Delivery
    ) -> None:
        row = growing_files.entry(spec, file)
        told = [*notices.of_file(self._outbox, spec, row)]
        if spec.webm or spec.mp3:
            before = growing_files.before(file, growing_files.of(spec, self._units.of(folder)))
            told += notices.of_stretch(self._outbox, spec, file, before)
        self._store.save_file(spec.sid, row, told)
        folder.deliver(file.name, delivery)
        log.info("file delivered", sid=spec.sid, file=file.name, size=delivery.size)


def _content(folder: Folder, file: GrowingFile) -> Content:
    """The whole file.  Raises PieceDamaged and OSError."""
    created_ns = file.pieces[0].start_ns
    try:
        if file.kind == "mp3":
            head = b""  # frames say themselves what they are
        elif file.kind == "webm":
            head = matroska.head(_indices(folder, file, ClusterIndex.read), created_ns=created_ns)
        else:
            head = mp4.head(_indices(folder, file, Index.read), created_ns=created_ns)
    except CutFailed as exc:  # each can be read, and they do not go together
        raise PieceDamaged(*(piece.name for piece in file.pieces)) from exc
    return Content(head, _payloads(folder, file))


def _indices(folder: Folder, file: GrowingFile, read: Callable[[Path], _Index]) -> list[_Index]:
    return [_index(folder.piece_index(piece.name), piece, read) for piece in file.pieces]


def _index(path: Path, piece: StoredPiece, read: Callable[[Path], _Index]) -> _Index:
    with blaming(piece.name):
        if piece.index_crc not in (None, crc_of(path)):
            raise PieceDamaged(piece.name)
        try:
            return read(path)
        except CutFailed as exc:
            raise PieceDamaged(piece.name) from exc


def _payload(folder: Folder, file: GrowingFile) -> Content:
    """A file without its head."""
    return Content(b"", _payloads(folder, file))


def _payloads(folder: Folder, file: GrowingFile) -> list[Payload]:
    return [
        Payload(folder.piece_payload(piece.name), piece.bytes, piece.payload_crc)
        for piece in file.pieces
    ]


def _note(folder: Folder, names: tuple[str, ...]) -> None:
    """Remember damage: the reconciler asks for the slices.

    A second complaint, of what is MENDED, means LOST: cutting it again would not help.
    """
    damaged = DamagedPieces(folder)
    before = damaged.all()
    for name in names:
        harm = Harm.FOUND if before.get(name, Harm.FOUND) is Harm.FOUND else Harm.LOST
        damaged.note(name, harm)
        log.error("a piece is damaged", sid=folder.path.name, piece=name, harm=harm.value)
