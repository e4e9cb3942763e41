"""The publisher as a process: lines in, lines out."""

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager

import pytest

from media.room.server import serve

PROGRAM = """
import asyncio, sys
from media.publish.console import run
from media.publish.options import PublishOptions
asyncio.run(run(PublishOptions(channel=sys.argv[1], cname="c", uid="1001")))
"""


@asynccontextmanager
async def process():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    closing = asyncio.Event()
    room = asyncio.create_task(serve("127.0.0.1", port, stop=closing))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, f"room+http://127.0.0.1:{port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        closing.set()
        await room


async def said(child):
    """The next JSON line; logs go their own way and are passed over."""
    async with asyncio.timeout(20):
        while line := await child.stdout.readline():
            if line.startswith(b"{"):
                return json.loads(line)
    raise AssertionError("the process has said nothing more")


@pytest.mark.parametrize("ending", ["leave", "signal"])
def test_a_process_says_when_it_is_connected_and_what_it_sent(ending):
    async def play():
        async with process() as child:
            first = await said(child)
            child.stdin.write(b"mute audio\nnonsense\nunmute audio\n")
            if ending == "leave":
                child.stdin.write(b"leave\n")
            else:
                child.terminate()
            last = await said(child)
            return first, last, await asyncio.wait_for(child.wait(), 20)

    first, last, code = asyncio.run(play())
    assert code == 0
    assert first["uid"] == last["uid"] == "1001"
    assert (first["video"], first["audio"]) == ("vp8", "opus")
    assert (first["tone_hz"], first["beep_hz"]) == (900, 3800)
    assert set(first["ssrc"]) == set(last["packets"]) == {"audio", "video"}
    assert last["reason"] == ("left" if ending == "leave" else "stopped")
