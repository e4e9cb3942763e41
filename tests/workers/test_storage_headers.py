"""Encryption and tags reach the bucket with every object, however it is sent."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.workers.buckets import S3Server
from tests.workers.s3_proxy import S3Proxy, proxied
from workers.job.errors import StorageUnavailable
from workers.storage.bucket import SMALLEST_PART, Bucket
from workers.storage.opening import Buckets

pytestmark = pytest.mark.server

SSE, TAGGING = "x-amz-server-side-encryption", "x-amz-tagging"
TAGS = (("retention", "30d"), ("who is it", "a+b/c=d"))
TAGGED = "retention=30d&who%20is%20it=a%2Bb%2Fc%3Dd"


def bucket(s3: S3Server, proxy: S3Proxy, **changes: Any) -> Bucket:
    storage = s3.storage.model_copy(update={"endpoint": proxy.address, **changes})
    return Buckets().open(storage)


def put_all(bucket: Bucket, folder: Path, parts: int = 2) -> None:
    """A small file, one in many parts, and one that grows."""
    small, large = folder / "small.ts", folder / "large.mp4"
    small.write_bytes(b"small")
    with large.open("wb") as file:
        file.truncate(65 << 20)
    bucket.put("small.ts", small, "video/mp2t")
    bucket.put("large.mp4", large, "video/mp4")
    uploads = bucket.multipart()
    upload = uploads.begin("growing.mp4", "video/mp4")
    sent = [
        uploads.part("growing.mp4", upload, number, b"x" * SMALLEST_PART)
        for number in range(1, parts + 1)
    ]
    uploads.complete("growing.mp4", upload, sent)


@pytest.mark.parametrize(("encryption", "said"), [("s3", "AES256"), ("kms", "aws:kms"), ("", None)])
def test_every_object_is_made_with_them(
    s3: S3Server, tmp_path: Path, encryption: str, said: str | None
) -> None:
    with proxied(s3.storage.endpoint, kms=encryption == "kms") as proxy:
        put_all(bucket(s3, proxy, encryption=encryption, tags=TAGS), tmp_path)
    made = [
        *proxy.headers("PUT", "/recordings/a/b/small.ts"),
        *proxy.headers("POST", "/recordings/a/b/large.mp4?uploads="),
        *proxy.headers("POST", "/recordings/a/b/growing.mp4?uploads="),
    ]
    assert [row["content-type"] for row in made] == ["video/mp2t", "video/mp4", "video/mp4"]
    assert [row.get(SSE) for row in made] == [said] * 3
    assert [row[TAGGING] for row in made] == [TAGGED] * 3
    # They are signed, so that nobody on the way changes them.
    assert all(TAGGING in row["authorization"] for row in made)
    # S3 wants neither with the parts.
    parts = proxy.headers("PUT", "partNumber=")
    assert len(parts) == 4
    assert not any(SSE in row or TAGGING in row for row in parts)
    assert s3.names() == [f"a/b/{name}" for name in ("growing.mp4", "large.mp4", "small.ts")]


def test_without_them_nothing_is_said(s3: S3Server, tmp_path: Path) -> None:
    with proxied(s3.storage.endpoint) as proxy:
        put_all(bucket(s3, proxy), tmp_path)
    assert not any(SSE in row or TAGGING in row for _, _, row in proxy.asked)


def test_etags_that_are_no_md5s_are_only_taken_from_a_key_service(
    s3: S3Server, tmp_path: Path
) -> None:
    path = tmp_path / "x.ts"
    path.write_bytes(b"x")
    with proxied(s3.storage.endpoint, kms=True) as proxy:
        bucket(s3, proxy, encryption="kms").put("x.ts", path, "video/mp2t")
        with pytest.raises(StorageUnavailable, match="not the MD5"):
            bucket(s3, proxy).put("x.ts", path, "video/mp2t")


def test_a_session_token_is_sent_and_signed(s3: S3Server) -> None:
    with proxied(s3.storage.endpoint) as proxy:
        bucket(s3, proxy, session_token=SecretStr("a session token")).check()
    [(_, _, row)] = proxy.asked
    assert row["x-amz-security-token"] == "a session token"
    assert "x-amz-security-token" in row["authorization"]
