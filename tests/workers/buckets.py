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

    def __init__(self, folder: Path, port: int, tls: tuple[Path, Path] | None = None) -> None:
        """With ``tls``, a certificate that is its own authority and its key, it speaks https."""
        self.folder = folder
        self._tls = tls
        self.storage = Storage(
            endpoint=f"127.0.0.1:{port}",
            secure=tls is not None,
            bucket=BUCKET,
            access_key=ACCESS_KEY,
            secret_key=SecretStr(SECRET_KEY),
            prefix="a/b/",
        )
        self.client = self._client()
        (folder / BUCKET).mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    def _client(self) -> Minio:
        return Minio(
            endpoint=self.storage.endpoint,
            access_key=self.storage.access_key,
            secret_key=self.storage.secret_key.get_secret_value(),
            secure=self.storage.secure,
            region="us-east-1",
            http_client=urllib3.PoolManager(
                timeout=60, retries=False, ca_certs=str(self._tls[0]) if self._tls else None
            ),
        )

    def start(self) -> None:
        """Until it answers."""
        secret_key = self.storage.secret_key.get_secret_value()
        address = S3Address(self.storage.endpoint, self.storage.access_key, secret_key)
        part = s3_part(find_rclone(), self.folder, address)
        argv = list(part.argv)
        if self._tls is not None:
            argv[3:3] = ["--cert", str(self._tls[0]), "--key", str(self._tls[1])]
        self._process = subprocess.Popen(argv, env=os.environ | part.env, stderr=subprocess.DEVNULL)
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

    def rekey(self, access_key: str, secret_key: str) -> None:
        """Take other keys from now on, and none of those before."""
        self.stop()
        keys = {"access_key": access_key, "secret_key": SecretStr(secret_key)}
        self.storage = self.storage.model_copy(update=keys)
        self.client = self._client()
        self.start()

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
