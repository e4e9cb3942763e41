"""One subscription against a Janus that says what a test wants."""

import asyncio
from typing import Any

from media.channels.janus.feeds import Stream
from media.channels.janus.inbox import Inbox
from media.channels.janus.subscription import Subscription
from media.channels.janus.wire import Message
from media.rtc import sdp
from media.rtp.codec import Codec
from media.tape.model import Kind, Source

CAMERA = Stream("v", Kind.VIDEO, Source.CAMERA, "vp8")
SCREEN = Stream("s", Kind.VIDEO, Source.SCREEN, "vp8")
VP8 = Codec("VP8", 96, 90_000, 1, "", ())


def offer() -> str:
    """Of one m-line that flows."""
    return sdp.Description(
        "offer",
        (sdp.MediaSection("video", "0", "sendonly", codecs=(VP8,), ssrcs=(1,), cname="c"),),
        "user",
        "password" * 3,
        (sdp.Fingerprint("sha-256", ":".join(["00"] * 32)),),
        "actpass",
        (),
    ).to_sdp()


class Handle:
    """Takes its time to let us in."""

    def __init__(self) -> None:
        self.inbox: Inbox[Message] = Inbox(99)
        self.asked: list[dict[str, Any]] = []
        self.joining, self.let_in = asyncio.Event(), asyncio.Event()
        self.updated = asyncio.Event()

    async def ask(self, body: dict[str, Any], **_: Any) -> Message:
        self.asked.append(body)
        if body["request"] == "join":
            self.joining.set()
            await self.let_in.wait()
            self.inbox.put(Message("trickle"))  # there are no candidates
            return Message("event", sdp=offer())
        if body["request"] == "update":
            self.updated.set()
        return Message("event")

    async def detach(self) -> None: ...


class Session:
    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    async def attach(self) -> Handle:
        return self.handle


class Tap:
    async def answer(self, offer: str, **_: Any) -> str:
        return "answer"

    async def ended(self) -> str:
        await asyncio.Event().wait()
        return ""

    async def close(self) -> None: ...


def test_what_is_wanted_while_janus_lets_us_in_is_asked_for_after_it() -> None:
    async def main() -> list[dict[str, Any]]:
        handle = Handle()
        session: Any = Session(handle)
        subscription = Subscription(session, "a", dict, Tap, lambda reason: None, substream=2)
        try:
            async with asyncio.timeout(10):
                subscription.want([CAMERA])
                await handle.joining.wait()
                subscription.want([CAMERA, SCREEN])
                handle.let_in.set()
                await handle.updated.wait()
        finally:
            await subscription.close()
        return handle.asked

    join, *_, update = asyncio.run(main())
    assert [each["mid"] for each in join["streams"]] == ["v"]
    assert [each["mid"] for each in update["subscribe"]] == ["s"]
