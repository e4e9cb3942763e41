"""One bucket, through the S3 API."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from workers.job.errors import StorageRefused, StorageUnavailable
from workers.job.spec import Storage

_PART_BYTES = 64 * 1024 * 1024  # files up to this size go in one request; their ETag is their MD5
_REFUSALS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "InvalidBucketName")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the bucket said about a file that was put and verified."""

    size: int  # bytes
    etag: str


class Bucket:
    """A customer's bucket.  Errors are StorageRefused and StorageUnavailable, nothing else."""

    def __init__(self, storage: Storage, *, connect_s: float = 3, read_s: float = 30) -> None:
        self.storage = storage
        self._name = storage.bucket
        self._prefix = storage.prefix
        session = storage.session_token
        self._client = Minio(
            endpoint=storage.endpoint,
            access_key=storage.access_key,
            secret_key=storage.secret_key.get_secret_value(),
            session_token=session.get_secret_value() if session else None,
            secure=storage.secure,
            region=storage.region or "us-east-1",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=connect_s, read=read_s), retries=False, maxsize=4
            ),
        )
        if not storage.path_style:
            self._client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # minio

    def check(self) -> None:
        """Ask the bucket for a listing of nothing.

        A key that may only write is told AccessDenied; that is a bucket and a key that exist, and
        all that an uploader needs.
        """
        try:
            with _our_errors(self._name):
                objects = self._client.list_objects(
                    bucket_name=self._name, prefix=f"{self._prefix}tapefarm-check/"
                )
                next(iter(objects), None)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise

    def put(self, key: str, path: Path, content_type: str) -> Receipt:
        """Put a file and verify size and ETag.  ``key`` is without the prefix."""
        data = path.read_bytes() if path.stat().st_size <= _PART_BYTES else None
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() if data is not None else ""
        name, size = self._prefix + key, path.stat().st_size
        with _our_errors(key):
            result = self._client.fput_object(
                bucket_name=self._name,
                object_name=name,
                file_path=str(path),
                content_type=content_type,
                part_size=_PART_BYTES,
            )
        etag = str(result.etag).strip('"')
        if md5 and _is_md5(etag) and not _by_kms(result.http_headers) and etag != md5:
            raise StorageUnavailable(f"{key}: the bucket's ETag is not the file's MD5")
        self._verify(key, name, size, etag)
        return Receipt(size, etag)

    def _verify(self, key: str, name: str, size: int, etag: str) -> None:
        try:
            with _our_errors(key):
                found = self._client.stat_object(bucket_name=self._name, object_name=name)
        except StorageRefused as exc:
            if exc.args[0] != "AccessDenied":
                raise
            return  # a write-only key: the ETag of the answer to PUT has to do
        if found.size != size or str(found.etag).strip('"') != etag:
            raise StorageUnavailable(f"{key}: the bucket holds something else than was put")


def _is_md5(etag: str) -> bool:
    return len(etag) == 32 and "-" not in etag


def _by_kms(headers: Mapping[str, str]) -> bool:
    """Whether a key service encrypted the object: its ETag looks like an MD5 and is none."""
    return headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")


@contextmanager
def _our_errors(key: str) -> Iterator[None]:
    try:
        yield
    except S3Error as exc:
        status = exc.response.status if exc.response is not None else 0
        raise _translated(exc.code or "", status, key) from exc
    except InvalidResponseError as exc:  # an error whose XML the client could not read
        text = str(exc)
        code = next((code for code in _REFUSALS if f"<Code>{code}</Code>" in text), "")
        code = code or ("AccessDenied" if "<Code>AccessDenied</Code>" in text else "")
        raise _translated(code, 403 if code else 500, key) from exc
    except ServerError as exc:
        raise StorageUnavailable(f"{key}: the storage answered {exc.status_code}") from exc
    except (MinioException, HTTPError, ValueError) as exc:  # ValueError: a name S3 cannot have
        if isinstance(exc, ValueError) and not isinstance(exc, HTTPError):
            raise StorageRefused(str(exc)) from exc
        raise StorageUnavailable(f"{key}: the storage did not answer") from exc


def _translated(code: str, status: int, key: str) -> StorageRefused | StorageUnavailable:
    if code in _REFUSALS or code == "AccessDenied" or 400 <= status < 500:
        return StorageRefused(code or f"status {status}")
    return StorageUnavailable(f"{key}: the storage answered {code or status}")
