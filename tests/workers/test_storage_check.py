"""What is remembered of buckets that answered."""

from contextlib import closing

import pytest
from pydantic import SecretStr

from tests.workers.buckets import S3Server
from workers.job.errors import StorageError
from workers.storage.check import StorageCheck

pytestmark = pytest.mark.server


def test_a_bucket_that_answered_is_not_asked_for_each_folder(s3: S3Server) -> None:
    with closing(StorageCheck(2.0)) as check:
        check(s3.storage)
        s3.stop()
        check(s3.storage)
        check(s3.storage.model_copy(update={"prefix": "another/", "renewed_ns": 7}))
        for other in (
            {"secret_key": SecretStr("another")},
            {"session_token": SecretStr("one")},
            {"bucket": "another"},
        ):
            with pytest.raises(StorageError):
                check(s3.storage.model_copy(update=other))
