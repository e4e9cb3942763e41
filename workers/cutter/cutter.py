"""Makes the segments of a slice and hands them to the uploaders."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from media.cut.composite import cut_composite
from media.cut.encoder import SOFTWARE, Encoder
from media.cut.individual import cut_individual
from media.cut.model import CutResult, Segment, Slice
from media.cut.mp3_cut import cut_mp3
from media.cut.raw import cut_raw
from media.cut.stretches import cut_stretches
from media.quality.measure import measure
from media.quality.model import SliceQuality
from media.tape.reader import Tape
from workers.callbacks.notice import EventType, Module
from workers.callbacks.outbox import Outbox
from workers.cutter.images import Images, without_query
from workers.cutter.names import segment_names
from workers.cutter.pieces import is_same, stored_piece
from workers.cutter.plan import composite_spec, image_urls, individual_spec, slice_at
from workers.engine import Queues
from workers.job.errors import NotFound, StoreUnavailable
from workers.job.spec import Mode, RecordingSpec
from workers.job.state import ON_AIR, TERMINAL
from workers.metrics.metrics import Metrics
from workers.spool.damage import DamagedPieces, Harm, is_damage, slice_of
from workers.spool.spool import Closed, Folder, SegmentFile, Spool, Unit
from workers.store.row import Row
from workers.store.store import Store

_FAILED = 1  # the RTC SDK's ERR_FAILED (reference §7.5)
_LOCK_S = 10.0  # a dead cutter's slice is free again after this
_TRIES = 240  # to cut a damaged slice once more; the reconciler asks four times a minute

log = structlog.get_logger(__name__)


class Cutter:
    """One per cutter process."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        queues: Queues,
        outbox: Outbox,
        metrics: Metrics,
        images: Images,
        encoder: Encoder = SOFTWARE,
    ) -> None:
        self._store = store
        self._spool = spool
        self._queues = queues
        self._outbox = outbox
        self._metrics = metrics
        self._images = images
        self._encoder = encoder

    def cut(self, sid: str, number: int) -> None:
        """Cut a slice (mix), or everything up to it in order (individual).

        Safe to repeat: what is cut already is only asked to be uploaded again.  Of a mix whose
        slice is not on tape yet the images are fetched, so that no slice has to wait for them.
        """
        try:
            spec = self._store.spec(sid)
        except NotFound:
            return  # ended long ago
        if number in DamagedPieces(self._spool.folder(sid)).slices():
            self._mend(spec, number)
        elif spec.mode is Mode.MIX and self._is_early(spec, number):
            self._fetch_ahead(spec)
        elif spec.mode is Mode.MIX:
            with self._store.locked(f"cut:{sid}:{number}", ttl_s=_LOCK_S, wait_s=0) as held:
                if held:
                    self._cut(spec, number)
        elif spec.tape_of:
            self._cut_next(spec, number)
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

    def _cut_next(self, spec: RecordingSpec, number: int) -> None:
        """Cut one slice of a recut, and ask for the next: live ones go in between."""
        with self._store.locked(f"cut:{spec.sid}", ttl_s=_LOCK_S, wait_s=0) as held:
            if not held or next(self._missing(spec.sid), None) != number:
                return
            self._cut(spec, number)
        if self._wanted(spec.sid, self._spool.folder(spec.sid), number + 1) is not None:
            self._queues.cut(spec.sid, number + 1, recut=True)

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
                self._queues.upload(spec.sid, segment.name, recut=bool(spec.tape_of))
        if unit.final or not unit.segments:
            self._queues.deliver(spec.sid, recut=bool(spec.tape_of))

    def _make(
        self, spec: RecordingSpec, folder: Folder, row: Row, closed: Closed | None, number: int
    ) -> Unit:
        began = time.monotonic()
        piece = slice_at(row.origin_ns, number, closed)
        final = closed is not None and number == closed.units - 1
        scratch = folder.scratch(number)
        try:
            tape = Tape(self._spool.folder(spec.tape_sid).tape)
            result = self._media(tape, spec, folder, row.origin_ns, piece, final, scratch)
            if spec.quality_report:
                quality = _quality(tape, spec, piece, final, result)
                if quality is not None:
                    folder.save_quality(number, quality)
        except Exception:
            self._metrics.slices.labels(_output(spec), "failed").inc()
            raise
        segments = tuple(self._adopt(spec, folder, made) for made in result.segments)
        pieces = tuple(
            stored_piece(made, f"{number:06d}-{i}") for i, made in enumerate(result.pieces)
        )
        for made, stored in zip(result.pieces, pieces, strict=True):
            folder.adopt_piece(made.payload, made.index, stored.name)
        scratch.rmdir()
        unit = Unit(
            number=number,
            start_ns=piece.start_ns,
            end_ns=piece.end_ns,
            final=final,
            segments=segments,
            cursor=dict(result.cursor),
            keep_from_ns=result.keep_from_ns,
            keep=result.keep,
            pieces=pieces,
        )
        folder.save_unit(unit)
        self._measure(spec, unit, time.monotonic() - began)
        return unit

    def _mend(self, spec: RecordingSpec, number: int) -> None:
        """Make the damaged pieces of a slice once more.

        The same slice gives the same bytes, as long as its tape is there; others would not go with
        those that the bucket has.
        """
        folder = self._spool.folder(spec.sid)
        with self._store.locked(f"cut:{spec.sid}:{number}", ttl_s=_LOCK_S, wait_s=0) as held:
            unit, row = folder.unit(number), self._store.row(spec.sid)
            if not held or unit is None or row is None or row.state in TERMINAL:
                return
            damaged = DamagedPieces(folder)
            names = [name for name in damaged.found() if slice_of(name) == number]
            mended = self._made_again(spec, folder, row.origin_ns, unit, names)
            for name in names:
                damaged.note(name, Harm.MENDED if name in mended else Harm.LOST)
            log.warning("a slice was cut once more", sid=spec.sid, slice=number, mended=mended)
        self._queues.deliver(spec.sid, recut=bool(spec.tape_of))

    def _made_again(
        self, spec: RecordingSpec, folder: Folder, origin_ns: int, unit: Unit, names: list[str]
    ) -> list[str]:
        """Put the pieces of these names in their place again; returns those that are the same.

        Raises what may be over when it is tried again: OSError, MemoryError and StoreUnavailable.
        """
        part = Slice(unit.number, unit.start_ns, unit.end_ns)
        scratch, mended = folder.scratch(unit.number), []
        try:
            tape = Tape(self._spool.folder(spec.tape_sid).tape)
            result = self._media(tape, spec, folder, origin_ns, part, unit.final, scratch)
            for made, before in zip(result.pieces, unit.pieces, strict=True):
                if before.name in names and is_same(made, before):
                    folder.adopt_piece(made.payload, made.index, before.name)
                    mended.append(before.name)
        except Exception as exc:  # logged with traceback
            if _may_pass(exc) and self._store.tried(spec.sid, f"mend:{unit.number}") < _TRIES:
                raise
            # Whatever it is, the file goes without them rather than that it is never finished.
            log.exception("a slice cannot be cut once more", sid=spec.sid, slice=unit.number)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return mended

    def _media(
        self,
        tape: Tape,
        spec: RecordingSpec,
        folder: Folder,
        origin_ns: int,
        part: Slice,
        final: bool,
        scratch: Path,
    ) -> CutResult:
        before = folder.unit(part.number - 1) if part.number else None
        urls = image_urls(spec, tape, part)
        images = self._images.have(folder.path, urls, self._settled(spec))
        return _cut_by_mode(
            tape, spec, origin_ns, part, before, final, scratch, images, self._encoder
        )

    def _is_early(self, spec: RecordingSpec, number: int) -> bool:
        row = self._store.row(spec.sid)
        return row is not None and row.state in ON_AIR and number >= row.units_sealed

    def _fetch_ahead(self, spec: RecordingSpec) -> None:
        orders = self._store.orders.since(spec.sid, 0)
        looks = [spec.look, *filter(None, (order.look for order in orders))]
        folder = self._spool.folder(spec.sid)
        if folder.path.is_dir():  # else no recorder has begun
            urls = {url for look in (looks[0], looks[-1]) for url in look.urls}
            self._images.fetch_ahead(folder.path, urls, self._settled(spec))

    def _settled(self, spec: RecordingSpec) -> Callable[[str, str], None]:
        """What to do with news of an image: those that cannot be had are reported."""

        def settled(url: str, why: str) -> None:
            self._metrics.images.labels("given_up" if why else "fetched").inc()
            if why:
                log.warning("an image is not shown", sid=spec.sid, why=why)
                said = f"the image {without_query(url)} is not shown: {why}"
                details = {"module": int(Module.RECORDER), "warnCode": _FAILED, "warnMsg": said}
                self._outbox.tell(spec, EventType.WARNING, details)

        return settled

    def _adopt(self, spec: RecordingSpec, folder: Folder, made: Segment) -> SegmentFile:
        source = made.source.value if made.source else None
        names = segment_names(spec, made)
        folder.adopt(made.path, names.file)
        return SegmentFile(
            name=names.file,
            playlist=names.playlist,
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
            rotation=made.rotation,
            turns=made.turns,
            profile=made.profile,
            bytes=folder.file(names.file).stat().st_size,
            merged=names.merged,
        )

    def _measure(self, spec: RecordingSpec, unit: Unit, took_s: float) -> None:
        output = _output(spec)
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


def _output(spec: RecordingSpec) -> str:
    """What metrics call it: recuts say nothing of how live cuts keep up."""
    return "recut" if spec.tape_of else spec.mode.value


def _may_pass(error: Exception) -> bool:
    """Whether it is none of the tape: a full disk, memory, Redis."""
    if isinstance(error, OSError):
        return not is_damage(error)
    return isinstance(error, MemoryError | StoreUnavailable)


def _quality(
    tape: Tape, spec: RecordingSpec, piece: Slice, final: bool, cut: CutResult
) -> SliceQuality | None:
    """How good a slice is; None if that cannot be told, which must never cost the slice itself."""
    try:
        return measure(
            tape,
            piece.start_ns,
            piece.end_ns,
            frames=cut.frames,
            final=final,
            wanted=spec.subscription.wanted,
            only=spec.only,
        )
    except Exception:
        log.exception("slice not measured", sid=spec.sid, slice=piece.number)
        return None


def _cut_by_mode(
    tape: Tape,
    spec: RecordingSpec,
    origin_ns: int,
    piece: Slice,
    before: Unit | None,
    final: bool,
    scratch: Path,
    images: Mapping[str, Path],
    encoder: Encoder,
) -> CutResult:
    if spec.mode is Mode.MIX and piece.end_ns <= piece.start_ns:
        return CutResult(segments=(), keep_from_ns=piece.start_ns)
    if spec.mode is Mode.MIX:
        return cut_composite(
            tape,
            composite_spec(spec),
            origin_ns=origin_ns,
            slice=piece,
            out_dir=scratch,
            images=images,
            encoder=encoder,
        )
    return _cut_apart(spec)(
        tape,
        individual_spec(spec),
        origin_ns=origin_ns,
        slice=piece,
        cursor=before.cursor if before else {},
        final=final,
        out_dir=scratch,
    )


def _cut_apart(spec: RecordingSpec) -> Callable[..., CutResult]:
    """What cuts each publisher's media apart."""
    if spec.mode is Mode.RAW:
        return cut_mp3 if spec.mp3 else cut_raw
    return cut_stretches if spec.webm else cut_individual
