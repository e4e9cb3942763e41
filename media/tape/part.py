"""The file of a part that is being written, and its sealing."""

import contextlib
import json
import os
from pathlib import Path

from media.errors import TapeTaken
from media.tape.format import PartHead
from media.tape.model import PartManifest

SUFFIX = ".pcapng"
OPEN_SUFFIX = ".pcapng.open"
MANIFEST_SUFFIX = ".json"

Given = tuple[str, bytes, int]  # track id, RTP packet, arrival_ns


class OpenPart:
    """A part that is being written.  Belongs to the disk thread.

    Nothing is lost by an OSError: what could not be written is kept, and the call may be
    repeated, be it :meth:`flush` or :meth:`finish`.  After TapeTaken it is of no use any more.
    """

    def __init__(self, directory: Path, head: PartHead) -> None:
        self.head = head
        self.size = 0  # bytes the disk has taken
        self._directory = directory
        self._fd: int | None = None
        self._renamed = False  # the file is complete, and closed
        self._rest = memoryview(b"")  # of what was to be written

    @property
    def waiting_bytes(self) -> int:
        """What an earlier write left."""
        return len(self._rest)

    def write(self, data: bytes) -> None:
        """Hand more to the operating system; after :meth:`flush` has returned."""
        self._rest = memoryview(data)
        self.flush()

    def flush(self) -> None:
        """Hand over what an earlier write left."""
        if self._renamed:
            return
        if self._fd is None:
            self._fd = self._open()
        while self._rest:
            written = os.write(self._fd, self._rest)
            self._rest = self._rest[written:]
            self.size += written

    def _open(self) -> int:
        self._directory.mkdir(parents=True, exist_ok=True)
        # O_EXCL: a part of this name means that somebody else holds our fence.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(self._path(OPEN_SUFFIX), flags, 0o644)
        except FileExistsError as exc:
            raise TapeTaken(f"part {self.head.name} is somebody else's") from exc

    def drop(self) -> None:
        """Write no more; what is on disk stays.  Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _path(self, suffix: str) -> Path:
        return self._directory / (self.head.name + suffix)

    def finish(self) -> None:
        """Make the part durable under its final name; its manifest comes next."""
        if self._renamed:
            return
        self.flush()
        fd = self._fd
        if fd is None:
            raise RuntimeError("a part is flushed, but has no file")
        os.fsync(fd)
        final = self._path(SUFFIX)
        if final.exists():  # rename() would replace it without a word
            raise TapeTaken(f"part {self.head.name} was sealed by another recorder")
        self._path(OPEN_SUFFIX).rename(final)
        self._renamed, self._fd = True, None
        os.close(fd)


def write_manifest(directory: Path, manifest: PartManifest) -> None:
    """Put the manifest beside its part; afterwards the part is sealed, come what may."""
    final = directory / (manifest.name + MANIFEST_SUFFIX)
    temporary = final.with_suffix(".json.tmp")
    text = json.dumps(manifest.to_json(), separators=(",", ":"))
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one that counts
            temporary.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def sync_directory(directory: Path) -> None:
    """Make renames in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
