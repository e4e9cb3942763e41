"""One contender under one load: start both, look at it in some windows, end both."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from media.bench.load import CONNECTIONS_PER_SENDER, Load
from media.bench.names import URLS
from media.bench.processes import Child, child

WINDOWS = 3
SETTLE_S = 2.0
ARRIVE_S = 0.5  # for what is on its way when the senders stop
CONNECT_TOGETHER = 10


@dataclass(frozen=True, slots=True)
class Window:
    """What was used between two looks."""

    seconds: float
    packets: int  # sent
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was seen of one contender."""

    load: Load
    windows: tuple[Window, ...]
    sent: int  # in all
    kept: int | None
    kernel_drops: int  # of all sockets of this host
    rss: int  # bytes, at the end
    lags_ms: tuple[float, ...]

    @property
    def us_per_packet(self) -> float:
        """CPU, the median of the windows."""
        return statistics.median(1e6 * each.cpu_s / each.packets for each in self.windows)

    @property
    def load_of_core(self) -> float:
        """Of one core, 0 to 1 and more."""
        return statistics.median(each.cpu_s / each.seconds for each in self.windows)

    @property
    def packets_per_track_and_s(self) -> float:
        """As sent."""
        packets, seconds = (
            sum(each.packets for each in self.windows),
            sum(each.seconds for each in self.windows),
        )
        return packets / seconds / self.load.tracks


async def measure(name: str, load: Load, seconds: float) -> Measured:
    """Run a contender under a load.  Raises BenchFailed, and NotInstalled."""
    with tempfile.TemporaryDirectory(prefix="tapefarm-capture-") as home:
        directory = Path(home)
        async with (
            contender_of(name, directory) as contender,
            senders_of(load, URLS[name]) as senders,
        ):
            drops = kernel_drops()
            for numbers in load.batches(CONNECT_TOGETHER):
                await connect(contender, senders, load, numbers)
            await asyncio.sleep(SETTLE_S)
            await contender.ask("settled")
            windows = [await _window(contender, senders, seconds) for _ in range(WINDOWS)]
            sent = await _sent(senders, "stop")
            await asyncio.sleep(ARRIVE_S)
            rss = int((await contender.ask("sample"))["rss"])
            outcome = await contender.ask("close")
            return Measured(
                load,
                tuple(windows),
                sent,
                outcome["packets"],
                kernel_drops() - drops,
                rss,
                tuple(outcome["lags_ms"]),
            )


async def connect(
    contender: Child, senders: Sequence[Child], load: Load, numbers: Sequence[int]
) -> None:
    """Some connections, which begin to send at once."""
    sender = senders[numbers[0] // CONNECTIONS_PER_SENDER]
    offers = (await sender.ask("offer", numbers=list(numbers)))["offers"]
    rows = list(zip(map(load.channel, numbers), offers, strict=True))
    answers = (await contender.ask("answer", offers=rows))["answers"]
    await sender.ask("connect", answers=list(zip(numbers, answers, strict=True)))


def contender_of(name: str, directory: Path) -> AbstractAsyncContextManager[Child]:
    """A contender's process, ready."""
    return child("media.bench.contender_process", name, str(directory))


@asynccontextmanager
async def senders_of(load: Load, url: str) -> AsyncIterator[list[Child]]:
    """Processes that publish, ready."""
    async with AsyncExitStack() as stack:
        senders = []
        for numbers in load.batches(CONNECTIONS_PER_SENDER):
            arguments = (url, str(len(numbers)), str(numbers.start), *load.kinds)
            senders.append(await stack.enter_async_context(child("media.bench.sender", *arguments)))
        yield senders


async def _window(contender: Child, senders: Sequence[Child], seconds: float) -> Window:
    began_s, before, sent = time.monotonic(), await contender.ask("sample"), await _sent(senders)
    await asyncio.sleep(seconds)
    ended_s, after, packets = time.monotonic(), await contender.ask("sample"), await _sent(senders)
    return Window(ended_s - began_s, packets - sent, after["cpu_s"] - before["cpu_s"])


async def _sent(senders: Sequence[Child], do: str = "sent") -> int:
    return sum(row["sent"] for row in await asyncio.gather(*(sender.ask(do) for sender in senders)))


def kernel_drops() -> int:
    """Datagrams that this host's kernel threw away because a socket was full (RFC 4113)."""
    names, values = "", ""
    for line in Path("/proc/net/snmp").read_text(encoding="ascii").splitlines():
        if line.startswith("Udp:"):
            names, values = values, line
    return int(dict(zip(names.split(), values.split(), strict=True))["RcvbufErrors"])
