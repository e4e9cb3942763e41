"""Processes that are told what to do by lines of JSON, and answer each with one."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from media.bench.errors import BenchFailed, NotInstalled

ANSWER_S = 120.0
END_S = 20.0
_LIMIT = 1 << 26  # bytes of a line; hundreds of descriptions are long


class Child:
    """One such process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Give an order and wait for the answer.  Raises BenchFailed."""
        stdin = self._process.stdin
        if stdin is None:
            raise BenchFailed(f"{self.name} has no pipes")
        try:
            stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
            await stdin.drain()
        except ConnectionError as exc:
            raise BenchFailed(f"{self.name} is gone") from exc
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """The next line.  Raises BenchFailed."""
        stdout = self._process.stdout
        if stdout is None:
            raise BenchFailed(f"{self.name} has no pipes")
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await stdout.readline()
        except TimeoutError as exc:
            raise BenchFailed(f"{self.name} does not answer") from exc
        if not line:
            raise BenchFailed(f"{self.name} ended before its time")
        row: dict[str, Any] = json.loads(line)
        return row

    async def end(self) -> None:
        """Close its stdin and wait; kill it if that does not help."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """A Python module as a process, ready.  Raises BenchFailed, or NotInstalled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LIMIT,
    )
    one = Child(module, process)
    try:
        missing = (await one.answer()).get("missing")
        if missing:
            raise NotInstalled(missing)
        yield one
    finally:
        await one.end()
