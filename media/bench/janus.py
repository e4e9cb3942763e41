"""Janus with its own recorder (C), publishers joined to a VideoRoom each channel."""

import asyncio
import contextlib
import json
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from media.bench.contender import Outcome, Sample
from media.bench.errors import BenchFailed, NotInstalled

START_S, ANSWER_S, STOP_S = 15.0, 15.0, 10.0
_PLUGIN = "janus.plugin.videoroom"
_RTP_FRAME = b"MEET"  # begins each packet in Janus's recordings

_UNUSED_PLUGINS = (
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
)
_UNUSED_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")

_Section = dict[str, str | int | bool]


def _libraries(names: tuple[str, ...]) -> str:
    return ", ".join(f"libjanus_{name}.so" for name in names)


_CORE: dict[str, _Section] = {
    "general": {"debug_level": 2},
    "media": {"rtp_port_range": "20000-29999"},
    "nat": {"ice_enforce_list": "lo", "ice_lite": False, "ignore_mdns": True},
    "plugins": {"disable": _libraries(_UNUSED_PLUGINS)},
    "transports": {"disable": _libraries(_UNUSED_TRANSPORTS)},
    "loggers": {"disable": _libraries(("jsonlog",))},
    "events": {"broadcast": False},
}


class Janus:
    """See :class:`media.bench.contender.Contender`; what is measured is the server's process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self._client: _Client | None = None
        self._rooms: set[int] = set()
        self._publishers = 0

    async def open(self) -> None:
        """Start the server and connect to it."""
        program = shutil.which("janus")
        if program is None:
            raise NotInstalled("janus is not installed")
        port = _free_port()
        self._write_configuration(port)
        self._server = await asyncio.create_subprocess_exec(
            program,
            f"--configs-folder={self._directory}",
            f"--config={self._directory / 'janus.jcfg'}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._http = aiohttp.ClientSession()
        self._client = await self._connect(self._http, f"ws://127.0.0.1:{port}")

    async def answer(self, channel: int, offer: str) -> str:
        """Publish into the channel's room, which records."""
        if self._client is None:
            raise BenchFailed("janus is not open")
        if channel not in self._rooms:
            self._rooms.add(channel)
            await self._create_room(self._client, channel + 1)
        handle = await self._client.attach()
        self._publishers += 1
        body = {
            "request": "joinandconfigure",
            "ptype": "publisher",
            "room": channel + 1,
            "display": str(self._publishers),
        }
        return await self._client.negotiate(handle, body, offer)

    def settled(self) -> None:
        """Nothing is kept that would not count."""

    def sample(self) -> Sample:
        """Of the server's process."""
        if self._server is None:
            raise BenchFailed("janus is not open")
        process = psutil.Process(self._server.pid)
        times = process.cpu_times()
        return Sample(times.user + times.system, process.memory_info().rss)

    async def close(self) -> Outcome:
        """End the server and count the packets in its recordings."""
        if self._client is not None:
            await self._client.close()
        if self._http is not None:
            await self._http.close()
        if self._server is not None and self._server.returncode is None:
            self._server.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._server.wait()
            except TimeoutError:
                self._server.kill()
                await self._server.wait()
        return Outcome(sum(map(_packets, self._directory.glob("*.mjr"))))

    def _write_configuration(self, port: int) -> None:
        websocket: _Section = {"ws": True, "ws_port": port, "ws_ip": "127.0.0.1", "wss": False}
        for name, sections in (
            ("janus.jcfg", _CORE),
            ("janus.transport.websockets.jcfg", {"general": websocket}),
            ("janus.plugin.videoroom.jcfg", {}),
        ):
            (self._directory / name).write_text(_text(sections), encoding="utf-8")

    async def _connect(self, http: aiohttp.ClientSession, url: str) -> "_Client":
        async with asyncio.timeout(START_S):
            while self._server is not None and self._server.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    socket_ = await http.ws_connect(url, protocols=["janus-protocol"])
                    client = _Client(socket_)
                    await client.begin()
                    return client
                await asyncio.sleep(0.05)
        raise BenchFailed("janus did not start")

    async def _create_room(self, client: "_Client", room: int) -> None:
        handle = await client.attach()
        await client.ask(
            handle,
            {
                "request": "create",
                "room": room,
                "publishers": 1000,
                "record": True,
                "rec_dir": str(self._directory),
                "audiocodec": "opus",
                "videocodec": "vp8",
                "bitrate": 0,
            },
        )


class _Client:
    """One session over a WebSocket; as little of the protocol as publishing takes."""

    def __init__(self, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket_
        self._session = 0
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tasks = [
            asyncio.create_task(self._listen(), name="janus listen"),
            asyncio.create_task(self._stay_alive(), name="janus keepalive"),
        ]

    async def begin(self) -> None:
        """Create the session."""
        self._session = (await self._send({"janus": "create"}))["data"]["id"]

    async def attach(self) -> int:
        """A handle of the VideoRoom plugin."""
        return int((await self._send({"janus": "attach", "plugin": _PLUGIN}))["data"]["id"])

    async def ask(self, handle: int, body: dict[str, Any]) -> dict[str, Any]:
        """A request that is answered at once."""
        answer = await self._send({"janus": "message", "handle_id": handle, "body": body})
        data: dict[str, Any] = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise BenchFailed(f"janus: {data['error']}")
        return data

    async def negotiate(self, handle: int, body: dict[str, Any], offer: str) -> str:
        """A request with an offer; the answer's SDP."""
        jsep = {"type": "offer", "sdp": offer}
        row = {"janus": "message", "handle_id": handle, "body": body, "jsep": jsep}
        answer = await self._send(row)
        if "jsep" not in answer:
            data = answer.get("plugindata", {}).get("data", {})
            raise BenchFailed(f"janus gave no answer: {data.get('error', '')}")
        return str(answer["jsep"]["sdp"])

    async def close(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    async def _send(self, row: dict[str, Any]) -> dict[str, Any]:
        transaction = secrets.token_hex(8)
        future = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = future
        session = {"session_id": self._session} if self._session else {}
        try:
            await self._socket.send_json({**row, **session, "transaction": transaction})
            async with asyncio.timeout(ANSWER_S):
                answer: dict[str, Any] = await future
        finally:
            del self._waiting[transaction]
        if answer["janus"] == "error":
            raise BenchFailed(f"janus: {answer['error']['reason']}")
        return answer

    async def _listen(self) -> None:
        async for message in self._socket:
            row = message.json()
            future = self._waiting.get(row.get("transaction", ""))
            # "ack" only says that the answer comes later.
            if future is not None and not future.done() and row["janus"] != "ack":
                future.set_result(row)

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(20)
            if self._session:  # answered by an "ack"
                row = {"janus": "keepalive", "session_id": self._session, "transaction": "alive"}
                await self._socket.send_json(row)


def _text(sections: Mapping[str, _Section]) -> str:
    lines = []
    for section, values in sections.items():
        lines.append(f"{section}: {{")
        lines += (f"  {key} = {json.dumps(value)}" for key, value in values.items())
        lines.append("}\n")
    return "\n".join(lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _packets(recording: Path) -> int:
    """RTP packets in one of Janus's recordings (MJR: a header, then frames)."""
    return sum(1 for _ in _frames(recording.read_bytes()))


def _frames(data: bytes) -> Iterator[bytes]:
    at = 10 + int.from_bytes(data[8:10], "big")  # "MJR00002", length, JSON
    while data[at : at + 4] == _RTP_FRAME:
        size = int.from_bytes(data[at + 8 : at + 10], "big")
        yield data[at + 10 : at + 10 + size]
        at += 10 + size
