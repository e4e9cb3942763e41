"""What every kind of bucket does, whatever protocol it speaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workers.job.spec import Storage

SMALLEST_PART = 5 * 1024 * 1024  # bytes: what S3 asks of every part but the last


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the bucket said about a file that was put and verified."""

    size: int  # bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the bucket has."""

    number: int  # from 1; parts may be sent in any order, and again
    size: int  # bytes
    md5: str  # of what was sent, hex
    etag: str  # what the bucket calls it


class Multipart(Protocol):
    """Objects put together from parts that are sent one by one, over hours if need be.

    Errors are those of :class:`Bucket`, and UploadLost for an upload that the bucket does not
    know (any more).
    """

    def begin(self, key: str, content_type: str) -> str:
        """Begin an upload; returns its ID."""
        ...

    def unfinished(self, key: str) -> list[str]:
        """IDs of uploads of this key that were begun and not ended, where they can be told."""
        ...

    def part(self, key: str, upload: str, number: int, data: bytes) -> Part:
        """Send one part, verified."""
        ...

    def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Receipt:
        """Make the object of its parts, given in order, and verify it.

        Raises PartsRefused as well.
        """
        ...

    def abort(self, key: str, upload: str) -> None:
        """Give an upload up; it may be gone already, or not ours to give up."""
        ...


class Bucket(Protocol):
    """A customer's bucket.  Errors are StorageRefused and StorageUnavailable, nothing else.

    Keys are without the storage's prefix.
    """

    @property
    def storage(self) -> Storage:
        """Where it is, and who we are there."""
        ...

    def check(self) -> None:
        """Ask whether it is there and takes our keys."""
        ...

    def find(self, key: str) -> Receipt | None:
        """What it holds under a key.  A key that may only write is told AccessDenied."""
        ...

    def put(self, key: str, path: Path, content_type: str) -> Receipt:
        """Put a file, and verify its size and content."""
        ...

    def multipart(self) -> Multipart:
        """Uploads of many parts."""
        ...
