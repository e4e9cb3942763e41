"""Load for an HTTP server: requests that stand ready, over connections that are kept."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from media.bench.errors import BenchFailed

_ANSWER_S = 30.0
_OK = b" 200 "
_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Load:
    """What was answered, in the order of the requests."""

    took_s: float
    latencies_s: tuple[float, ...]  # from when each was due
    bodies: tuple[bytes, ...]

    @property
    def per_second(self) -> float:
        """Answers."""
        return len(self.bodies) / self.took_s

    def percentile_s(self, share: float) -> float:
        """The latency that so many answers do not exceed, the largest for 1."""
        ordered = sorted(self.latencies_s)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class _Connection:
    """One kept connection; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._where)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._writer.close()

    async def call(self, request: bytes) -> bytes:
        """The body of the answer.  Raises BenchFailed unless it is a 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        body = await self._reader.readexactly(_length(head))
        if _OK not in head[: head.index(b"\r\n") + 1]:
            line = head.partition(b"\r\n")[0].decode("latin-1")
            raise BenchFailed(f"answered {line}: {body[:300].decode('utf-8', 'replace')}")
        return body


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(_LENGTH)
    if not found:
        raise BenchFailed("an answer does not say how long it is")
    return int(rest.partition(b"\r\n")[0])


def as_fast_as_may_be(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send the next request on each connection as soon as its last was answered.

    Raises BenchFailed for an answer that is no 200, or that does not come.
    """
    return asyncio.run(_bounded(port, requests, connections, None))


def at_a_rate(port: int, requests: Sequence[bytes], connections: int, per_second: float) -> Load:
    """Send each request when it is due, whatever became of those before.

    One that finds every connection busy waits, and its latency counts from when it was due.
    Raises BenchFailed as well.
    """
    return asyncio.run(_bounded(port, requests, connections, per_second))


@contextmanager
def unanswered(port: int, requests: Sequence[bytes]) -> Iterator[None]:
    """Send each on a connection of its own, and leave without having read what comes."""
    with ExitStack() as stack:
        for request in requests:
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", port), _ANSWER_S))
            sender.sendall(request)
        yield


async def _bounded(
    port: int, requests: Sequence[bytes], connections: int, per_second: float | None
) -> Load:
    within_s = _ANSWER_S + len(requests) / (per_second or 20)
    try:
        async with asyncio.timeout(within_s):
            return await _load(port, requests, connections, per_second)
    except TimeoutError:
        raise BenchFailed(f"{len(requests)} requests took more than {within_s:.0f} s") from None
    except (OSError, asyncio.IncompleteReadError) as exc:
        raise BenchFailed(f"a connection broke: {exc}") from exc


async def _load(
    port: int, requests: Sequence[bytes], connections: int, per_second: float | None
) -> Load:
    latencies, bodies = [0.0] * len(requests), [b""] * len(requests)
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(_Connection("127.0.0.1", port))
            for _ in range(connections)
        ]
        began_s = time.perf_counter()
        numbers = iter(range(len(requests)))

        async def work(connection: _Connection) -> None:
            for number in numbers:
                due_s = time.perf_counter()
                if per_second is not None:
                    due_s = began_s + number / per_second
                    await asyncio.sleep(due_s - time.perf_counter())
                bodies[number] = await connection.call(requests[number])
                latencies[number] = time.perf_counter() - due_s

        await asyncio.gather(*map(work, opened))
        took_s = time.perf_counter() - began_s
    return Load(took_s, tuple(latencies), tuple(bodies))
