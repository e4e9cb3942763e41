"""One bucket, through the S3 API."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minio import Minio

from workers.job.errors import StorageRefused, StorageUnavailable
from workers.job.spec import Storage
from workers.storage.errors import our_errors
from workers.storage.http import connections

_PART_BYTES = 64 * 1024 * 1024  # files up to this size go in one request; their ETag is their MD5
_NOT_THERE = ("NoSuchKey", "status 404")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the bucket said about a file that was put and verified."""

    size: int  # bytes
    etag: str


class Bucket:
    """A customer's bucket.  Errors are StorageRefused and StorageUnavailable, nothing else."""

    def __init__(self, storage: Storage, *, connect_s: float = 3, read_s: float = 30) -> None:
        self.storage = storage
        self.name = storage.bucket
        session = storage.session_token
        self.client = Minio(
            endpoint=storage.endpoint,
            access_key=storage.access_key,
            secret_key=storage.secret_key.get_secret_value(),
            session_token=session.get_secret_value() if session else None,
            secure=storage.secure,
            region=storage.region or "us-east-1",
            http_client=connections(connect_s=connect_s, read_s=read_s),
        )
        if not storage.path_style:
            self.client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio

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
                part_size=_PART_BYTES,
            )
        etag = str(result.etag).strip('"')
        if md5:
            check_md5(key, md5, etag, result.http_headers)
        receipt = Receipt(size, etag)
        self._verify(key, receipt)
        return receipt

    def _verify(self, key: str, put: Receipt) -> None:
        try:
            found = self.find(key)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise
            return  # a write-only key: the ETag of the answer to PUT has to do
        if found != put:
            raise StorageUnavailable(f"{key}: the bucket holds something else than was put")


def check_md5(key: str, md5: str, etag: str, headers: Mapping[str, str]) -> None:
    """Compare an ETag that is an MD5 with ours.  Raises StorageUnavailable."""
    if _is_md5(etag) and not _by_kms(headers) and etag != md5:
        raise StorageUnavailable(f"{key}: the bucket's ETag is not the MD5 of what was sent")


def _is_md5(etag: str) -> bool:
    return len(etag) == 32 and "-" not in etag


def _by_kms(headers: Mapping[str, str]) -> bool:
    """Whether a key service encrypted the object: its ETag looks like an MD5 and is none."""
    return headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
