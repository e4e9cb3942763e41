"""The measurement for a terminal."""

from typing import Any

from rich.table import Table


def table(result: dict[str, Any]) -> Table:
    """One line for each kind of call, and below it what Redis did."""
    lines = Table(
        *("call", "calls", "a second", "of /healthz", "p50 ms", "p99 ms", "max ms"),
        *("per CPU second", "CPU ms: API", "Redis", "load", "load's core"),
        title=f"one API process, {result['connections']} connections",
        caption="\n".join(_notes(result)),
    )
    for column in lines.columns[1:]:
        column.justify = "right"
    for row in result["rows"]:
        lines.add_row(*_cells(row))
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    cpu = row["cpu_ms"]
    return [
        row["call"],
        str(row["calls"]),
        f"{row['per_second']:.0f}",
        f"{row['of_healthz']:.0%}",
        *(f"{row[name]:.1f}" for name in ("p50_ms", "p99_ms", "max_ms")),
        f"{row['per_cpu_s']:.0f}",
        *(f"{cpu[part]:.2f}" for part in ("api", "redis", "load")),
        f"{row['load_share']:.0%}",
    ]


def _notes(result: dict[str, Any]) -> list[str]:
    notes = [] if result["pinned"] else ["one core only: the load takes its time from the API"]
    commands: dict[str, dict[str, float]] = {}
    for row in result["rows"]:
        commands.setdefault(row["call"].partition(",")[0], row["redis_commands"])
    notes.append("Redis commands of one call, those inside scripts among them:")
    for call, counts in commands.items():
        if counts:
            said = ", ".join(f"{name} {count:g}" for name, count in sorted(counts.items()))
            notes.append(f"{call}: {said}")
    return notes
