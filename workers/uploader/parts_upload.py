"""One growing file on its way to the bucket, part by part (decision 009)."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from workers.job import naming
from workers.job.errors import (
    PartsRefused,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    UploadLost,
)
from workers.metrics.metrics import Metrics
from workers.spool.spool import Folder, Growing, SentPart
from workers.storage.bucket import Bucket, Part, Receipt
from workers.uploader import spans
from workers.uploader.content import Content
from workers.uploader.spans import Span

_BEGINNINGS = 3  # of one upload at the end of a file, before it is left for later

log = structlog.get_logger(__name__)


class PartsUpload:
    """What the bucket has of one file, as noted in the spool, and how it gets the rest.

    What is noted is never more than what the bucket has, and sending the same part twice changes
    nothing: so whoever comes after one who died goes on from the notes.
    """

    def __init__(self, bucket: Bucket, folder: Folder, name: str, metrics: Metrics) -> None:
        self._bucket = bucket
        self._multipart = bucket.multipart()
        self._folder = folder
        self._name = name
        self._metrics = metrics
        self._growing = folder.growing(name)

    def send_early(self, span: Span, content: Content) -> None:
        """Send a part of a file that grows."""
        try:
            self._send(span, content)
        except UploadLost as exc:
            self._note(Growing())
            raise StorageUnavailable(f"{self._name}: the bucket lost what was sent") from exc

    def finish(self, content: Content, checked: Callable[[], object]) -> Receipt:
        """Send what is missing, and have the file put together and verified.

        ``checked`` raises PieceDamaged, before anybody can see a file with wrong bytes.
        """
        if content.size <= spans.PART_BYTES and not self._growing.upload:
            return self._put(content)
        for _ in range(_BEGINNINGS):
            try:
                receipt = self._complete(content, checked)
            except UploadLost:
                found = self._found()
                if found is not None and found.size == content.size:
                    return found  # who had it put together died before it was noted
                log.warning("a multipart upload is lost, begun again", file=self._name)
                self._note(Growing(in_order=self._growing.in_order))
            except PartsRefused:
                # Some buckets want parts of one size, which the first is not; the file is whole,
                # so it can be sent that way.
                log.warning("parts are refused, sent again in order", file=self._name)
                self._multipart.abort(self._name, self._growing.upload)
                self._note(Growing(upload=self._new(), in_order=True))
            else:
                self._tidy()
                return receipt
        raise StorageUnavailable(f"{self._name}: the bucket loses what is sent")

    def discard(self) -> None:
        """Forget what was sent: it may have wrong bytes, or not fit any more.

        Raises StorageError.
        """
        if self._growing.upload:
            self._multipart.abort(self._name, self._growing.upload)
        self._note(Growing(in_order=self._growing.in_order))

    def _put(self, content: Content) -> Receipt:
        with tempfile.TemporaryDirectory(dir=self._folder.path) as scratch:
            path = Path(scratch) / "whole"
            with path.open("wb") as file:
                file.writelines(content.chunks())
            receipt = self._bucket.put(self._name, path, naming.content_type(self._name))
        self._metrics.upload_bytes.inc(receipt.size)
        return receipt

    def _complete(self, content: Content, checked: Callable[[], object]) -> Receipt:
        in_order = self._growing.in_order
        parts = spans.all_parts(content.head, content.payload, in_order=in_order)
        # In order: with the first one a bucket that waited for it can put the others in place.
        for span in parts:
            if span.number not in self._sent():
                self._send(span, content)
        checked()
        sent = self._sent()
        rows = [sent[span.number] for span in parts]
        return self._multipart.complete(self._name, self._growing.upload, rows)

    def _send(self, span: Span, content: Content) -> None:
        data = content.read(span.begin, span.end)
        self._begin()
        part = self._multipart.part(self._name, self._growing.upload, span.number, data)
        self._metrics.upload_bytes.inc(part.size)
        row = SentPart(number=part.number, size=part.size, md5=part.md5, etag=part.etag)
        rows = [one for one in self._growing.parts if one.number != row.number]
        self._note(self._growing.model_copy(update={"parts": (*rows, row)}))

    def _begin(self) -> None:
        """Begin an upload, or go on with one that somebody began who died before it was noted."""
        if self._growing.upload:
            return
        begun = self._multipart.unfinished(self._name)
        upload = begun[0] if begun else self._new()
        self._note(self._growing.model_copy(update={"upload": upload}))

    def _new(self) -> str:
        return self._multipart.begin(self._name, naming.content_type(self._name))

    def _tidy(self) -> None:
        """Leave no unfinished upload; the file is there, whatever comes of this."""
        try:
            for upload in self._multipart.unfinished(self._name):
                self._multipart.abort(self._name, upload)
        except StorageError as exc:
            log.warning("an upload may be left over", file=self._name, error=str(exc))

    def _found(self) -> Receipt | None:
        try:
            return self._bucket.find(self._name)
        except StorageRefused:
            return None  # a key that may only write

    def _sent(self) -> dict[int, Part]:
        return {
            row.number: Part(row.number, row.size, row.md5, row.etag) for row in self._growing.parts
        }

    def _note(self, growing: Growing) -> None:
        self._growing = growing
        self._folder.save_growing(self._name, growing)
