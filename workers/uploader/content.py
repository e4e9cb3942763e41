"""The bytes of a file that lies in pieces."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

_AT_ONCE = 1024 * 1024  # bytes that are read together


class Content:
    """A head and payloads, read without ever holding all of them."""

    def __init__(self, head: bytes, payloads: Sequence[tuple[Path, int]]) -> None:
        self._head = head
        self._paths = [path for path, _ in payloads]
        self._begins = list(accumulate((size for _, size in payloads), initial=0))

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

        Raises OSError, also for a payload that is shorter than it should be.
        """
        parts = [self._head[self.head + begin : self.head + min(end, 0)]] if begin < 0 else []
        parts += self._payloads(max(begin, 0), end)
        return b"".join(parts)

    def _payloads(self, begin: int, end: int) -> Iterator[bytes]:
        while begin < end:
            number = bisect_right(self._begins, begin) - 1
            until = min(end, self._begins[number + 1])
            with self._paths[number].open("rb") as file:
                file.seek(begin - self._begins[number])
                data = file.read(until - begin)
            if len(data) != until - begin:
                raise OSError(f"{self._paths[number].name} ends too early")
            yield data
            begin = until

    def chunks(self) -> Iterator[bytes]:
        """The whole file, some at a time."""
        yield self._head
        for begin in range(0, self.payload, _AT_ONCE):
            yield self.read(begin, min(begin + _AT_ONCE, self.payload))

    def sha256(self) -> str:
        """Of the whole file, hex.

        The head comes first and is known last, so nothing of this can be done before the end.
        """
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()
