"""An HTTP proxy in front of a room that sends the media of its clients through relays.

It rewrites the candidates in SDP offers and answers (RFC 8839 section 5.1): each side is told the
relay's address in place of the other's.  Everything else passes, server-sent events too.
"""

import re
from collections.abc import Callable

import aiohttp
from aiohttp import web

from tests.impair.relay import Address, Relay

_SDP = "application/sdp"
_CANDIDATE = re.compile(r"^a=candidate:(\S+) (\d+) (\S+) (\d+) (\S+) (\d+) typ (\S+).*$")
_OF_ONE_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding"}
)


def rewrite(description: str, relay: Address) -> tuple[str, Address | None]:
    """The description with the relay as its only candidate, and where its writer really is.

    None where the writer does not say: it has no candidate, or hides behind an mDNS name.
    """
    lines, real, written = [], None, False
    for line in description.splitlines():
        found = _CANDIDATE.match(line)
        if found is None:
            lines.append(line)
            continue
        foundation, component, transport, priority, host, port, _ = found.groups()
        if transport.lower() != "udp" or component != "1":
            continue
        if real is None and not host.endswith(".local") and ":" not in host:
            real = host, int(port)
        if not written:
            written = True
            lines.append(
                f"a=candidate:{foundation} 1 udp {priority} {relay[0]} {relay[1]} typ host"
            )
    return "\r\n".join(lines) + "\r\n", real


class Proxy:
    """The room as its clients see it; ``open_relay`` is called for each offer."""

    def __init__(self, room: str, open_relay: Callable[[], Relay]) -> None:
        self._room = room.rstrip("/")
        self._open_relay = open_relay
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, host: str) -> str:
        """Listen on a free port; the address."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._http = aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://{host}:{port}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body, relay = await request.read(), None
        if request.content_type == _SDP and request.method == "POST":
            relay = self._open_relay()
            offer, client = rewrite(body.decode(), relay.for_server)
            body = offer.encode()
            if client is not None:
                relay.expect_client(client)
        assert self._http is not None
        try:
            async with self._http.request(
                request.method,
                self._room + request.raw_path,
                data=body or None,
                headers=_passed_on(request.headers),
                allow_redirects=False,
            ) as answer:
                return await self._answer(request, answer, relay)
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=str(error))

    async def _answer(
        self, request: web.Request, answer: aiohttp.ClientResponse, relay: Relay | None
    ) -> web.StreamResponse:
        headers = _passed_on(answer.headers)
        if relay is not None and answer.content_type == _SDP:
            text, server = rewrite(await answer.text(), relay.for_client)
            if server is not None:
                relay.expect_server(server)
            return web.Response(status=answer.status, body=text.encode(), headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def _passed_on(headers: "aiohttp.typedefs.LooseHeaders") -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_HOP}
