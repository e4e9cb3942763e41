"""Ranges of time as sorted, disjoint ``(from_ns, until_ns)`` pairs.  Pure arithmetic."""

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter

Span = tuple[int, int]  # [from, until), Unix nanoseconds
Spans = tuple[Span, ...]


def joined(spans: Iterable[Span], *, within_ns: int = 0) -> Spans:
    """Their union; ranges that lie at most ``within_ns`` apart become one."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if end <= begin:
            continue
        if merged and begin <= merged[-1][1] + within_ns:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)


def without(spans: Spans, holes: Spans) -> Spans:
    """What of ``spans`` lies in no hole; both sorted and disjoint."""
    if not spans or not holes:
        return spans
    left: list[Span] = []
    i = bisect_right(holes, spans[0][0], key=itemgetter(1))
    for begin, end in spans:
        while i < len(holes) and holes[i][1] <= begin:
            i += 1
        at = begin
        while i < len(holes) and holes[i][0] < end:
            hole_begin, hole_end = holes[i]
            if hole_begin > at:
                left.append((at, hole_begin))
            at = max(at, hole_end)
            if hole_end > end:
                break  # it reaches into the next range, maybe
            i += 1
        if at < end:
            left.append((at, end))
    return tuple(left)


def common(one: Spans, other: Spans) -> Spans:
    """What lies in both."""
    return without(one, without(one, other))


def clipped(spans: Iterable[Span], begin: int, end: int) -> Spans:
    """What lies in ``[begin, end)``."""
    return tuple((max(a, begin), min(b, end)) for a, b in spans if max(a, begin) < min(b, end))


def length_ns(spans: Iterable[Span]) -> int:
    """How long they are together."""
    return sum(end - begin for begin, end in spans)
