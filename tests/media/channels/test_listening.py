"""Listening to a publisher goes on whatever happens."""

import asyncio

from media.channels import listening
from media.channels.listening import Listening
from media.errors import ChannelError, ChannelRefused


def test_what_fails_is_tried_again_and_told_when_it_fails_again(monkeypatch) -> None:
    monkeypatch.setattr(listening, "PAUSE_MOST_S", 0.01)
    outcomes = [ChannelError("once"), None, ChannelError("one"), ChannelRefused("two"), KeyError()]
    told: list[str] = []

    async def main() -> None:
        over = asyncio.Event()

        async def listen() -> None:
            if not outcomes:
                over.set()
                await asyncio.Event().wait()
            outcome = outcomes.pop(0)
            if outcome is not None:
                raise outcome

        life = Listening(listen, told.append)
        async with asyncio.timeout(10):
            await over.wait()
        await life.close()
        await life.close()

    asyncio.run(main())
    assert told == ["two", "a fault of the recorder"]
