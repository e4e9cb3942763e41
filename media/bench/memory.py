"""How much memory a further recording takes."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np

from media.bench.load import Load
from media.bench.measure import connect, contender_of, senders_of
from media.bench.names import OURS, URLS
from media.tape.model import Kind

STEPS = 5
PUBLISHER = (Kind.AUDIO, Kind.VIDEO)


async def memory_per_recording(recordings: int, settle_s: float) -> float:
    """Bytes of resident memory for each further recording of one publisher with two tracks.

    The slope over so many recordings, in steps, each some seconds under way; what the first ones
    need for all is not in it.  Raises BenchFailed.
    """
    load = Load(recordings, recordings, PUBLISHER)
    numbers, rss = [], []
    with tempfile.TemporaryDirectory(prefix="tapefarm-capture-") as home:
        async with (
            contender_of(OURS, Path(home)) as contender,
            senders_of(load, URLS[OURS]) as senders,
        ):
            for batch in load.batches(max(1, recordings // STEPS)):
                await connect(contender, senders, load, batch)
                await asyncio.sleep(settle_s)
                numbers.append(batch.stop)
                rss.append((await contender.ask("sample"))["rss"])
            await contender.ask("close")
    return float(np.polyfit(numbers, rss, 1)[0]) if len(numbers) > 1 else 0.0
