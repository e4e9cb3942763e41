"""The quality report of a recording, as a JSON document.

Times are Unix milliseconds, lengths are seconds.  The words are those of WebRTC's statistics (W3C
webrtc-stats) where it has them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from media.quality.book import Book, PublisherBook, Ranges, book
from media.quality.line_book import Figures, LineBook, Stretches
from media.quality.model import SliceQuality
from media.quality.spans import Spans
from media.quality.timeline import Reason
from media.tape.model import NS, Kind

VERSION = 1
_COUNTS = ("received", "lost", "recovered", "late", "duplicates", "nacks", "plis", "firs")


def report(slices: Iterable[SliceQuality]) -> dict[str, Any]:
    """What the slices of a whole recording say together; in their order."""
    return document(book(slices))


def document(of: Book) -> dict[str, Any]:
    """What a recording's book says."""
    rows = [(line.uid, _track(line, figures)) for line, figures in of.told()]
    failovers, more = _listed(of.failovers)
    return {
        "version": VERSION,
        "from_ms": _ms(of.from_ns),
        "until_ms": _ms(of.end_ns),
        "duration_s": _seconds(of.duration_ns),
        "failovers": failovers,
        "failovers_not_listed": more,
        "totals": _totals([row for _, row in rows]) | {"av_skew_ms": _skew(_all_skews(of))},
        "publishers": [
            _publisher(uid, of.publishers.get(uid, PublisherBook()), rows)
            for uid in sorted({uid for uid, _ in rows} | of.publishers.keys())
        ],
    }


def _publisher(
    uid: str, of: PublisherBook, rows: Sequence[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    stays, more = _listed(of.joined)
    return {
        "uid": uid,
        "joined": stays,
        "joined_not_listed": more,
        "av_skew_ms": _skew(of.skews),
        "tracks": [row for whose, row in rows if whose == uid],
    }


def _track(line: LineBook, figures: Figures) -> dict[str, Any]:
    lost_ns = figures.missing(Reason.LOSS)
    missing_ns = figures.missing(Reason.LOSS, Reason.FAILOVER)
    counts = line.totals()
    row: dict[str, Any] = {
        "source": line.source.value,
        "kind": line.kind.value,
        "codecs": sorted(line.codecs),
        "expected_s": _seconds(figures.heard_ns + missing_ns),
        "received_s": _seconds(figures.heard_ns),
        "lost_s": _seconds(lost_ns),
        "packets": {name: counts.get(name, 0) for name in _COUNTS},
        "drift_ppm": round(counts.get("drift_ppb", 0) / 1000, 2),
        "frames": line.frames,
        "missing_s": {reason.value: _seconds(figures.missing(reason)) for reason in Reason},
        "gaps": [
            {
                "from_ms": _ms(gap.from_ns),
                "until_ms": _ms(gap.until_ns),
                "seconds": _seconds(gap.until_ns - gap.from_ns),
                "reason": gap.reason.value,
            }
            for gap in figures.gaps
        ],
        "gaps_not_listed": figures.gaps_not_listed,
    }
    if line.kind is Kind.AUDIO:
        # Lost sound is concealed: silence, or what the decoder makes up, stands in for it.
        return row | {"concealed_s": _seconds(missing_ns)}
    return row | {
        "keyframes": line.keyframes,
        "keyframe_waits": _sum(figures.waits),
        "freezes": _sum(figures.freezes),
        "sizes": [f"{width}x{height}" for width, height in line.sizes],
    }


def _totals(tracks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = ("expected_s", "received_s", "lost_s")
    return {
        **{name: round(sum(row[name] for row in tracks), 3) for name in sums},
        "concealed_s": round(sum(row.get("concealed_s", 0.0) for row in tracks), 3),
        "missing_s": {
            reason.value: round(sum(row["missing_s"][reason.value] for row in tracks), 3)
            for reason in Reason
        },
        "packets": {name: sum(row["packets"][name] for row in tracks) for name in _COUNTS},
        "drift_ppm": max((row["drift_ppm"] for row in tracks), key=abs, default=0.0),
        "keyframe_waits": _both("keyframe_waits", tracks),
        "freezes": _both("freezes", tracks),
    }


def _both(name: str, tracks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = [row[name] for row in tracks if name in row]
    return {
        "count": sum(one["count"] for one in found),
        "seconds": round(sum(one["seconds"] for one in found), 3),
    }


def _all_skews(of: Book) -> Counter[int]:
    together: Counter[int] = Counter()
    for publisher in of.publishers.values():
        together.update(publisher.skews)
    return together


def _skew(skews: Mapping[int, int]) -> dict[str, Any]:
    """How far picture and sound are apart, either way, in milliseconds."""
    count = sum(skews.values())
    if not count:
        return {"samples": 0}
    return {
        "samples": count,
        "p50": _nth(skews, count // 2),
        "p95": _nth(skews, min(count - 1, count * 95 // 100)),
        "max": _nth(skews, count - 1),
    }


def _nth(skews: Mapping[int, int], n: int) -> float:
    size_us = 0
    for size_us in sorted(skews):
        n -= skews[size_us]
        if n < 0:
            break
    return size_us / 1000


def _sum(stretches: Stretches) -> dict[str, Any]:
    return {"count": stretches.count, "seconds": _seconds(stretches.ns)}


def _listed(ranges: Ranges) -> tuple[list[dict[str, int]], int]:
    spans, more = ranges.told()
    return _ranges(spans), more


def _ranges(spans: Spans) -> list[dict[str, int]]:
    return [{"from_ms": _ms(begin), "until_ms": _ms(end)} for begin, end in spans]


def _ms(ns: int) -> int:
    return ns // 1_000_000


def _seconds(ns: int) -> float:
    return round(ns / NS, 3)
