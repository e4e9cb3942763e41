"""Server-sent events as a client reads them (WHATWG HTML, 9.2)."""

import json
from collections.abc import AsyncIterator
from typing import Any

from media.errors import ChannelError

LIMIT = 4 * 1024 * 1024  # bytes of one event; a snapshot of ten thousand people is below 1 MB

Message = tuple[str, dict[str, Any]]


async def messages(chunks: AsyncIterator[bytes]) -> AsyncIterator[Message]:
    """The name and the JSON object of each event; comments are left out.

    Raises ChannelError when the server speaks nonsense.
    """
    rest = b""
    async for chunk in chunks:
        *blocks, rest = (rest + chunk.replace(b"\r", b"")).split(b"\n\n")
        if len(rest) > LIMIT:
            raise ChannelError("an event of the channel is too long")
        for block in blocks:
            message = _message(block)
            if message is not None:
                yield message


def _message(block: bytes) -> Message | None:
    name, data = "message", []
    for line in block.decode("utf-8", "replace").split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    if not data:
        return None
    return name, _object("\n".join(data))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise ChannelError("an event of the channel is not JSON") from exc
    if not isinstance(value, dict):
        raise ChannelError("an event of the channel is not an object")
    return value
