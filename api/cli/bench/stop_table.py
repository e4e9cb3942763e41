"""The measurement for a terminal."""

import statistics
from typing import Any

from rich.table import Table

_MIB = 1 << 20


def table(result: dict[str, Any]) -> Table:
    """One line for each length."""
    lines = Table(
        *("asked", "recorded", "runs", "files", "MiB"),
        *("stop → verified, p50 s", "max s", "a final pass, p50 s", "get + copy + put s"),
        title="from the stop call to the last file in the bucket, MP4 included",
        caption="\n".join(sorted({row["missing"] for row in result["rows"] if "missing" in row})),
    )
    for column in lines.columns:
        column.justify = "right"
    for row in result["rows"]:
        lines.add_row(*_cells(row))
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    stop, passed, steps = row["stop_s"], row.get("final_pass_s"), row.get("final_pass_steps_s")
    return [
        _length(row["length_s"]),
        _clock(statistics.median(row["recorded_s"])),
        str(row["runs"]),
        str(row["files"]),
        f"{row['bytes'] / _MIB:.1f}",
        f"{stop['p50']:.2f}",
        f"{stop['max']:.2f}",
        f"{passed['p50']:.2f}" if passed else "-",
        " + ".join(f"{value:.1f}" for value in steps.values()) if steps else "-",
    ]


def _length(seconds: int) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
