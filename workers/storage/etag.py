"""ETags of S3, which are MD5s of the content, or are none."""

from collections.abc import Mapping

from workers.job.errors import StorageUnavailable


def check_md5(key: str, md5: str, etag: str, headers: Mapping[str, str]) -> None:
    """Compare an ETag that is an MD5 with ours.  Raises StorageUnavailable."""
    if _is_md5(etag) and not _by_kms(headers) and etag != md5:
        raise StorageUnavailable(f"{key}: the bucket's ETag is not the MD5 of what was sent")


def _is_md5(etag: str) -> bool:
    return len(etag) == 32 and "-" not in etag


def _by_kms(headers: Mapping[str, str]) -> bool:
    """Whether a key service encrypted the object: its ETag looks like an MD5 and is none."""
    return headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
