"""Multipart uploads through calls that the minio client keeps to itself."""

import hashlib
import os

import pytest
from pydantic import SecretStr

from tests.workers.buckets import S3Server
from workers.job.errors import PartsRefused, StorageRefused, StorageUnavailable, UploadLost
from workers.storage.bucket import SMALLEST_PART, Multipart, Part
from workers.storage.s3 import S3Bucket

pytestmark = pytest.mark.server
MP4 = "video/mp4"


@pytest.fixture
def uploads(s3: S3Server) -> Multipart:
    return S3Bucket(s3.storage).multipart()


def test_parts_may_come_in_any_order_and_twice(s3: S3Server, uploads: Multipart) -> None:
    body = [os.urandom(SMALLEST_PART + 7), os.urandom(SMALLEST_PART), b"the end"]
    upload = uploads.begin("x.mp4", MP4)
    assert uploads.unfinished("x.mp4") == [upload]
    parts = {n: uploads.part("x.mp4", upload, n, body[n - 1]) for n in (2, 3, 2, 1)}
    assert {n: part.size for n, part in parts.items()} == {
        n: len(data) for n, data in enumerate(body, 1)
    }
    receipt = uploads.complete("x.mp4", upload, [parts[n] for n in (1, 2, 3)])
    assert s3.content("a/b/x.mp4") == b"".join(body)
    assert receipt.size == sum(map(len, body))
    found = s3.client.stat_object(bucket_name=s3.storage.bucket, object_name="a/b/x.mp4")
    assert found.content_type == MP4
    assert uploads.unfinished("x.mp4") == []


def test_an_upload_that_the_bucket_forgot_is_lost(s3: S3Server, uploads: Multipart) -> None:
    upload = uploads.begin("x.mp4", MP4)
    part = uploads.part("x.mp4", upload, 1, b"x")
    s3.stop()
    with pytest.raises(StorageUnavailable):
        uploads.part("x.mp4", upload, 2, b"y")
    s3.start()
    with pytest.raises(UploadLost):
        uploads.part("x.mp4", upload, 2, b"y")
    with pytest.raises(UploadLost):
        uploads.complete("x.mp4", upload, [part])
    uploads.abort("x.mp4", upload)
    assert uploads.unfinished("x.mp4") == []
    assert s3.names() == []


def test_parts_that_the_bucket_does_not_have_are_refused(uploads: Multipart) -> None:
    upload = uploads.begin("x.mp4", MP4)
    part = uploads.part("x.mp4", upload, 1, b"x")
    with pytest.raises(PartsRefused):
        uploads.complete("x.mp4", upload, [part, Part(2, 1, "00", '"unheard of"')])


def test_only_uploads_of_this_very_key_are_found(uploads: Multipart) -> None:
    upload = uploads.begin("x.mp4", MP4)
    uploads.begin("x.mp4.other", MP4)
    assert uploads.unfinished("x.mp4") == [upload]
    uploads.abort("x.mp4", upload)
    uploads.abort("x.mp4", upload)
    assert uploads.unfinished("x.mp4") == []


def test_wrong_keys_are_refused(s3: S3Server) -> None:
    wrong = s3.storage.model_copy(update={"secret_key": SecretStr("w" * 40)})
    with pytest.raises(StorageRefused):
        S3Bucket(wrong).multipart().begin("x.mp4", MP4)


def test_a_bucket_tells_what_it_holds(s3: S3Server, uploads: Multipart) -> None:
    bucket = S3Bucket(s3.storage)
    assert bucket.find("x.mp4") is None
    upload = uploads.begin("x.mp4", MP4)
    uploads.complete("x.mp4", upload, [uploads.part("x.mp4", upload, 1, b"abc")])
    found = bucket.find("x.mp4")
    assert found is not None
    assert found.size == 3


def test_what_s3_calls_an_object_of_parts_is_known_beforehand(uploads: Multipart) -> None:
    """Else each file would be asked for once more."""
    upload = uploads.begin("x.mp4", MP4)
    parts = [uploads.part("x.mp4", upload, n, bytes([n])) for n in (1, 2)]
    md5s = b"".join(hashlib.md5(bytes([n]), usedforsecurity=False).digest() for n in (1, 2))
    expected = hashlib.md5(md5s, usedforsecurity=False).hexdigest() + "-2"
    assert uploads.complete("x.mp4", upload, parts).etag == expected
