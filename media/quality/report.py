"""The quality report of a recording, as a JSON document.

Times are Unix milliseconds, lengths are seconds.  The words are those of WebRTC's statistics (W3C
webrtc-stats) where it has them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from media.quality.model import SliceQuality
from media.quality.spans import Spans, joined, length_ns
from media.quality.timeline import Gap, LineTime, Reason, lines
from media.tape.model import NS, Kind

VERSION = 1
SHORTEST_NS = 100_000_000  # gaps that are listed; shorter ones are in the sums
MOST_GAPS = 500  # listed of each track
_COUNTS = ("received", "lost", "recovered", "late", "duplicates", "nacks", "plis", "firs")


def report(slices: Sequence[SliceQuality]) -> dict[str, Any]:
    """What the slices of a whole recording say together; in their order."""
    joined_lines = lines(slices)
    uids = sorted({line.uid for line in joined_lines} | {u for one in slices for u in one.joined})
    tracks = [_track(line) for line in joined_lines]
    return {
        "version": VERSION,
        "from_ms": _ms(min((one.start_ns for one in slices), default=0)),
        "until_ms": _ms(max((one.end_ns for one in slices), default=0)),
        "duration_s": _seconds(sum(one.end_ns - one.start_ns for one in slices)),
        "failovers": [_range(span) for span in joined(s for one in slices for s in one.failovers)],
        "totals": _totals(tracks),
        "publishers": [
            {
                "uid": uid,
                "joined": _ranges(joined(s for one in slices for s in one.joined.get(uid, ()))),
                "av_skew_ms": _skew([us for one in slices for us in one.skews_us.get(uid, ())]),
                "tracks": [
                    row for row, line in zip(tracks, joined_lines, strict=True) if line.uid == uid
                ],
            }
            for uid in uids
        ],
    }


def _track(line: LineTime) -> dict[str, Any]:
    lost_ns = _of(line.gaps, Reason.LOSS)
    missing_ns = lost_ns + _of(line.gaps, Reason.FAILOVER)
    heard_ns = length_ns(line.heard)
    listed = [gap for gap in line.gaps if gap.until_ns - gap.from_ns >= SHORTEST_NS]
    row: dict[str, Any] = {
        "source": line.source.value,
        "kind": _kind(line).value,
        "codecs": sorted({codec for one in line.slices for codec in one.codecs}),
        "expected_s": _seconds(heard_ns + missing_ns),
        "received_s": _seconds(heard_ns),
        "lost_s": _seconds(lost_ns),
        "packets": _packets(line),
        "drift_ppm": _drift(line),
        "frames": sum(one.frames for one in line.slices),
        "gaps": [
            {
                "from_ms": _ms(gap.from_ns),
                "until_ms": _ms(gap.until_ns),
                "seconds": _seconds(gap.until_ns - gap.from_ns),
                "reason": gap.reason.value,
            }
            for gap in listed[:MOST_GAPS]
        ],
        "gaps_not_listed": max(0, len(listed) - MOST_GAPS),
    }
    return row | (_sound(line) if _kind(line) is Kind.AUDIO else _pictures(line))


def _sound(line: LineTime) -> dict[str, Any]:
    """Lost sound is concealed: silence, or what the decoder makes up, stands in for it."""
    return {"concealed_s": _seconds(_of(line.gaps, Reason.LOSS, Reason.FAILOVER))}


def _pictures(line: LineTime) -> dict[str, Any]:
    sizes = dict.fromkeys(size for one in line.slices for size in one.sizes)
    return {
        "keyframes": sum(one.keyframes for one in line.slices),
        "keyframe_waits": _sum(line.waits),
        "freezes": _sum(line.freezes),
        "sizes": [f"{width}x{height}" for width, height in sizes],
    }


def _packets(line: LineTime) -> dict[str, int]:
    return {name: sum(one.counts.get(name, 0) for one in line.tracks) for name in _COUNTS}


def _drift(line: LineTime) -> float:
    """Of the track that was tallied last."""
    known = [one.counts["drift_ppb"] for one in line.tracks if one.counts.get("drift_ppb")]
    return round(known[-1] / 1000, 2) if known else 0.0


def _totals(tracks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = ("expected_s", "received_s", "lost_s")
    return {
        **{name: round(sum(row[name] for row in tracks), 3) for name in sums},
        "concealed_s": round(sum(row.get("concealed_s", 0.0) for row in tracks), 3),
        "packets": {name: sum(row["packets"][name] for row in tracks) for name in _COUNTS},
    }


def _skew(samples_us: Sequence[int]) -> dict[str, Any]:
    """How far picture and sound are apart, either way, in milliseconds."""
    off = sorted(abs(us) for us in samples_us)
    if not off:
        return {"samples": 0}
    return {
        "samples": len(off),
        "p50": round(off[len(off) // 2] / 1000, 2),
        "p95": round(off[min(len(off) - 1, len(off) * 95 // 100)] / 1000, 2),
        "max": round(off[-1] / 1000, 2),
    }


def _of(gaps: Iterable[Gap], *reasons: Reason) -> int:
    return sum(gap.until_ns - gap.from_ns for gap in gaps if gap.reason in reasons)


def _kind(line: LineTime) -> Kind:
    return line.tracks[0].kind


def _sum(spans: Spans) -> dict[str, Any]:
    return {"count": len(spans), "seconds": _seconds(length_ns(spans))}


def _ranges(spans: Spans) -> list[dict[str, int]]:
    return [_range(span) for span in spans]


def _range(span: tuple[int, int]) -> dict[str, int]:
    return {"from_ms": _ms(span[0]), "until_ms": _ms(span[1])}


def _ms(ns: int) -> int:
    return ns // 1_000_000


def _seconds(ns: int) -> float:
    return round(ns / NS, 3)
