"""One container of Azure's Blob storage: files are block blobs.

A storage's access key is the name of the account, its secret key one of the account's keys.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient, ContentSettings
from requests import Session
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError

from workers.job.errors import StorageRefused, StorageUnavailable, UploadLost
from workers.job.spec import Storage
from workers.storage.bucket import Multipart, Part, Receipt
from workers.storage.errors import no_tls

_BLOCK_BYTES = 64 * 1024 * 1024  # files up to this size go in one request
_ACCESS_DENIED = "AccessDenied"  # what S3 calls a key that may not do this
_CODES = {"AuthorizationPermissionMismatch": _ACCESS_DENIED}
_LOST = frozenset({"InvalidBlockId", "InvalidBlockList", "InvalidBlobOrBlock"})
_BUSY = frozenset({408, 429})


class AzureContainer:
    """See :class:`workers.storage.bucket.Bucket`."""

    def __init__(self, storage: Storage, web: urllib3.PoolManager) -> None:
        self.storage = storage
        key = storage.secret_key.get_secret_value()
        with our_errors(storage.bucket):
            service = BlobServiceClient(
                _url(storage),
                {"account_name": storage.access_key, "account_key": key},
                transport=_transport(web),
                retry_total=0,
                permit_redirects=False,  # the host that was asked for has been looked at, no other
                max_single_put_size=_BLOCK_BYTES,
            )
            self._container = service.get_container_client(storage.bucket)

    def check(self) -> None:
        """Ask the container for a listing of nothing; a key that may only write is enough."""
        name = self.storage.prefix + "tapefarm-check/"
        try:
            with our_errors(self.storage.bucket):
                next(self._container.list_blobs(name_starts_with=name, results_per_page=1), None)
        except StorageRefused as exc:
            if exc.args[0] != _ACCESS_DENIED:
                raise

    def find(self, key: str) -> Receipt | None:
        """What the container holds under a key."""
        with our_errors(key):
            try:
                found = self.blob(key).get_blob_properties()
            except ResourceNotFoundError as exc:
                if _code(exc) == "ContainerNotFound":
                    raise
                return None
            return Receipt(int(found.size), _bare(found.etag))

    def put(self, key: str, path: Path, content_type: str) -> Receipt:
        """Put a file; Azure compares each request's MD5 and keeps that of the whole."""
        size = path.stat().st_size
        if size > _BLOCK_BYTES:
            return self._put_in_blocks(key, path, content_type)
        data = path.read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        with our_errors(key):
            made = self.blob(key).upload_blob(
                data,
                overwrite=True,
                content_settings=_settings(content_type, md5),
                validate_content=True,
            )
            kept, receipt = made.get("content_md5"), Receipt(size, _bare(made["etag"]))
        if kept and bytes(kept) != md5:
            raise StorageUnavailable(f"{key}: the bucket's MD5 is not that of what was sent")
        self.verify(key, receipt)
        return receipt

    def _put_in_blocks(self, key: str, path: Path, content_type: str) -> Receipt:
        blocks = self.multipart()
        upload = blocks.begin(key, content_type)
        parts: list[Part] = []
        with path.open("rb") as file:
            while data := file.read(_BLOCK_BYTES):
                parts.append(blocks.part(key, upload, len(parts) + 1, data))
        return blocks.complete(key, upload, parts)

    def multipart(self) -> Multipart:
        """Uploads of many parts."""
        return AzureBlocks(self)

    def blob(self, key: str) -> BlobClient:
        """A blob, whether it is there or not."""
        return self._container.get_blob_client(self.storage.prefix + key)

    def verify(self, key: str, made: Receipt) -> None:
        """See that the container holds what was just put."""
        try:
            found = self.find(key)
        except StorageRefused as exc:
            if exc.args[0] != _ACCESS_DENIED:
                raise
            return  # a write-only key: the answer has to do
        if found != made:
            raise StorageUnavailable(f"{key}: the bucket holds something else than was put")


class AzureBlocks:
    """See :class:`workers.storage.bucket.Multipart`.

    Azure knows no uploads, only blocks that wait for a list of them.  An upload's ID is ours: what
    its blocks' names begin with, and the content type, which is said with the list.
    """

    def __init__(self, container: AzureContainer) -> None:
        self._container = container

    def begin(self, key: str, content_type: str) -> str:
        """An ID; nothing is sent."""
        del key
        return f"{secrets.token_hex(8)} {content_type}"

    def unfinished(self, key: str) -> list[str]:
        """None: blocks that wait do not tell of what type their blob was to be.

        The next list of blocks drops them, and after a week Azure does.
        """
        del key
        return []

    def part(self, key: str, upload: str, number: int, data: bytes) -> Part:
        """Send one block; Azure compares its MD5."""
        name = _block(upload, number)
        with our_errors(key):
            self._container.blob(key).stage_block(name, data, len(data), validate_content=True)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return Part(number, len(data), md5, name)

    def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Receipt:
        """Make the blob of its blocks, and verify its size."""
        content_type = upload.partition(" ")[2]
        with our_errors(key):
            made = self._container.blob(key).commit_block_list(
                [BlobBlock(part.etag) for part in parts],
                content_settings=_settings(content_type),
            )
            receipt = Receipt(sum(part.size for part in parts), _bare(str(made["etag"])))
        self._container.verify(key, receipt)
        return receipt

    def abort(self, key: str, upload: str) -> None:
        """Nothing to do, see ``unfinished``."""


def _transport(web: urllib3.PoolManager) -> RequestsTransport:
    session = Session()
    session.trust_env = False  # no proxies, as with S3
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(web))
    # It says with each request how long that may take, and without these five minutes.
    timeout: urllib3.Timeout = web.connection_pool_kw["timeout"]
    return RequestsTransport(
        session=session,
        connection_timeout=timeout.connect_timeout,
        read_timeout=timeout.read_timeout,
    )


class _Adapter(HTTPAdapter):
    """Requests over connections of ours, with their timeouts and their authorities."""

    def __init__(self, web: urllib3.PoolManager) -> None:
        self._web = web
        super().__init__()

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        self.poolmanager = self._web


@contextmanager
def our_errors(key: str) -> Iterator[None]:
    """Turn errors of the client into StorageRefused and StorageUnavailable.

    The first argument of StorageRefused is Azure's code, or says as much.
    """
    try:
        yield
    except HttpResponseError as exc:
        raise _translated(exc, key) from exc
    except AzureError as exc:
        if isinstance(exc.inner_exception, SSLError):
            raise no_tls(key) from exc
        raise StorageUnavailable(f"{key}: the storage did not answer") from exc
    except ValueError as exc:  # of the account's key, or a name that there cannot be
        raise StorageRefused("the account's key or a name is malformed") from exc
    except (AttributeError, LookupError, TypeError) as exc:  # of the client, over what it was told
        raise StorageUnavailable(f"{key}: the storage did not answer as Azure does") from exc


def _translated(exc: HttpResponseError, key: str) -> StorageRefused | StorageUnavailable:
    status, code = exc.status_code or 0, _code(exc)
    if code in _LOST:
        return UploadLost(code)
    if 400 <= status < 500 and status not in _BUSY:
        return StorageRefused(_CODES.get(code, code) or f"status {status}")
    return StorageUnavailable(f"{key}: the storage answered {code or status}")


def _code(exc: HttpResponseError) -> str:
    code = getattr(exc, "error_code", None)  # set by the client, on some of its errors
    return str(getattr(code, "value", code) or "")


def _url(storage: Storage) -> str:
    scheme = "https" if storage.secure else "http"
    account = f"/{storage.access_key}" if storage.path_style else ""
    return f"{scheme}://{storage.endpoint}{account}"


def _settings(content_type: str, md5: bytes | None = None) -> ContentSettings:
    return ContentSettings(content_type, content_md5=bytearray(md5) if md5 else None)


def _block(upload: str, number: int) -> str:
    """The names of all blocks of a blob must be of one length."""
    return base64.b64encode(f"{upload.partition(' ')[0]}-{number:05d}".encode()).decode()


def _bare(etag: str) -> str:
    return etag.strip('"')
