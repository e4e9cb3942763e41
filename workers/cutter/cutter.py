"""Makes the segments of a slice and hands them to the uploaders."""

import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from media.cut.composite import cut_composite
from media.cut.individual import cut_individual
from media.cut.model import CutResult, Segment, Slice
from media.quality.measure import measure
from media.quality.model import SliceQuality
from media.tape.reader import Tape
from workers.callbacks.notice import EventType
from workers.callbacks.outbox import Outbox
from workers.cutter.plan import composite_spec, individual_spec, slice_at
from workers.engine import Queues
from workers.job import naming
from workers.job.errors import NotFound
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import TERMINAL
from workers.metrics.metrics import Metrics
from workers.spool.spool import Closed, Folder, SegmentFile, Spool, Unit
from workers.store.store import Row, Store

_LOCK_S = 10.0  # a dead cutter's slice is free again after this

log = structlog.get_logger(__name__)


class Cutter:
    """One per cutter process."""

    def __init__(
        self, store: Store, spool: Spool, queues: Queues, outbox: Outbox, metrics: Metrics
    ) -> None:
        self._store = store
        self._spool = spool
        self._queues = queues
        self._outbox = outbox
        self._metrics = metrics

    def cut(self, sid: str, number: int) -> None:
        """Cut a slice (mix), or everything up to it in order (individual).

        Safe to repeat: what is cut already is only asked to be uploaded again.
        """
        try:
            spec = self._store.spec(sid)
        except NotFound:
            return  # ended long ago
        if spec.mode is Mode.MIX:
            with self._store.locked(f"cut:{sid}:{number}", ttl_s=_LOCK_S, wait_s=0) as held:
                if held:
                    self._cut(spec, number)
        elif not self._cut_in_order(spec):
            self._cut(spec, number)  # it is cut: only ask again for what the bucket lacks

    def _cut_in_order(self, spec: RecordingSpec) -> bool:
        """Cut what is missing of an individual recording; False if nothing was.

        Each slice begins where the one before it left off, so one cutter does them in turn.  It
        looks again after it let go of the lock: whoever came meanwhile went away.
        """
        found = False
        while next(self._missing(spec.sid), None) is not None:
            found = True
            with self._store.locked(f"cut:{spec.sid}", ttl_s=_LOCK_S, wait_s=0) as held:
                if not held:
                    break
                for number in self._missing(spec.sid):
                    self._cut(spec, number)
        return found

    def _missing(self, sid: str) -> Iterator[int]:
        """Slices that the tape holds and that are not cut, as long as there are any."""
        folder, number = self._spool.folder(sid), 0
        while True:
            while folder.cut(number):
                number += 1
            if self._wanted(sid, folder, number) is None:
                return
            yield number

    def _wanted(self, sid: str, folder: Folder, number: int) -> tuple[Row, Closed | None] | None:
        """What it takes to cut a slice that is not cut; None if it must not be.

        Asked too early, or too late: a recording that has ended has no tape any more, and a cut
        of nothing would go over the good file in the bucket.  Whoever finds a slice not cut looks
        here afterwards, because a recording ends before its folder is removed.
        """
        row, closed = self._store.row(sid), folder.closed()
        if row is None or row.state in TERMINAL:
            return None
        return (row, closed) if number < (closed.units if closed else row.units_sealed) else None

    def _cut(self, spec: RecordingSpec, number: int) -> None:
        folder = self._spool.folder(spec.sid)
        unit = folder.unit(number)
        if unit is None:
            wanted = self._wanted(spec.sid, folder, number)
            if wanted is None:
                return
            unit = self._make(spec, folder, *wanted, number)
        for segment in unit.segments:
            if not folder.delivered(segment.name):
                self._queues.upload(spec.sid, segment.name)
        if unit.final or not unit.segments:
            self._queues.deliver(spec.sid)

    def _make(
        self, spec: RecordingSpec, folder: Folder, row: Row, closed: Closed | None, number: int
    ) -> Unit:
        began = time.monotonic()
        piece = slice_at(row.origin_ns, number, closed)
        final = closed is not None and number == closed.units - 1
        scratch = folder.scratch(number)
        try:
            before = folder.unit(number - 1) if number else None
            tape = Tape(folder.tape)
            result = _media(tape, spec, row.origin_ns, piece, before, final, scratch)
            if spec.quality_report:
                quality = _quality(tape, spec, piece, final, result)
                if quality is not None:
                    folder.save_quality(number, quality)
        except Exception:
            self._metrics.slices.labels(spec.mode.value, "failed").inc()
            raise
        segments = tuple(self._adopt(spec, folder, made) for made in result.segments)
        scratch.rmdir()
        unit = Unit(
            number=number,
            start_ns=piece.start_ns,
            end_ns=piece.end_ns,
            final=final,
            segments=segments,
            cursor=dict(result.cursor),
            keep_from_ns=result.keep_from_ns,
        )
        folder.save_unit(unit)
        self._tell(spec, unit)
        self._measure(spec, unit, time.monotonic() - began)
        return unit

    def _adopt(self, spec: RecordingSpec, folder: Folder, made: Segment) -> SegmentFile:
        source = made.source.value if made.source else None
        track_type = source if source and source.startswith("screen") else made.kind
        stem = naming.stem(spec, made.uid, track_type)
        name = naming.segment(stem, made.start_ns, made.container)
        folder.adopt(made.path, name)
        return SegmentFile(
            name=name,
            playlist=naming.playlist(stem),
            uid=made.uid,
            kind=made.kind,
            source=source,
            container=made.container,
            codec=made.codec,
            start_ns=made.start_ns,
            duration_s=made.duration_s,
            discontinuity=made.discontinuity,
            resumed=made.resumed,
            width=made.width,
            height=made.height,
        )

    def _tell(self, spec: RecordingSpec, unit: Unit) -> None:
        for segment in unit.segments:
            if segment.resumed:
                start_ms = segment.start_ns // 1_000_000
                details = {
                    "startUtcMs": start_ms,
                    "discontinueUtcMs": start_ms,
                    "mixedAllUser": spec.mode is Mode.MIX,
                    "streamUid": segment.uid,
                    "trackType": segment.kind,
                }
                self._outbox.add(spec, EventType.SLICE_START, details, once=f"slice:{segment.name}")

    def _measure(self, spec: RecordingSpec, unit: Unit, took_s: float) -> None:
        output = spec.mode.value
        self._metrics.slices.labels(output, "cut").inc()
        self._metrics.segments.labels(output).inc(len(unit.segments))
        self._metrics.slice_cut.labels(output).observe(took_s)
        media_s = sum(segment.duration_s for segment in unit.segments)
        self._metrics.slice_media.labels(output).inc(media_s)
        log.info(
            "slice cut",
            sid=spec.sid,
            slice=unit.number,
            segments=len(unit.segments),
            media_s=round(media_s, 3),
            took_s=round(took_s, 3),
        )


def _quality(
    tape: Tape, spec: RecordingSpec, piece: Slice, final: bool, cut: CutResult
) -> SliceQuality | None:
    """How good a slice is; None if that cannot be told, which must never cost the slice itself."""
    try:
        return measure(tape, piece.start_ns, piece.end_ns, frames=cut.frames, final=final)
    except Exception:
        log.exception("slice not measured", sid=spec.sid, slice=piece.number)
        return None


def _media(
    tape: Tape,
    spec: RecordingSpec,
    origin_ns: int,
    piece: Slice,
    before: Unit | None,
    final: bool,
    scratch: Path,
) -> CutResult:
    if spec.mode is Mode.MIX and piece.end_ns <= piece.start_ns:
        return CutResult(segments=(), keep_from_ns=piece.start_ns)
    if spec.mode is Mode.MIX:
        return cut_composite(
            tape, composite_spec(spec), origin_ns=origin_ns, slice=piece, out_dir=scratch
        )
    return cut_individual(
        tape,
        individual_spec(spec),
        origin_ns=origin_ns,
        slice=piece,
        cursor=before.cursor if before else {},
        final=final,
        out_dir=scratch,
    )
