"""Cutters in processes of their own: one slice by one of them, or many by some at once."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from media.bench.mix_row import Row, Used
from media.bench.mix_tape import Recorded
from media.bench.processes import Child, child


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast some cutters were together."""

    cutters: int
    wall_s: float  # for all slices
    cpu_s: float


def cutter() -> AbstractAsyncContextManager[Child]:
    """A process that cuts, ready."""
    return child("media.bench.mix_process")


async def cut(process: Child, row: Row, tape: Recorded, number: int, out: Path) -> Used:
    """One slice, into ``out``; of a fresh process all that it used until then."""
    seen = await process.ask(
        "cut",
        size=row.size,
        fps=row.fps,
        bitrate=row.bitrate,
        tape=str(tape.directory),
        origin_ns=tape.origin_ns,
        number=number,
        start_ns=tape.begin_ns(number),
        end_ns=tape.begin_ns(number + 1),
        out=str(out),
    )
    return Used(seen["cpu_s"], seen["wall_s"])


async def throughput(row: Row, tape: Recorded, cutters: int, out: Path) -> Throughput:
    """All slices of a tape by so many warm cutters, each taking the next one when it is ready."""
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(cutter()) for _ in range(cutters)]
        for process in processes:
            await cut(process, row, tape, 0, out)
        began_s, numbers = time.monotonic(), iter(range(tape.slices))
        used = await asyncio.gather(
            *(_work(process, row, tape, numbers, out) for process in processes)
        )
        return Throughput(cutters, time.monotonic() - began_s, sum(used))


async def _work(
    process: Child, row: Row, tape: Recorded, numbers: Iterator[int], out: Path
) -> float:
    return sum([(await cut(process, row, tape, number, out)).cpu_s for number in numbers])
