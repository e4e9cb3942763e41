"""The farm's bucket as its customer sees it, and what others do with it after a recording."""

import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject

from media.bench.errors import BenchFailed, NotInstalled
from media.bench.film import length_s
from workers.embedded.probe import storage_authorities

_READ_S = 120.0
_AT_ONCE = 8  # downloads
_INDEX_BYTES = 16 << 20  # more than the index of any film that we make


@dataclass(frozen=True, slots=True)
class Finished:
    """The files of one recording, all of them there."""

    files: int
    bytes: int
    length_s: float  # of its MP4


@dataclass(frozen=True, slots=True)
class FinalPass:
    """What it takes to make the MP4 of the segments in a bucket, and to put it there."""

    get_s: float
    copy_s: float
    put_s: float

    @property
    def all_s(self) -> float:
        """One after the other."""
        return self.get_s + self.copy_s + self.put_s


class Bucket:
    """One bucket.  Every method may raise BenchFailed, or an error of the ``minio`` client."""

    def __init__(self, s3: Mapping[str, Any]) -> None:
        """``s3`` is what ``farm.json`` says of it."""
        self._name = str(s3["bucket"])
        self._client = Minio(
            endpoint=s3["endpoint"],
            access_key=s3["access_key"],
            secret_key=s3["secret_key"],
            secure=s3["secure"],
            region="us-east-1",
            http_client=urllib3.PoolManager(
                timeout=_READ_S,
                retries=False,
                maxsize=_AT_ONCE,
                ssl_context=storage_authorities(),
            ),
        )

    def sizes(self, prefix: str) -> dict[str, int]:
        """Objects below a prefix, and their bytes."""
        found = self._client.list_objects(bucket_name=self._name, prefix=prefix, recursive=True)
        return {str(row.object_name): int(row.size or 0) for row in found}

    def finished(self, stem: str) -> Finished:
        """Look at a recording's files; ``stem`` is what all their names begin with.

        Raises BenchFailed unless the playlist has ended, all that it names is there, and the MP4 is
        a fast-start one that lasts as long.
        """
        sizes = self.sizes(stem)
        lines = self._playlist(stem)
        missing = [name for name in _segments(stem, lines) if not sizes.get(name)]
        if "#EXT-X-ENDLIST" not in lines or missing:
            raise BenchFailed(f"stop was answered, and {len(missing)} segments are not there")
        listed_s = sum(float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:"))
        film_s = self._film_s(stem)
        if abs(film_s - listed_s) > 0.5:
            raise BenchFailed(f"the MP4 lasts {film_s:.1f} s, the playlist {listed_s:.1f} s")
        return Finished(len(sizes), sum(sizes.values()), film_s)

    def _film_s(self, stem: str) -> float:
        begin = self._get(f"{stem}_0.mp4", _INDEX_BYTES)
        try:
            return length_s(begin)
        except ValueError as exc:
            raise BenchFailed(f"the MP4 is not as it should be: {exc}") from exc

    def final_pass(self, stem: str, folder: Path) -> FinalPass:
        """Get the segments, copy their media into an MP4 by ``ffmpeg``, put that.

        Raises NotInstalled.
        """
        began = time.monotonic()
        lines = self._playlist(stem)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            names = _segments(stem, lines)
            list(threads.map(lambda name: self._fetch(name, folder), names))
        playlist, film = folder / "all.m3u8", folder / "film.mp4"
        playlist.write_text("\n".join(lines) + "\n", encoding="utf-8")
        got = time.monotonic()
        _copy(playlist, film)
        copied = time.monotonic()
        name = f"{stem}_by_a_final_pass.mp4"
        self._client.fput_object(bucket_name=self._name, object_name=name, file_path=str(film))
        return FinalPass(got - began, copied - got, time.monotonic() - copied)

    def remove(self, stem: str) -> None:
        """Delete a recording's files."""
        rows = [DeleteObject(name) for name in self.sizes(stem)]
        for error in self._client.remove_objects(bucket_name=self._name, delete_object_list=rows):
            raise BenchFailed(f"a file of the bench is not removed: {error.message}")

    def _playlist(self, stem: str) -> list[str]:
        return self._get(f"{stem}.m3u8").decode().splitlines()

    def _get(self, name: str, most: int = 0) -> bytes:
        answer = self._client.get_object(bucket_name=self._name, object_name=name, length=most)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def _fetch(self, name: str, folder: Path) -> None:
        path = folder / name.rpartition("/")[2]
        self._client.fget_object(bucket_name=self._name, object_name=name, file_path=str(path))


def _segments(stem: str, lines: list[str]) -> list[str]:
    folder = stem.rpartition("/")[0]
    return [f"{folder}/{line}" for line in lines if line and not line.startswith("#")]


def _copy(playlist: Path, film: Path) -> None:
    command = ("ffmpeg", "-v", "error", "-i", str(playlist), "-c", "copy")
    try:
        done = subprocess.run(
            [*command, "-movflags", "+faststart", str(film)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError as exc:
        raise NotInstalled("ffmpeg is not installed") from exc
    if done.returncode:
        raise BenchFailed(f"ffmpeg: {done.stderr.strip()[-300:]}")
