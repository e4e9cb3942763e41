"""Objects put together from parts that are sent one by one, over hours if need be.

The ``minio`` client keeps these calls to itself; they are used here and nowhere else, and
``tests/workers/test_multipart.py`` fails when they move.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minio.datatypes import Part as MinioPart

from workers.job.errors import StorageRefused, StorageUnavailable
from workers.storage.bucket import Part, Receipt
from workers.storage.errors import our_errors

if TYPE_CHECKING:
    from workers.storage.s3 import S3Bucket


class S3Multipart:
    """See :class:`workers.storage.bucket.Multipart`."""

    def __init__(self, bucket: "S3Bucket") -> None:
        self._bucket = bucket
        self._client = bucket.client
        self._name = bucket.name

    def begin(self, key: str, content_type: str) -> str:
        """Begin an upload; returns its ID."""
        with our_errors(key):
            upload = self._client._create_multipart_upload(
                self._name, self._bucket.object(key), self._bucket.headers(content_type)
            )
        return str(upload)

    def unfinished(self, key: str) -> list[str]:
        """IDs of uploads of this key that were begun and not ended.

        None where the bucket does not list them, or not for us: a key may be for writing only.
        """
        name = self._bucket.object(key)
        try:
            with our_errors(key):
                found = self._client._list_multipart_uploads(self._name, prefix=name)
        except StorageRefused:
            return []
        return [str(row.upload_id) for row in found.uploads if row.object_name == name]

    def part(self, key: str, upload: str, number: int, data: bytes) -> Part:
        """Send one part, and compare its ETag where that is an MD5."""
        with our_errors(key):
            result = self._client._put_object(
                self._name,
                self._bucket.object(key),
                data,
                query_params={"partNumber": str(number), "uploadId": upload},
            )
        etag, md5 = str(result.etag), hashlib.md5(data, usedforsecurity=False).hexdigest()
        if not etag:
            raise StorageUnavailable(f"{key}: the bucket does not name a part that it took")
        self._bucket.check_md5(key, md5, etag, result.http_headers)
        return Part(number, len(data), md5, etag)

    def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Receipt:
        """Make the object of its parts, given in order, and verify it.

        Raises PartsRefused as well.
        """
        rows = [MinioPart(part.number, part.etag) for part in parts]
        with our_errors(key):
            result = self._client._complete_multipart_upload(
                self._name, self._bucket.object(key), upload, rows
            )
        # Putting parts together may take so long that "200" is said before it is known.
        if not result.etag:
            raise StorageUnavailable(f"{key}: the parts were not put together")
        receipt = Receipt(sum(part.size for part in parts), str(result.etag))
        if receipt.etag != _etag(parts):
            self._verify(key, receipt)
        return receipt

    def _verify(self, key: str, made: Receipt) -> None:
        """For ETags that tell nothing of the content, as of objects encrypted by a key service."""
        try:
            found = self._bucket.find(key)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise
            return  # a write-only key: the answer has to do
        if found is None or found.size != made.size:
            raise StorageUnavailable(f"{key}: the bucket holds something else than was sent")

    def abort(self, key: str, upload: str) -> None:
        """Give an upload up; it may be gone already, or not ours to give up."""
        try:
            with our_errors(key):
                self._client._abort_multipart_upload(self._name, self._bucket.object(key), upload)
        except StorageRefused as exc:
            if exc.args[0] not in ("NoSuchUpload", "AccessDenied"):
                raise


def _etag(parts: Sequence[Part]) -> str:
    """What S3 calls an object of these parts: the MD5 of their MD5s, and their count."""
    digests = b"".join(bytes.fromhex(part.md5) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
