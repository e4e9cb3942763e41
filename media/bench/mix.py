"""``tapefarm bench mix``: our mix beside one ``ffmpeg`` process, same media, same run."""

import asyncio
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from media.bench import mix_ffmpeg
from media.bench.errors import BenchFailed, NotInstalled
from media.bench.mix_cutters import Throughput, cut, cutter, throughput
from media.bench.mix_media import Media, make, write
from media.bench.mix_reference import similarity
from media.bench.mix_row import CUTTERS, FFMPEG, NAMES, OURS, Row, Used
from media.bench.mix_table import foot, head, line
from media.bench.mix_tape import Recorded, record
from media.bench.processes import Child

_VOICES = 4  # different publishers; the fifth sends what the first does, and so on
_CUTTERS_ROW = Row(4, (640, 360), "vp8", 15)
SLICES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    publishers: tuple[int, ...] = (2, 4, 9, 16)
    sizes: tuple[tuple[int, int], ...] = ((640, 360), (1280, 720))
    codecs: tuple[str, ...] = ("vp8", "h264")
    rates: tuple[int, ...] = (15, 30)  # pictures per second of the canvas
    seconds: int = 15
    repeat: int = 3
    only: tuple[str, ...] = NAMES

    def rows(self) -> list[Row]:
        """The mixes; those of the same media follow each other."""
        kinds = itertools.product(self.sizes, self.codecs, self.publishers, self.rates)
        return [Row(count, size, codec, fps) for size, codec, count, fps in kinds]


def check(plan: Plan) -> None:
    """Raises BenchFailed when a plan cannot be carried out."""
    if unknown := set(plan.only) - set(NAMES):
        raise BenchFailed(f"{', '.join(unknown)}: choose from {', '.join(NAMES)}")
    if not all(2 <= count <= 17 for count in plan.publishers):
        raise BenchFailed("a mix is of 2 to 17 publishers")
    if not set(plan.rates) <= {15, 30}:
        raise BenchFailed("the canvas has 15 or 30 pictures per second")


async def bench_mix(
    plan: Plan, measured: Callable[[dict[str, Any]], None] = lambda row: None
) -> dict[str, Any]:
    """Measure row after row; ``measured`` hears of each at once.  Raises BenchFailed."""
    check(plan)
    rows: list[dict[str, Any]] = []
    if set(plan.only) & {OURS, FFMPEG}:
        for (size, codec), group in itertools.groupby(
            plan.rows(), lambda row: (row.size, row.codec)
        ):
            medias = [make(codec, size, plan.seconds, seed) for seed in range(_VOICES)]
            for row in group:
                rows.append(await _row(row, medias, plan))
                measured(rows[-1])
    cutters = None
    if CUTTERS in plan.only:
        cutters = await _cutters(plan)
    return {"seconds": plan.seconds, "repeat": plan.repeat, "rows": rows, "cutters": cutters}


async def _row(row: Row, medias: Sequence[Media], plan: Plan) -> dict[str, Any]:
    publishers = list(itertools.islice(itertools.cycle(medias), row.publishers))
    with tempfile.TemporaryDirectory(prefix="tapefarm-mix-") as home:
        directory = Path(home)
        tape = await record(directory, publishers, seconds=plan.seconds)
        contest = _Contest(row, publishers, tape, directory)
        figures: dict[str, Any] = asdict(row) | {"bitrate": row.bitrate}
        async with cutter() as ours:
            for _ in range(plan.repeat):
                if OURS in plan.only:
                    await contest.cut(ours)
                if FFMPEG in plan.only:
                    await asyncio.to_thread(contest.ffmpeg)
        return figures | await asyncio.to_thread(contest.figures)


class _Contest:
    """Both in turns on the same media."""

    def __init__(
        self, row: Row, publishers: Sequence[Media], tape: Recorded, directory: Path
    ) -> None:
        self._row, self._publishers, self._tape = row, publishers, tape
        self._files = [directory / f"{i}.nut" for i in range(len(publishers))]
        for path, media in zip(self._files, publishers, strict=True):
            write(path, media)
        self._out = {OURS: directory / "mix-000000.ts", FFMPEG: directory / "ffmpeg.ts"}
        self._used: dict[str, list[Used]] = {OURS: [], FFMPEG: []}
        self._cold_cpu_s: float | None = None
        self._missing = ""

    async def cut(self, process: Child) -> None:
        """Once by us; the first time in a fresh process does not count."""
        if self._cold_cpu_s is None:
            await self._cut(process)
            self._cold_cpu_s = _cpu_s(process.pid)
        self._used[OURS].append(await self._cut(process))

    async def _cut(self, process: Child) -> Used:
        return await cut(process, self._row, self._tape, 0, self._out[OURS].parent)

    def ffmpeg(self) -> None:
        """Once by ffmpeg."""
        try:
            used = mix_ffmpeg.run(self._row, self._files, self._tape.seconds, self._out[FFMPEG])
        except NotInstalled as exc:
            self._missing = str(exc)
        else:
            self._used[FFMPEG].append(used)

    def figures(self) -> dict[str, Any]:
        """The least that each of them took, and how near it came."""
        row: dict[str, Any] = {"missing": self._missing} if self._missing else {}
        for name, used in self._used.items():
            if used:
                row[name] = self._figures(name, used)
        if OURS in row and FFMPEG in row:
            cpu_s = row[FFMPEG]["cpu_s"]
            row["ratio"] = round(row[OURS]["cpu_s"] / cpu_s, 3)
            row["ratio_cold"] = round(row[OURS]["cold_cpu_s"] / cpu_s, 3)
            row["ssim_y_less"] = round(row[FFMPEG]["ssim_y"] - row[OURS]["ssim_y"], 4)
        return row

    def _figures(self, name: str, used: Sequence[Used]) -> dict[str, Any]:
        cpu_s = min(one.cpu_s for one in used)
        luma, all_ = similarity(self._row, self._publishers, self._out[name])
        cold = {"cold_cpu_s": round(self._cold_cpu_s or 0, 3)} if name == OURS else {}
        return {
            "cpu_s": round(cpu_s, 3),
            "wall_s": round(min(one.wall_s for one in used), 3),
            **cold,
            "speed": round(self._tape.seconds / cpu_s, 1),
            "ssim_y": round(luma, 4),
            "ssim_all": round(all_, 4),
            "bytes": self._out[name].stat().st_size,
        }


def _cpu_s(pid: int) -> float:
    """What a process has used since it was started, its imports included."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def _cutters(plan: Plan) -> dict[str, Any]:
    """The slices of one recording, by one cutter and by two, in turns."""
    row = _CUTTERS_ROW
    medias = [make(row.codec, row.size, plan.seconds, seed) for seed in range(row.publishers)]
    with tempfile.TemporaryDirectory(prefix="tapefarm-mix-") as home:
        out = Path(home)
        tape = await record(out, medias, seconds=plan.seconds, slices=SLICES)
        seen = [
            await throughput(row, tape, count, out) for _ in range(plan.repeat) for count in (1, 2)
        ]
    one, two = (_best(seen, count) for count in (1, 2))
    return {
        **asdict(row),
        "slices": SLICES,
        "one": asdict(one),
        "two": asdict(two),
        "efficiency": round(one.wall_s / two.wall_s, 2),
    }


def _best(seen: Sequence[Throughput], cutters: int) -> Throughput:
    return min((one for one in seen if one.cutters == cutters), key=lambda one: one.wall_s)


def main(plan: Plan, *, as_json: bool = False) -> bool:
    """Measure and print; whether everybody who was asked took part."""
    if as_json:
        result = asyncio.run(bench_mix(plan))
        print(json.dumps(result))
    else:
        print(head(), flush=True)
        result = asyncio.run(bench_mix(plan, lambda row: print(line(row), flush=True)))
        print(foot(result))
    return not any("missing" in row for row in result["rows"])
