"""Candidates of Janus that come after its offer (``full_trickle`` in its configuration)."""

import asyncio
from typing import Any

from media.channels.janus.inbox import Inbox
from media.channels.janus.wire import Message

WAIT_S = 2.0
MOST = 64
_LINE = "a=candidate:"


async def with_candidates(offer: str, inbox: Inbox[Message]) -> str:
    """The offer with the candidates that Janus sends apart, if it holds none itself.

    Other messages that come meanwhile go back to the end of the inbox, in their order.
    """
    if _LINE in offer:
        return offer
    found: list[str] = []
    others: list[Message] = []
    try:
        async with asyncio.timeout(WAIT_S):
            while len(found) < MOST:
                message = await inbox.get()
                if message.kind != "trickle":
                    others.append(message)
                    continue
                line = _candidate(message.data.get("candidate"))
                if line is None:
                    break
                found.append(line)
    except TimeoutError:
        pass  # then with what there is
    finally:
        for message in others:
            inbox.put(message)
    return _insert(offer, found)


def _candidate(row: Any) -> str | None:
    """The line of a candidate; None after the last one."""
    text = row.get("candidate") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text or "\r" in text or "\n" in text:
        return None
    return "a=" + text.removeprefix("a=")


def _insert(offer: str, lines: list[str]) -> str:
    """Into the first m-line: with BUNDLE its transport is everybody's (RFC 9143 §7.3.1)."""
    sections = offer.split("\r\nm=")
    if len(sections) < 2 or not lines:
        return offer
    sections[1] = "\r\n".join([sections[1].rstrip("\r\n"), *lines])
    if len(sections) == 2:
        sections[1] += "\r\n"
    return "\r\nm=".join(sections)
