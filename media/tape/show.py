"""`tapefarm tape info` and `tapefarm tape verify`: what is on a tape, for eyes and for scripts."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from media.tape.info import TapeInfo, TrackInfo, inspect_tape
from media.tape.model import NS

_ARRIVAL = ("lost", "recovered", "late", "duplicates", "nacks", "plis", "firs")


def info(files: Sequence[Path], *, as_json: bool = False) -> None:
    """Print what is on each part or tape directory.  Raises TapeDamaged if there is none."""
    tapes = [(path, inspect_tape(path)) for path in files]
    if as_json:
        print(json.dumps([_row(path, tape) for path, tape in tapes], indent=2))
        return
    for path, tape in tapes:
        print(
            "\n".join(
                [_title(path, tape), *_track_lines(tape), *_order_lines(tape), *_faults(tape)]
            )
        )


def verify(files: Sequence[Path], *, as_json: bool = False) -> bool:
    """Print whether each part or tape directory is whole; True if all are."""
    tapes = [(path, inspect_tape(path)) for path in files]
    if as_json:
        rows = [
            {"path": str(path), "whole": tape.whole, "faults": _faults(tape)}
            for path, tape in tapes
        ]
        print(json.dumps(rows, indent=2))
    else:
        for path, tape in tapes:
            print("\n".join([f"{path}: {'whole' if tape.whole else 'NOT WHOLE'}", *_faults(tape)]))
    return all(tape.whole for _, tape in tapes)


def _title(path: Path, tape: TapeInfo) -> str:
    began = min(part.from_ns for part in tape.parts)
    return (
        f"{path}: {len(tape.parts)} parts, {tape.seconds:.1f} s from {_clock(began)},"
        f" {tape.packets} packets, {sum(part.bytes for part in tape.parts)} bytes,"
        f" {tape.events} events"
    )


def _track_lines(tape: TapeInfo) -> list[str]:
    return [line for row in tape.tracks for line in (_track_line(row), *_arrival_line(row))]


def _track_line(row: TrackInfo) -> str:
    return (
        f"  {row.track.id:8} uid {row.track.uid} {row.track.source.value}"
        f" {'/'.join(codec.name for codec in row.track.codecs)} ssrc {row.track.ssrc}:"
        f" {row.packets} packets in {row.seconds:.1f} s, {row.bytes} bytes, {row.lost} lost,"
        f" {row.duplicates} twice"
    )


def _arrival_line(row: TrackInfo) -> Iterator[str]:
    """What the recorder counted as it came in; what is 0 is not said."""
    if not row.counts:
        return
    told = [f"{row.counts.get('received', 0)} received"]
    told += [f"{count} {name}" for name in _ARRIVAL if (count := row.counts.get(name, 0))]
    drift_ppm, skew_ms = (row.counts.get(name, 0) / 1000 for name in ("drift_ppb", "skew_us"))
    yield f"{'':10} arrival: {', '.join(told)}; drift {drift_ppm:+.1f} ppm, skew {skew_ms:+.1f} ms"


def _order_lines(tape: TapeInfo) -> list[str]:
    """When a look or lists of publishers were asked for; image addresses may be secret."""
    return [f"  {order.type.value} asked for at {_clock(order.at_ns)}" for order in tape.orders]


def _faults(tape: TapeInfo) -> list[str]:
    faults = [f"  {part.path.name}: {part.fault}" for part in tape.parts if part.fault]
    faults += [f"  {part.path.name}: not sealed" for part in tape.parts if not part.sealed]
    return faults + [
        f"  no part between {_clock(from_ns)} and {_clock(until_ns)}"
        for from_ns, until_ns in tape.holes
    ]


def _clock(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS, UTC).isoformat(timespec="milliseconds")


def _row(path: Path, tape: TapeInfo) -> dict[str, Any]:
    parts = [
        {
            "name": part.path.name,
            "from_ns": part.from_ns,
            "until_ns": part.until_ns,
            "packets": part.packets,
            "bytes": part.bytes,
            "sealed": part.sealed,
            "salvaged": part.salvaged,
            "fault": part.fault,
        }
        for part in tape.parts
    ]
    tracks = [
        {
            **row.track.to_json(),
            "packets": row.packets,
            "bytes": row.bytes,
            "rtcp_packets": row.rtcp_packets,
            "seconds": row.seconds,
            "lost": row.lost,
            "duplicates": row.duplicates,
            "counts": row.counts,
        }
        for row in tape.tracks
    ]
    return {
        "path": str(path),
        "whole": tape.whole,
        "seconds": tape.seconds,
        "parts": parts,
        "tracks": tracks,
        "events": tape.events,
        "orders": [{"type": one.type.value, "at_ns": one.at_ns} for one in tape.orders],
        "holes": [list(hole) for hole in tape.holes],
    }
