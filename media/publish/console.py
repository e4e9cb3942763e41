"""`tapefarm publish` as a process: commands on stdin, one JSON line at each end."""

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any

import structlog

from media.publish.options import PublishOptions, PublishReport
from media.publish.publisher import Command, Leave, Mute, publish
from media.tape.model import Kind

_log = structlog.get_logger(__name__)

_MOST_WAITING = 64
COMMANDS: dict[str, Command] = {
    "mute audio": Mute(Kind.AUDIO, muted=True),
    "unmute audio": Mute(Kind.AUDIO, muted=False),
    "mute video": Mute(Kind.VIDEO, muted=True),
    "unmute video": Mute(Kind.VIDEO, muted=False),
    "leave": Leave(),
}


async def run(options: PublishOptions) -> PublishReport:
    """Publish until SIGINT, SIGTERM, ``leave`` or the end of the time; for a process's main."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    commands: asyncio.Queue[Command] = asyncio.Queue(_MOST_WAITING)
    _listen(commands, loop)
    report = await publish(
        options, stop, on_ready=lambda ready: _say(ready.to_json()), commands=commands
    )
    _say(report.to_json())
    return report


def _say(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def _listen(commands: asyncio.Queue[Command], loop: asyncio.AbstractEventLoop) -> None:
    """Read stdin in a daemon thread: it may be a pipe, a terminal, a file or nothing at all."""
    if hasattr(signal, "SIGTTIN"):  # in the background of a shell: go on without a terminal
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    threading.Thread(target=_read, args=(commands, loop), name="stdin", daemon=True).start()


def _read(commands: asyncio.Queue[Command], loop: asyncio.AbstractEventLoop) -> None:
    # The bare descriptor: a daemon thread that holds sys.stdin's lock would block our exit.
    rest = b""
    while True:
        try:
            data = os.read(0, 4096)
        except OSError:
            return
        if not data:
            return  # end of input is no command
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            loop.call_soon_threadsafe(_obey, commands, line.decode("utf-8", "replace").strip())


def _obey(commands: asyncio.Queue[Command], text: str) -> None:
    command = COMMANDS.get(text)
    if command is None:
        if text:
            _log.warning("an unknown command", command=text[:40], known=sorted(COMMANDS))
        return
    try:
        commands.put_nowait(command)
    except asyncio.QueueFull:
        _log.warning("too many commands at once; one is dropped", command=text)
