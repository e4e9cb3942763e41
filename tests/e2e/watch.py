"""Looks at playlists in the bucket each second while a recording runs."""

import threading
from types import TracebackType
from typing import Self

from tests.e2e.farm import Bucket
from tests.judge import rfc8216


class PlaylistWatch:
    """Collects what is wrong at any moment with the playlists under a prefix."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self.problems: list[str] = []
        self.looks = 0
        self.lengths: dict[str, list[int]] = {}
        self._before: dict[str, str] = {}
        self._bucket = bucket
        self._prefix = prefix
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="playlist-watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            ended = self._stop.is_set()
            for name in self._bucket.names(self._prefix):
                # A merged index holds no segments.
                if name.endswith(".m3u8") and not name.endswith("__uid_e_av.m3u8"):
                    self._look(name)
            if ended:
                return
            self._stop.wait(1.0)

    def _look(self, playlist: str) -> None:
        text = self._bucket.get(playlist).decode()
        there = set(self._bucket.names(self._prefix))  # after the playlist was fetched
        folder = playlist.rpartition("/")[0]
        listed = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.looks += 1
        self.lengths.setdefault(playlist, []).append(len(listed))
        problems = rfc8216.check(text)
        if playlist in self._before:
            problems += rfc8216.check_update(self._before[playlist], text)
        self._before[playlist] = text
        self.problems += [f"{playlist}: {problem}" for problem in problems]
        self.problems += [
            f"{playlist} names {name}, which is not there"
            for name in listed
            if f"{folder}/{name}".lstrip("/") not in there
        ]
