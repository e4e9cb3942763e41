"""The bytes of a file that lies in pieces."""

import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from workers.job.errors import PieceDamaged
from workers.spool.damage import is_damage

_AT_ONCE = 1024 * 1024  # bytes that are read together


class Payload(NamedTuple):
    """What one piece gives to the file."""

    path: Path
    size: int  # bytes
    crc: int | None = None  # CRC-32; None: not known


@contextmanager
def blaming(piece: str) -> Iterator[None]:
    """Raises PieceDamaged for errors of a disk that does not give a piece back."""
    try:
        yield
    except OSError as exc:
        if not is_damage(exc):
            raise
        raise PieceDamaged(piece) from exc


class Content:
    """A head and payloads, read without ever holding all of them."""

    def __init__(self, head: bytes, payloads: Sequence[Payload]) -> None:
        self._head = head
        self._payloads = payloads
        self._begins = list(accumulate((one.size for one in payloads), initial=0))

    @property
    def payload(self) -> int:
        """The size of the payloads."""
        return self._begins[-1]

    @property
    def size(self) -> int:
        """The size of the file."""
        return len(self._head) + self.payload

    @property
    def head(self) -> int:
        """The size of the head."""
        return len(self._head)

    def read(self, begin: int, end: int) -> bytes:
        """Bytes of ``[begin, end)``, counted as in :mod:`workers.uploader.spans`.

        Raises PieceDamaged for a payload that is gone, or shorter than it should be, and OSError.
        """
        parts = [self._head[self.head + begin : self.head + min(end, 0)]] if begin < 0 else []
        parts += self._read(max(begin, 0), end)
        return b"".join(parts)

    def _read(self, begin: int, end: int) -> Iterator[bytes]:
        while begin < end:
            number = bisect_right(self._begins, begin) - 1
            until = min(end, self._begins[number + 1])
            path = self._payloads[number].path
            with blaming(path.stem), path.open("rb") as file:
                file.seek(begin - self._begins[number])
                data = file.read(until - begin)
            if len(data) != until - begin:
                raise PieceDamaged(path.stem)
            yield data
            begin = until

    def chunks(self) -> Iterator[bytes]:
        """The whole file, some at a time.  Raises PieceDamaged, also for bytes that are wrong."""
        yield self._head
        for payload, begin in zip(self._payloads, self._begins, strict=False):
            end, crc = begin + payload.size, 0
            for at in range(begin, end, _AT_ONCE):
                data = self.read(at, min(at + _AT_ONCE, end))
                crc = zlib.crc32(data, crc)
                yield data
            if payload.crc not in (None, crc):
                raise PieceDamaged(payload.path.stem)

    def sha256(self) -> str:
        """Of the whole file, hex.  Raises PieceDamaged.

        The head comes first and is known last, so nothing of this can be done before the end.
        """
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()
