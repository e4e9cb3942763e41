"""One contender in a process of its own, so that its CPU and memory are its own.

``python -m media.bench.contender_process NAME DIRECTORY``, then a line of JSON on stdin for each
line of JSON on stdout: ``answer``, ``settled``, ``sample``, ``close``.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from media.bench.contender import Contender
from media.bench.errors import NotInstalled
from media.bench.janus import Janus
from media.bench.names import BARE, JANUS, OURS, RECORDER
from media.bench.ours import Ours
from media.bench.sender import orders, say
from media.bench.stock import Bare, Recorder

_MAKERS: dict[str, Callable[[Path], Contender]] = {
    OURS: Ours,
    JANUS: Janus,
    BARE: lambda directory: Bare(),
    RECORDER: Recorder,
}


async def obey(contender: Contender, order: dict[str, Any]) -> dict[str, Any]:
    """Do what the other side of the pipe asks for."""
    match order["do"]:
        case "answer":
            return {"answers": [await contender.answer(*offer) for offer in order["offers"]]}
        case "settled":
            contender.settled()
            return {}
        case "sample":
            return asdict(contender.sample())
        case "close":
            return asdict(await contender.close())
    raise ValueError(f"no such order: {order['do']}")


async def main(name: str, directory: Path) -> None:
    """Until told to close, or stdin ends."""
    loop, contender, coming = asyncio.get_running_loop(), _MAKERS[name](directory), orders()
    try:
        await contender.open()
    except NotInstalled as exc:
        say({"missing": str(exc)})
        return
    say({"ready": True})
    closed = False
    try:
        while (order := await loop.run_in_executor(None, next, coming, None)) is not None:
            say(await obey(contender, order))
            closed = closed or order["do"] == "close"
    finally:
        if not closed:
            await contender.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
