"""Debian's Janus for tests: a VideoRoom on loopback, in a folder of its own."""

import asyncio
import json
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import psutil

CODECS = "vp8,h264,vp9,av1"  # what a room takes, unless told otherwise
SOUNDS = "opus,pcmu,pcma,g722"

_PLUGIN = "janus.plugin.videoroom"
_START_S, _STOP_S, _ANSWER_S = 15.0, 10.0, 5.0
_IN_A_FILE = re.compile(r"[A-Za-z0-9_*-]+")  # names that libconfig takes
_PLUGINS = ("audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip")
_PLUGINS += ("streaming", "textroom", "videocall", "voicemail")
_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")

Value = str | int | bool


class JanusRefused(Exception):
    """Janus said no; ``code`` is its error code (426: no such room, 428: no such feed, …)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Janus:
    """One server, which may be killed and started again on the same port.

    Its helpers block for some milliseconds.  Rooms are also written into the configuration, so
    that they are there from the first moment of a restart.
    """

    def __init__(
        self,
        folder: Path,
        program: str,
        *,
        string_ids: bool,
        port: int,
        general: Mapping[str, Value],
        media: Mapping[str, Value],
        nat: Mapping[str, Value],
        tls: tuple[Path, Path] | None,
    ) -> None:
        self.folder, self.port = folder, port
        self.url = f"janus+ws://127.0.0.1:{port}"
        self._tls, self._tls_port = tls, _free_port() if tls else 0
        self.tls_url = f"janus+wss://127.0.0.1:{self._tls_port}" if tls else ""
        self.string_ids = string_ids
        self._program = program
        self._core = {"general": general, "media": media, "nat": nat}
        self._secret = str(general.get("api_secret", ""))
        self._rooms: dict[str, dict[str, Value]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Janus":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the server that runs now."""
        assert self._process is not None, "janus does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it (again); returns when it answers."""
        assert self._process is None, "janus runs already"
        self._write_configuration()
        with (self.folder / "janus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    f"--configs-folder={self.folder}",
                    f"--config={self.folder / 'janus.jcfg'}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            code = self._process.poll()
            assert code is None, f"janus ended with {code}: {self.log()[-2000:]}"
            assert time.monotonic() < deadline, f"janus does not answer: {self.log()[-2000:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: nobody is told."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """SIGTERM, as on a shutdown of the host."""
        self._end(lambda process: process.terminate())

    def close(self) -> None:
        """End it for good; idempotent."""
        if self._process is not None:
            self.stop()

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "janus.log").read_text(errors="replace")

    def create_room(
        self,
        room: str | int,
        *,
        pin: str | None = None,
        secret: str | None = None,
        publishers: int = 20,
        videocodec: str = CODECS,
        audiocodec: str = SOUNDS,
        rec_dir: Path | None = None,
        **options: Value,
    ) -> None:
        """Create a room now and for every later start; ``rec_dir`` has Janus record it.

        Numbers are given as int or as text of digits.  ``options`` are the VideoRoom's own:
        ``bitrate``, ``require_pvtid``, ``notify_joining``, ``fir_freq``, …
        """
        row: dict[str, Value] = {
            "publishers": publishers,
            "videocodec": videocodec,
            "audiocodec": audiocodec,
            "notify_joining": False,
            "bitrate": 0,  # no limit
            **options,
        }
        row |= {"pin": pin} if pin is not None else {}
        row |= {"secret": secret} if secret is not None else {}
        row |= {"record": True, "rec_dir": str(rec_dir)} if rec_dir is not None else {}
        self.ask({"request": "create", "room": self._id(room), "permanent": False, **row})
        self._rooms[str(room)] = row

    def destroy_room(self, room: str | int) -> None:
        """Everybody in it is told so and thrown out."""
        row = self._rooms.pop(str(room), {})
        self.ask({"request": "destroy", "room": self._id(room), **_secret_of(row)})

    def kick(self, room: str | int, uid: str | int) -> None:
        """Throw a participant out."""
        row = self._rooms.get(str(room), {})
        ask = {"request": "kick", "room": self._id(room), "id": self._id(uid)}
        self.ask({**ask, **_secret_of(row)})

    def moderate(self, room: str | int, uid: str | int, mid: str, *, mute: bool) -> None:
        """Mute a participant's stream for everybody, or end that."""
        row = self._rooms.get(str(room), {})
        ask = {"request": "moderate", "room": self._id(room), "id": self._id(uid), "mid": mid}
        self.ask({**ask, "mute": mute, **_secret_of(row)})

    def participants(self, room: str | int) -> dict[str, dict[str, Any]]:
        """Who is in a room, by id as text: ``display``, ``publisher`` (whether it sends), …"""
        answer = self.ask({"request": "listparticipants", "room": self._id(room)})
        return {str(row["id"]): row for row in answer["participants"]}

    def ask(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request to the VideoRoom that is answered at once.  Raises JanusRefused."""
        # A loop may run in this thread already.
        with ThreadPoolExecutor(1) as thread:
            data = thread.submit(asyncio.run, self._ask(body)).result()
        if "error_code" in data:
            raise JanusRefused(data["error_code"], data.get("error", ""))
        return data

    async def _ask(self, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """Nothing but a ping without a request."""
        async with (
            asyncio.timeout(_ANSWER_S),
            aiohttp.ClientSession() as http,
            http.ws_connect(
                f"ws://127.0.0.1:{self.port}", protocols=("janus-protocol",)
            ) as socket_,
        ):
            door = _Door(socket_, self._secret)
            if body is None:
                return await door.ask("ping")
            created = await door.ask("create")
            on: dict[str, Any] = {"session_id": created["data"]["id"]}
            attached = await door.ask("attach", plugin=_PLUGIN, **on)
            on["handle_id"] = attached["data"]["id"]
            answer = await door.ask("message", body=body, **on)
            await door.ask("destroy", session_id=on["session_id"])
        data: dict[str, Any] = answer["plugindata"]["data"]
        return data

    def _id(self, text: str | int) -> str | int:
        return str(text) if self.string_ids else int(text)

    def _answers(self) -> bool:
        try:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, self._ask(None)).result()
        except (aiohttp.ClientError, OSError):
            return False
        return True

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        assert process is not None, "janus does not run"
        how(process)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)

    def _write_configuration(self) -> None:
        nowhere = ", ".join(f"libjanus_{name}.so" for name in _PLUGINS)
        nobody = ", ".join(f"libjanus_{name}.so" for name in _TRANSPORTS)
        self._write(
            "janus.jcfg",
            {
                **self._core,
                "plugins": {"disable": nowhere},
                "transports": {"disable": nobody},
                "loggers": {"disable": "libjanus_jsonlog.so"},
                "events": {"broadcast": False},
            },
        )
        websocket: dict[str, Value] = {"ws": True, "ws_port": self.port, "ws_ip": "127.0.0.1"}
        certificates: dict[str, Value] = {}
        if self._tls is not None:
            websocket |= {"wss_port": self._tls_port, "wss_ip": "127.0.0.1"}
            certificates = {"cert_pem": str(self._tls[0]), "cert_key": str(self._tls[1])}
        self._write(
            "janus.transport.websockets.jcfg",
            {
                "general": {**websocket, "wss": self._tls is not None},
                "certificates": certificates,
            },
        )
        self._write(
            "janus.plugin.videoroom.jcfg",
            {
                "general": {"string_ids": self.string_ids, "events": False},
                **{
                    f"room-{name}": row
                    for name, row in self._rooms.items()
                    if _IN_A_FILE.fullmatch(name)
                },
            },
        )

    def _write(self, name: str, sections: Mapping[str, Mapping[str, Value]]) -> None:
        lines = []
        for section, values in sections.items():
            lines.append(f"{section}: {{")
            lines += (f"  {key} = {json.dumps(value)}" for key, value in values.items())
            lines.append("}")
        (self.folder / name).write_text("\n".join(lines) + "\n")


class _Door:
    """One connection to the API."""

    def __init__(self, socket_: aiohttp.ClientWebSocketResponse, secret: str) -> None:
        self._socket = socket_
        self._always = {"apisecret": secret} if secret else {}

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The answer to one request; what else comes in between is not ours to act on."""
        transaction = secrets.token_hex(8)
        request = {"janus": kind, "transaction": transaction, **self._always, **fields}
        await self._socket.send_json(request)
        while True:
            answer: dict[str, Any] = await self._socket.receive_json()
            if answer.get("transaction") == transaction and answer["janus"] != "ack":
                break
        if answer["janus"] == "error":
            raise JanusRefused(answer["error"]["code"], answer["error"]["reason"])
        return answer


def start_janus(
    tmp_path: Path,
    *,
    string_ids: bool,
    program: str = "janus",
    port: int = 0,
    reclaim_s: int = 60,
    general: Mapping[str, Value] | None = None,
    media: Mapping[str, Value] | None = None,
    nat: Mapping[str, Value | None] | None = None,
    tls: tuple[Path, Path] | None = None,
) -> Janus:
    """A running Janus without rooms; use it as a context manager, or close() it.

    ``reclaim_s`` is how long a session waits for its owner to come back on another socket.
    ``general``, ``media`` and ``nat`` add to these sections of janus.jcfg (``api_secret``,
    ``session_timeout``, ``no_media_timer``, …); None in ``nat`` takes something away.  ``tls`` are
    a certificate and its key: then there is a ``tls_url``, too.
    """
    found = shutil.which(program)
    assert found is not None, "janus is not installed"
    address = _address()
    assert address is not None, "Janus 1.1 gathers no loopback candidates; there must be others"
    folder = tmp_path / "janus"
    folder.mkdir(parents=True)
    addresses: dict[str, Value | None] = {
        "ice_enforce_list": f"lo,{address}",
        "ice_lite": False,
        "ignore_mdns": True,
        **(nat or {}),
    }
    janus = Janus(
        folder,
        found,
        string_ids=string_ids,
        port=port or _free_port(),
        general={"debug_level": 4, "reclaim_session_timeout": reclaim_s, **(general or {})},
        media={"rtp_port_range": "20000-29999", **(media or {})},
        nat={name: value for name, value in addresses.items() if value is not None},
        tls=tls,
    )
    try:
        janus.start()
    except BaseException:
        janus.close()
        raise
    return janus


def _secret_of(row: Mapping[str, Value]) -> dict[str, Value]:
    return {"secret": row["secret"]} if "secret" in row else {}


def _address() -> str | None:
    """An address of this host that is not loopback; packets from ourselves to it stay inside."""
    entries = [entry for each in psutil.net_if_addrs().values() for entry in each]
    addresses = (entry.address for entry in entries if entry.family == socket.AF_INET)
    return next((each for each in addresses if not each.startswith("127.")), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
