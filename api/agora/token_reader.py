"""Reads packed numbers and strings, little-endian, as RTC tokens have them."""

import struct
from typing import Literal

from media.errors import Blame, FarmError


class Truncated(FarmError):
    """There are fewer bytes than were announced, or more."""

    blame = Blame.CUSTOMER


class Reader:
    """Goes through some bytes once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: Literal["H", "I"]) -> int:
        """An unsigned number of 16 (H) or 32 (I) bits.  Raises Truncated."""
        value: int = struct.unpack(f"<{size}", self._take(struct.calcsize(f"<{size}")))[0]
        return value

    def string(self) -> bytes:
        """A string: its length in 16 bits, its bytes.  Raises Truncated."""
        return self._take(self.number("H"))

    def numbers(self) -> dict[int, int]:
        """A map: how many, then 16-bit keys and 32-bit values.  Raises Truncated."""
        return {self.number("H"): self.number("I") for _ in range(self.number("H"))}

    def field(self, code: str) -> bytes:
        """A string (``s``), or two bytes (``h``) as they are.  Raises Truncated."""
        return self.string() if code == "s" else self._take(2)

    def rest(self) -> bytes:
        """What is left."""
        return self._take(len(self._data) - self._at)

    def end(self) -> None:
        """Raises Truncated if anything is left."""
        if self._at < len(self._data):
            raise Truncated

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise Truncated
        self._at += count
        return taken
