"""Many cheap publishers of sound in one process: ``python -m tests.e2e.crowd URL COUNT``.

One in each of the channels ``soak0``, ``soak1``, …; says "ready" when all send, and sends until
stdin ends.
"""

import asyncio
import sys

from media.bench.sender import Sender
from media.publish.signalling import open_signalling
from media.tape.model import Kind, Source


async def main(url: str, count: int) -> None:
    loop, sender = asyncio.get_running_loop(), Sender(url, count, 0, [Kind.AUDIO])
    doors = []
    try:
        for number in range(count):
            door = open_signalling(url, cname=f"soak{number}", uid="7", source=Source.CAMERA)
            doors.append(door)
            offers = (await sender.obey({"do": "offer", "numbers": [number]}))["offers"]
            answer = await door.join(offers[0])
            await sender.obey({"do": "connect", "answers": [(number, answer)]})
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)
    finally:
        await asyncio.gather(*(door.leave() for door in doors))
        await sender.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
