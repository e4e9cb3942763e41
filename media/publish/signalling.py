"""How a publisher gets into a channel; apart from sending, one class per media server."""

import asyncio
from typing import Protocol
from urllib.parse import quote, urljoin

import aiohttp

from media.errors import ChannelError, ChannelRefused
from media.publish.janus import JanusPublisher
from media.tape.model import Kind, Source

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Signalling(Protocol):
    """The way into one channel as one publisher."""

    async def join(self, offer: str) -> str:
        """Send the SDP offer, get the answer.  Raises ChannelRefused, ChannelError."""
        ...

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Tell the others."""
        ...

    async def ended(self) -> str:
        """Waits until the server has put us out; why it has.  Safe to cancel."""
        ...

    async def leave(self) -> None:
        """Idempotent; harmless before join()."""
        ...


def open_signalling(channel_url: str, *, cname: str, uid: str, source: Source) -> Signalling:
    """The signalling for a channel URL (``room+http://host:port``, ``janus+ws://host:port``).

    Raises ChannelRefused for any other.
    """
    scheme, _, rest = channel_url.partition("+")
    if scheme == "janus" and rest.startswith(("ws://", "wss://")):
        return JanusPublisher(channel_url, cname=cname, uid=uid, source=source)
    if scheme != "room" or not rest.startswith(("http://", "https://")):
        raise ChannelRefused("publishing is possible to room+http and janus+ws channels")
    path = f"whip/{quote(cname, safe='')}/{quote(uid, safe='')}"
    query = "?source=screen" if source is Source.SCREEN else ""
    return Whip(f"{rest.rstrip('/')}/{path}{query}")


class Whip:
    """WHIP (RFC 9725) with the embedded room's mute."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session: str | None = None
        self._http: aiohttp.ClientSession | None = None

    async def join(self, offer: str) -> str:
        """POST the offer; 201 brings the answer and the session's address."""
        headers = {"Content-Type": "application/sdp"}
        status, text, location = await self._ask("POST", self._endpoint, offer, headers)
        if status != 201 or not location:
            raise ChannelError(f"the room answered {status} without a session")
        self._session = urljoin(self._endpoint, location)
        return text

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """POST to the session."""
        if self._session is None:
            raise ChannelError("nothing to mute before joining")
        body: dict[str, object] = {"kind": kind.value, "muted": muted}
        await self._ask("POST", f"{self._session}/mute", body)

    async def ended(self) -> str:
        """A room never says; its connection ends."""
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    async def leave(self) -> None:
        """DELETE the session; a room that has gone already is left as well."""
        session, self._session = self._session, None
        try:
            if session is not None:
                await self._ask("DELETE", session)
        except ChannelRefused:
            pass  # it has forgotten us: that is what we came for
        finally:
            if self._http is not None:
                await self._http.close()
                self._http = None

    async def _ask(
        self,
        method: str,
        url: str,
        body: str | dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str, str | None]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        content = {"json": body} if isinstance(body, dict) else {"data": body}
        try:
            async with self._http.request(method, url, headers=headers, **content) as answer:
                text = await answer.text()
                _check(answer.status, text)
                return answer.status, text, answer.headers.get("Location")
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise ChannelError(f"the room cannot be reached: {exc!r}") from exc


def _check(status: int, text: str) -> None:
    if status in (408, 429) or status >= 500:
        raise ChannelError(f"the room answered {status}: {text[:200]}")
    if status >= 400:
        raise ChannelRefused(f"the room answered {status}: {text[:200]}")
