"""Brings files to the customer's bucket and keeps the playlists there true."""

import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from media.tape.model import NS
from workers.callbacks.outbox import Outbox
from workers.job import naming
from workers.job.errors import NotFound, StorageError
from workers.job.spec import RecordingSpec
from workers.job.state import Event, State
from workers.metrics.metrics import Metrics
from workers.spool.damage import DamagedPieces
from workers.spool.spool import Closed, Delivery, Folder, Spool, Unit
from workers.storage.bucket import Bucket
from workers.storage.opening import Buckets
from workers.store.store import Store, now_ns
from workers.store.troubles import Files
from workers.uploader import growing_files, notices, playlists, quality
from workers.uploader.credentials import current
from workers.uploader.cut_units import CutUnits
from workers.uploader.growing import Growth, Work
from workers.uploader.patience import Patience
from workers.uploader.playlists import Line
from workers.uploader.tapes import Tapes
from workers.uploader.troubles import Troubles
from workers.uploader.turns import Turns

_LOCK_S = 10.0  # a dead uploader's recording is free again after this
_WAIT_S = 30.0
_CATCH_UP = 50  # files at once
_GROWING_AT_ONCE = 2  # of an uploader's threads; the others are there for segments and playlists

log = structlog.get_logger(__name__)


class Uploader:
    """One per uploader process; its methods run in several threads at once."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        outbox: Outbox,
        metrics: Metrics,
        tape_retention_s: int = 0,
        buckets: Buckets | None = None,
    ) -> None:
        self._store = store
        self._spool = spool
        self._outbox = outbox
        self._metrics = metrics
        self._units = CutUnits()
        self._tapes = Tapes(spool, self._units, tape_retention_s)
        self._patience = Patience()
        self._buckets = buckets or Buckets()
        self._troubles = Troubles(store, outbox)
        self._growing_troubles = Troubles(store, outbox, Files.GROWING)
        self._growth = Growth(store, outbox, metrics, self._units, self._buckets)
        # Of their own: segments and playlists never wait for what grows, and no file for parts
        # that a bucket may take early or not.
        self._growing_patience = Patience()
        self._early_patience = Patience()
        self._turns = Turns(self._grow, at_once=_GROWING_AT_ONCE)

    def upload(self, sid: str, name: str) -> None:
        """Bring one file there (none if the name is empty), then see what follows from it.

        Safe to repeat.  A file that cannot be delivered stays in the spool; the reconciler asks
        again.
        """
        try:
            spec, rekeyed = current(self._store, self._spool.folder(sid), sid)
        except NotFound:
            return  # ended long ago
        self._deliver(spec, name)
        if rekeyed:
            self._catch_up(spec)
        if spec.grows:
            self._turns.ask(sid, later=bool(spec.tape_of))

    def _deliver(self, spec: RecordingSpec, name: str) -> None:
        with self._patiently(spec, self._patience) as may_try:
            if not may_try:
                if name:
                    self._troubles.waits(spec)
                return
            folder, bucket = self._spool.folder(spec.sid), self._buckets.open(spec.storage)
            if name:
                self._bring(spec, folder, bucket, name)
            self._settle(spec, folder, bucket)

    def _catch_up(self, spec: RecordingSpec) -> None:
        """Bring what the bucket would not take with the keys before; the reconciler asks for more.

        Each counts by itself: a bucket that refuses these keys too is left alone after the first.
        """
        for name in self._spool.folder(spec.sid).waiting()[:_CATCH_UP]:
            self._deliver(spec, name)

    def _grow(self, sid: str) -> bool:
        """Do one step for the growing files of a recording; False if there is none to do.

        Who finds the lock held goes away: its holder looks again after it let go.
        """
        try:
            spec = self._store.spec(sid)
        except NotFound:
            return False
        folder = self._spool.folder(sid)
        work = self._growth.due(spec, folder)
        if work is None:
            return False
        if work.steps and self._early_patience.is_needed(spec.storage):
            work = work.at_once()
        done = self._step(spec, folder, work)
        if done and work.ends:
            self._deliver(spec, "")
        return done or (work.steps and self._early_patience.is_needed(spec.storage))

    def _step(self, spec: RecordingSpec, folder: Folder, work: Work) -> bool:
        patience, done = self._early_patience if work.early else self._growing_patience, False
        with self._patiently(spec, patience) as may_try:
            done = may_try and self._do(spec, folder, work)
            if done:
                patience.worked(spec.storage)
                if work.ends:
                    self._growing_troubles.worked(spec)
        return done

    def _do(self, spec: RecordingSpec, folder: Folder, work: Work) -> bool:
        with self._store.locked(f"grow:{spec.sid}", ttl_s=_LOCK_S, wait_s=0) as held:
            due = self._growth.due(spec, folder) if held else None
            if due is not None and work.is_for(due):  # else look again
                self._growth.do(spec, folder, work)
            return held

    @contextmanager
    def _patiently(self, spec: RecordingSpec, patience: Patience) -> Iterator[bool]:
        """Whether a bucket may be tried now; errors of it are remembered, and end here."""
        may_try = patience.may_try(spec.storage)
        try:
            yield may_try
        except StorageError as exc:
            patience.failed(spec.storage)
            if patience is self._patience:
                self._troubles.failed(spec, exc)
            elif patience is self._growing_patience:
                self._growing_troubles.failed(spec, exc)
            self._metrics.uploads.labels("failed").inc()
            reason = str(exc)
            log.warning("upload failed", sid=spec.sid, error=type(exc).__name__, reason=reason)
        finally:
            if may_try:
                patience.tried(spec.storage)

    def _bring(self, spec: RecordingSpec, folder: Folder, bucket: Bucket, name: str) -> None:
        path = folder.file(name)
        if folder.delivered(name) or not path.exists():
            return
        delivery = self._put(spec, bucket, name, path)
        if name.endswith(".jpg"):
            self._outbox.add(notices.of_snapshot(self._outbox, spec, name))
        folder.deliver(name, delivery)
        log.info("file delivered", sid=spec.sid, file=name, size=delivery.size)

    def _put(self, spec: RecordingSpec, bucket: Bucket, name: str, path: Path) -> Delivery:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        began = time.monotonic()
        receipt = bucket.put(name, path, naming.content_type(name))
        self._patience.worked(bucket.storage)
        self._troubles.worked(spec)
        self._metrics.uploads.labels("delivered").inc()
        self._metrics.upload_seconds.observe(time.monotonic() - began)
        self._metrics.upload_bytes.inc(receipt.size)
        return Delivery(size=receipt.size, etag=receipt.etag, sha256=sha256)

    def _settle(self, spec: RecordingSpec, folder: Folder, bucket: Bucket) -> None:
        """Write the playlists that can grow; end the recording if nothing is left to do.

        Under a lock, so that a slow writer never puts an older playlist over a newer one.
        """
        with self._store.locked(f"deliver:{spec.sid}", ttl_s=_LOCK_S, wait_s=_WAIT_S) as held:
            if not held:
                return  # whoever holds it is late; the reconciler asks again
            units = self._units.of(folder)
            # Looked at once: others bring files meanwhile, which no playlist of ours would name.
            names = (segment.name for unit in units for segment in unit.segments)
            there = frozenset(filter(folder.delivered, names)).__contains__
            lines = playlists.lines(units, there)
            for line in lines:
                self._write(spec, folder, bucket, line)
            self._tapes.trim(spec, folder, units)
            self._fold(spec, folder, units)
            if playlists.complete(units, there) and all(line.whole for line in lines):
                self._end(spec, folder, bucket, units, lines)

    def _write(self, spec: RecordingSpec, folder: Folder, bucket: Bucket, line: Line) -> None:
        before = folder.receipt(line.name)
        done = (before.entries, before.ended) if before else (0, False)
        if not line.segments or done >= (len(line.segments), line.whole):
            return
        with tempfile.TemporaryDirectory(dir=folder.path) as scratch:
            path = Path(scratch) / line.name
            path.write_text(playlists.text(line), encoding="utf-8", newline="\n")
            delivery = self._put(spec, bucket, line.name, path)
        row = playlists.entry(spec, line)
        told = notices.of_playlist(self._outbox, spec, line, row, done[0])
        self._store.save_file(spec.sid, row, told)
        folder.deliver(
            line.name,
            delivery.model_copy(update={"entries": len(line.segments), "ended": line.whole}),
        )

    def _report(
        self,
        spec: RecordingSpec,
        folder: Folder,
        bucket: Bucket,
        closed: Closed,
        lacks: Sequence[quality.Document] = (),
    ) -> None:
        """The last file of all, since it names the others."""
        name = naming.report(spec)
        try:
            book = quality.whole_book(folder, closed.units)
            told = quality.document(spec, closed, book, folder.receipts(), lacks)
        except Exception:  # logged with traceback: see _fold
            log.exception("there is no quality report", sid=spec.sid)
            return
        self._store.save_report(spec.sid, quality.short(told))
        with tempfile.TemporaryDirectory(dir=folder.path) as scratch:
            path = Path(scratch) / name
            path.write_text(quality.text(told), encoding="utf-8")
            folder.deliver(name, self._put(spec, bucket, name, path))

    def _fold(self, spec: RecordingSpec, folder: Folder, units: list[Unit]) -> None:
        try:
            quality.fold(folder, units)
        except Exception:  # logged with traceback, and tried again
            # Whatever is wrong with the figures, the media is delivered.
            log.exception("slices were not taken into the quality book", sid=spec.sid)

    def _end(
        self,
        spec: RecordingSpec,
        folder: Folder,
        bucket: Bucket,
        units: list[Unit],
        lines: list[Line],
    ) -> None:
        closed = folder.closed()
        if closed is None or len(units) < closed.units:
            return
        growing = growing_files.of(spec, units, DamagedPieces(folder).lost())
        grown = [file for file in growing if file.pieces]
        if not all(folder.delivered(file.name) for file in grown):
            return
        row = self._store.row(spec.sid)
        if row is None or row.state is not State.DELIVERING:
            return  # ended already, or the recorder has not said yet that it closed the tape
        files = [growing_files.entry(spec, file) for file in grown]  # in the order of §4.4
        files += [playlists.entry(spec, line) for line in lines]
        for file in files:
            self._store.save_file(spec.sid, file)  # Redis may have lost it since
        lacks = notices.tell_lacks(self._outbox, spec, growing)
        if spec.quality_report:
            self._report(spec, folder, bucket, closed, lacks)
        at_ns = now_ns()
        self._tapes.keep(spec, folder, closed, files, at_ns)
        tape_s = self._tapes.retention_s
        told = notices.of_end(self._outbox, spec, closed, files)
        if not self._store.finish(spec.sid, Event.DELIVERED, at_ns, tape_s=tape_s, notices=told):
            return
        if row.stop_ns:
            self._metrics.recording_finish.observe((at_ns - row.stop_ns) / NS)
        log.info("recording delivered", sid=spec.sid, files=len(files), units=len(units))
        self._tapes.leave(spec, folder)
