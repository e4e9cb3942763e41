"""A TCP proxy on loopback that a test can shut."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CHUNK = 65536

Refuse = Callable[[bytes], bytes | None]  # what a connection says first -> the answer instead


class Gate:
    """Stands before a server; its methods may be called from any thread."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.StreamWriter] = set()
        self._refuse: Refuse = lambda _: None
        self._deaf = False
        self.port = 0

    def open(self) -> None:
        """Everything passes."""
        self._do(self._open())

    def shut(self) -> None:
        """What is connected is cut off, and nobody else can connect."""
        self._do(self._shut())

    def hear_no_more(self) -> None:
        """Nobody can connect, and who says a word to what is behind is cut off for it.

        So the word may have been heard, for all that the speaker knows.
        """
        self._do(self._stop_listening())
        self._deaf = True

    def refuse(self, refuse: Refuse) -> None:
        """What is connected is cut off, and others are answered by the test if it wants to."""
        self._refuse = refuse
        self._do(self._cut())

    async def _open(self) -> None:
        self._deaf, self._refuse = False, lambda _: None
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for pipe in tuple(self._pipes):
            pipe.transport.abort()

    async def _shut(self) -> None:
        await self._stop_listening()
        await self._cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._pipes.add(writer)
        try:
            await self._join(reader, writer)
        except OSError:
            pass  # either side was cut off
        finally:
            self._pipes.discard(writer)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(_CHUNK)
        instead = self._refuse(first)
        if instead is not None:
            writer.write(instead)
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        self._pipes.add(back)
        try:
            back.write(first)
            pumps = {
                asyncio.create_task(self._pump(reader, back, says=True)),
                asyncio.create_task(self._pump(there, writer, says=False)),
            }
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        finally:
            self._pipes.discard(back)
            back.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, says: bool
    ) -> None:
        try:
            while data := await source.read(_CHUNK):
                if says and self._deaf:
                    return
                sink.write(data)
                await sink.drain()
        except OSError:
            return  # either side was cut off

    def _do(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _end(self) -> None:
        await self._shut()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            await asyncio.wait(rest, timeout=5)

    @contextmanager
    def standing(self) -> Iterator["Gate"]:
        """Open, until the end."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self.open()
            yield self
            self._do(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
