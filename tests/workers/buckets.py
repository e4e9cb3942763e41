"""A real S3 API of a test's own, which can be away for a while."""

import os
import subprocess
import time
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException
from pydantic import SecretStr

from workers.embedded.s3 import find_rclone, s3_part
from workers.embedded.s3_address import S3Address
from workers.job.spec import Storage

ACCESS_KEY, SECRET_KEY, BUCKET = "A" * 20, "s" * 40, "recordings"


class S3Server:
    """`rclone serve s3` over a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.storage = Storage(
            endpoint=f"127.0.0.1:{port}",
            secure=False,
            bucket=BUCKET,
            access_key=ACCESS_KEY,
            secret_key=SecretStr(SECRET_KEY),
            prefix="a/b/",
        )
        self.client = Minio(
            endpoint=self.storage.endpoint,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(timeout=60, retries=False),
        )
        (folder / BUCKET).mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it answers."""
        address = S3Address(self.storage.endpoint, ACCESS_KEY, SECRET_KEY)
        part = s3_part(find_rclone(), self.folder, address)
        self._process = subprocess.Popen(
            part.argv, env=os.environ | part.env, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, "rclone did not start"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.client.bucket_exists(bucket_name=BUCKET)
        except (MinioException, urllib3.exceptions.HTTPError):
            return False

    def stop(self) -> None:
        """Unfinished uploads are lost with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def names(self) -> list[str]:
        """Object keys, by the folder."""
        root = self.folder / BUCKET
        found = (path for path in root.rglob("*") if path.is_file())
        return sorted(
            str(path.relative_to(root)) for path in found if not path.name.startswith(".rclone")
        )

    def content(self, key: str) -> bytes:
        """An object's bytes."""
        return (self.folder / BUCKET / key).read_bytes()

    def unfinished(self, key: str) -> list[str]:
        """Multipart uploads that were begun and not ended."""
        try:
            found = self.client._list_multipart_uploads(BUCKET, prefix=key)
        except InvalidResponseError as exc:
            if "NoSuchUpload" not in str(exc):
                raise
            return []  # rclone has never seen one in this bucket
        return [str(row.upload_id) for row in found.uploads]
