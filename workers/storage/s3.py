"""One bucket, through the S3 API."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from minio import Minio

from workers.job.errors import StorageRefused, StorageUnavailable
from workers.job.spec import Storage
from workers.storage.bucket import Multipart, Receipt
from workers.storage.errors import our_errors
from workers.storage.etag import check_md5
from workers.storage.http import connections
from workers.storage.multipart import S3Multipart

_PART_BYTES = 64 * 1024 * 1024  # files up to this size go in one request; their ETag is their MD5
_NOT_THERE = ("NoSuchKey", "status 404")
_ENCRYPTION = {"s3": "AES256", "kms": "aws:kms"}


class S3Bucket:
    """See :class:`workers.storage.bucket.Bucket`."""

    def __init__(self, storage: Storage, web: urllib3.PoolManager | None = None) -> None:
        self.storage = storage
        self.name = storage.bucket
        session = storage.session_token
        with our_errors(self.name):
            self.client = Minio(
                endpoint=storage.endpoint,
                access_key=storage.access_key,
                secret_key=storage.secret_key.get_secret_value(),
                session_token=session.get_secret_value() if session else None,
                secure=storage.secure,
                region=storage.region or "us-east-1",
                http_client=web or connections(connect_s=3, read_s=30),
            )
            if storage.path_style:
                self.client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio
            else:
                self.client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio

    def multipart(self) -> Multipart:
        """Uploads of many parts."""
        return S3Multipart(self)

    def headers(self, content_type: str) -> dict[str, Any]:
        """What every object is made with; parts of one need none of it."""
        made: dict[str, Any] = {"Content-Type": content_type}
        if self.storage.encryption:
            made["x-amz-server-side-encryption"] = _ENCRYPTION[self.storage.encryption]
        if self.storage.tags:
            pairs = (f"{quote(key, '')}={quote(value, '')}" for key, value in self.storage.tags)
            made["x-amz-tagging"] = "&".join(pairs)
        return made

    def check(self) -> None:
        """Ask the bucket for a listing of nothing.

        A key that may only write is told AccessDenied; that is a bucket and a key that exist, and
        all that an uploader needs.
        """
        try:
            with our_errors(self.name):
                objects = self.client.list_objects(
                    bucket_name=self.name, prefix=self.object("tapefarm-check/")
                )
                next(iter(objects), None)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise

    def object(self, key: str) -> str:
        """The whole name of an object; keys are without the prefix everywhere else."""
        return self.storage.prefix + key

    def find(self, key: str) -> Receipt | None:
        """What the bucket holds under a key.  A key that may only write is told AccessDenied."""
        try:
            with our_errors(key):
                found = self.client.stat_object(bucket_name=self.name, object_name=self.object(key))
        except StorageRefused as exc:
            if exc.args[0] in _NOT_THERE:
                return None
            raise
        return Receipt(int(found.size or 0), str(found.etag).strip('"'))

    def put(self, key: str, path: Path, content_type: str) -> Receipt:
        """Put a file and verify size and ETag.  ``key`` is without the prefix."""
        data = path.read_bytes() if path.stat().st_size <= _PART_BYTES else None
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() if data is not None else ""
        name, size = self.object(key), path.stat().st_size
        with our_errors(key):
            result = self.client.fput_object(
                bucket_name=self.name,
                object_name=name,
                file_path=str(path),
                content_type=content_type,
                metadata=self.headers(content_type),
                part_size=_PART_BYTES,
            )
        etag = str(result.etag).strip('"')
        if md5:
            self.check_md5(key, md5, etag, result.http_headers)
        receipt = Receipt(size, etag)
        self._verify(key, receipt)
        return receipt

    def check_md5(self, key: str, md5: str, etag: str, headers: Mapping[str, str]) -> None:
        """Compare what the bucket answered with what was sent, where its ETags are MD5s."""
        if self.storage.encryption != "kms":
            check_md5(key, md5, etag, headers)

    def _verify(self, key: str, put: Receipt) -> None:
        try:
            found = self.find(key)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise
            return  # a write-only key: the ETag of the answer to PUT has to do
        # Some buckets name an object of parts anew afterwards.
        if found != put and (found is None or found.size != put.size or "-" not in put.etag):
            raise StorageUnavailable(f"{key}: the bucket holds something else than was put")
