"""What the ``minio`` client raises, as errors of ours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, SSLError

from workers.job.errors import PartsRefused, StorageRefused, StorageUnavailable, UploadLost

_REFUSALS = frozenset(
    {
        "AccessDenied",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "NoSuchBucket",
        "NotImplemented",
        "SignatureDoesNotMatch",
    }
)
_KINDS: dict[str, type[StorageRefused]] = {
    "NoSuchUpload": UploadLost,
    "EntityTooSmall": PartsRefused,
    "InvalidPart": PartsRefused,
    "InvalidPartOrder": PartsRefused,
}
# In answers whose XML the client does not read, because of their Content-Type.
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"Response code: (\d{3})")


@contextmanager
def our_errors(key: str) -> Iterator[None]:
    """Turn errors of the client into StorageRefused and StorageUnavailable.

    The first argument of StorageRefused is S3's code, or says as much.
    """
    try:
        yield
    except S3Error as exc:
        status = exc.response.status if exc.response is not None else 0
        raise _translated(exc.code or "", status, key) from exc
    except InvalidResponseError as exc:
        code, told = _CODE.search(str(exc)), _STATUS.search(str(exc))
        # Without a code nobody knows whose answer that was.
        status = int(told[1]) if code and told else 500
        raise _translated(code[1] if code else "", status, key) from exc
    except ServerError as exc:
        raise StorageUnavailable(f"{key}: the storage answered {exc.status_code}") from exc
    except SSLError as exc:
        raise no_tls(key) from exc
    except (MinioException, HTTPError, ParseError) as exc:
        raise StorageUnavailable(f"{key}: the storage did not answer") from exc
    except ValueError as exc:  # a name that S3 cannot have
        raise StorageRefused(str(exc)) from exc


def no_tls(key: str) -> StorageUnavailable:
    """It has no certificate that we trust, or speaks no TLS at all."""
    return StorageUnavailable(f"{key}: no trusted TLS connection to the storage")


def _translated(code: str, status: int, key: str) -> StorageRefused | StorageUnavailable:
    if code in _KINDS:
        return _KINDS[code](code)
    if code in _REFUSALS or 400 <= status < 500:
        return StorageRefused(code or f"status {status}")
    return StorageUnavailable(f"{key}: the storage answered {code or status}")
