"""Where the parts of a multipart upload begin and end; pure.

Offsets count from the first byte behind the file's head, which lies before 0: so they are known
long before the head is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

PART_BYTES = 8 * 1024 * 1024  # more than the 5 MiB that S3 asks of every part but the last


@dataclass(frozen=True, slots=True)
class Span:
    """One part: ``[begin, end)``."""

    number: int  # from 1
    begin: int  # bytes; below 0 in the head
    end: int


def ahead(payload: int) -> Iterator[Span]:
    """Parts that can be sent while the file grows: all that are whole, but the first.

    The first one has the head in it.
    """
    for number in range(2, payload // PART_BYTES + 1):
        yield Span(number, (number - 1) * PART_BYTES, number * PART_BYTES)


def all_parts(head: int, payload: int, *, in_order: bool) -> list[Span]:
    """The parts of a finished file.

    Those of :func:`ahead` are among them unless ``in_order``; then all but the last have the same
    size, head included.
    """
    ends = range(PART_BYTES - head if in_order else PART_BYTES, payload, PART_BYTES)
    bounds = [-head, *ends, payload]
    return [Span(number, begin, end) for number, (begin, end) in enumerate(pairwise(bounds), 1)]
