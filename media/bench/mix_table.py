"""The measurement for a terminal."""

from typing import Any

from media.bench.mix_row import FFMPEG, OURS

_PAIRS = {
    "cpu_s": "CPU s",
    "wall_s": "wall s",
    "speed": "x real time",
    "ssim_y": "SSIM Y",
    "ssim_all": "SSIM all",
}


def table(result: dict[str, Any]) -> str:
    """One line for each mix, ours before ffmpeg's in each pair of figures."""
    return "\n".join([head(), *map(line, result["rows"]), foot(result)])


def head() -> str:
    """What stands over the lines."""
    titles = "".join(f"{title:>16}" for title in _PAIRS.values())
    return f"{'canvas, publishers':24}{'ratio':>7}{'cold':>7}{titles}"


def foot(result: dict[str, Any]) -> str:
    """What stands under them."""
    lines = [
        (
            f"tapefarm beside ffmpeg; {result['seconds']} s of 30 pictures per second from each"
            f" publisher in the size of the canvas; least CPU of {result['repeat']};"
            " x real time: on one core"
        )
    ]
    if cutters := result["cutters"]:
        lines.append(
            f"{cutters['slices']} slices of a recording:"
            f" {cutters['one']['wall_s']:.2f} s by one cutter,"
            f" {cutters['two']['wall_s']:.2f} s by two, {cutters['efficiency']} times as fast"
        )
    return "\n".join(lines)


def line(row: dict[str, Any]) -> str:
    """One mix."""
    width, height = row["size"]
    name = f"{width}x{height}@{row['fps']}, {row['publishers']} {row['codec']}"
    pairs = "".join(f"{_pair(row, key):>16}" for key in _PAIRS)
    return f"{name:24}{row.get('ratio', '-'):>7}{row.get('ratio_cold', '-'):>7}{pairs}" + (
        f"  {row['missing']}" if "missing" in row else ""
    )


def _pair(row: dict[str, Any], key: str) -> str:
    return " ".join(f"{row[name][key]}" if name in row else "-" for name in (OURS, FFMPEG))
