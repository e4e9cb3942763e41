"""``tapefarm bench capture``: a recorder beside three others, same packets, same run."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from media.bench.errors import BenchFailed, NotInstalled
from media.bench.load import Load
from media.bench.measure import Measured, measure
from media.bench.memory import memory_per_recording
from media.bench.names import MOST, NAMES, OURS, TITLES
from media.tape.model import Kind

LOAD_OF_CORE = 0.7  # what tracks per core are told for
MEMORY_SETTLE_S = 6.0  # a part of the tape, and some


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    tracks: int = 200
    channels: int = 20
    video: bool = False
    seconds: float = 4.0  # of each window
    only: tuple[str, ...] = NAMES
    recordings: int = 30  # for the memory of one; 0 leaves it out


async def bench_capture(plan: Plan) -> dict[str, Any]:
    """Measure each contender after the other.  Raises BenchFailed."""
    if unknown := set(plan.only) - set(NAMES):
        raise BenchFailed(f"{', '.join(unknown)}: choose from {', '.join(NAMES)}")
    rows = [await _row(name, plan) for name in NAMES if name in plan.only]
    ours = next((row.get("us_per_packet") for row in rows if row["name"] == OURS), None)
    for row in rows:
        if ours and "us_per_packet" in row:
            row["times_ours"] = round(row["us_per_packet"] / ours, 2)
    memory = None
    if plan.recordings and OURS in plan.only:
        memory = round(await memory_per_recording(plan.recordings, MEMORY_SETTLE_S))
    return {
        "tracks": plan.tracks,
        "channels": plan.channels,
        "kind": _kind(plan).value,
        "seconds": plan.seconds,
        "rows": rows,
        "memory_per_recording_bytes": memory,
    }


def _kind(plan: Plan) -> Kind:
    return Kind.VIDEO if plan.video else Kind.AUDIO


async def _row(name: str, plan: Plan) -> dict[str, Any]:
    most = MOST[name][plan.video]
    load = Load(plan.tracks, min(plan.channels, plan.tracks), (_kind(plan),)).at_most(most)
    try:
        seen = await measure(name, load, plan.seconds)
    except NotInstalled as exc:
        return {"name": name, "title": TITLES[name], "missing": str(exc)}
    return {"name": name, "title": TITLES[name], **_figures(seen)}


def _figures(seen: Measured) -> dict[str, Any]:
    per_track = seen.us_per_packet * 1e-6 * seen.packets_per_track_and_s
    return {
        "tracks": seen.load.tracks,
        "channels": seen.load.channels,
        "packets": sum(window.packets for window in seen.windows),
        "cpu_s": round(sum(window.cpu_s for window in seen.windows), 4),
        "us_per_packet": round(seen.us_per_packet, 2),
        "load_of_core": round(seen.load_of_core, 4),
        "tracks_per_core": int(LOAD_OF_CORE / per_track),
        "sent": seen.sent,
        "kept": seen.kept,
        "lost": None if seen.kept is None else seen.sent - seen.kept,
        "kernel_drops": seen.kernel_drops,
        "rss_bytes": seen.rss,
        "loop_lag_ms": _lags(seen.lags_ms),
    }


def _lags(lags_ms: Sequence[float]) -> dict[str, float] | None:
    if not lags_ms:
        return None
    in_order = sorted(lags_ms)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    last = len(in_order) - 1
    return {name: round(in_order[int(last * part)], 2) for name, part in at.items()}


def table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    lines = [
        (
            f"{result['tracks']} {result['kind']} tracks in {result['channels']} channels, one"
            f" connection each; median of windows of {result['seconds']:g} s"
        ),
        (
            f"{'':24}{'tracks':>7}{'us/packet':>11}{'x ours':>8}{'tracks/core':>13}{'lost':>7}"
            f"{'drops':>7}{'RSS MB':>8}  loop lag ms p50/p99/max"
        ),
    ]
    lines += [_line(row) for row in result["rows"]]
    memory = result["memory_per_recording_bytes"]
    if memory is not None:
        lines.append(f"a further recording of one publisher (2 tracks): {memory / 1e6:.2f} MB")
    lines.append(f"tracks/core: at {LOAD_OF_CORE:.0%} load of one core, by the CPU per packet")
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    if "missing" in row:
        return f"{row['title']:24}{row['missing']}"
    lags = row["loop_lag_ms"]
    return (
        f"{row['title']:24}{row['tracks']:>7}{row['us_per_packet']:>11.1f}"
        f"{row.get('times_ours', ''):>8}{row['tracks_per_core']:>13}{row['lost']:>7}"
        f"{row['kernel_drops']:>7}{row['rss_bytes'] / 1e6:>8.0f}"
        + (f"  {lags['p50']}/{lags['p99']}/{lags['max']}" if lags else "")
    )


def main(plan: Plan, *, as_json: bool = False) -> None:
    """Measure and print."""
    result = asyncio.run(bench_capture(plan))
    print(json.dumps(result) if as_json else table(result))
