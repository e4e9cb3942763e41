"""Who was in a channel, and is refused on the way back, asks again before it believes that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from media.capture import capture
from media.channels.base import ChannelEvent, PublisherJoined
from media.errors import ChannelError, ChannelRefused
from media.rtc.drain import Drain
from media.tape.model import EventType
from tests.taping import Taping


class Door:
    """A channel that lets in or refuses as it is told, and is lost again unless it is the last."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, *_: object, **__: object) -> "Door":
        return self

    async def join(self) -> None:
        self.asked += 1
        if self._answers and self._answers.pop(0) == "refused":
            raise ChannelRefused("wrong token")

    async def events(self) -> AsyncIterator[ChannelEvent]:
        yield PublisherJoined(f"guest{self.asked}")
        if self._answers:
            raise ChannelError("the server is gone")
        await asyncio.Event().wait()

    async def leave(self) -> None:
        pass


def _record(tmp_path, monkeypatch, door: Door) -> Taping:
    async def run() -> Taping:
        drain = Drain()
        taping = Taping(tmp_path, drain)
        work = asyncio.create_task(taping.run(channel_url="room+http://127.0.0.1:1"))
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not taping.reason and door.asked < 4:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
        taping.stop.set()
        await work
        drain.close()
        return taping

    monkeypatch.setattr(capture, "open_channel", door)
    return asyncio.run(run())


def test_it_is_let_in_again(tmp_path, monkeypatch):
    door = Door("in", "refused", "refused", "in")
    made = _record(tmp_path, monkeypatch, door)
    assert made.reason == "stopped"
    joined = [event.uid for event in made.events if event.type is EventType.JOINED]
    assert joined == ["guest1", "guest4"]


@pytest.mark.parametrize(("answers", "asked"), [(("refused",), 1), (("in", "refused"), 2)])
def test_a_refusal_counts_for_who_was_never_in_or_long_ago(tmp_path, monkeypatch, answers, asked):
    monkeypatch.setattr(capture, "RETURN_S", 0.0)
    door = Door(*answers)
    made = _record(tmp_path, monkeypatch, door)
    assert made.reason == "refused: wrong token"
    assert door.asked == asked
