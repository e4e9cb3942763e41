"""ICE (RFC 8445) by aioice, on sockets, addresses and relays of our choice."""

import asyncio
import errno
import random
import socket
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import aioice.ice
import structlog
from aioice import Candidate as IceCandidate
from aioice import Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol
from aioice.stun import Class, Message, Method, TransactionError

from media.errors import ConnectFailed
from media.rtc.consent import Consent
from media.rtc.interfaces import is_loopback
from media.rtc.link import Address, Link
from media.rtc.network import IceServer
from media.rtc.opener import Opener
from media.rtc.sdp import Candidate, Description
from media.rtc.wire import Wire
from media.weakly import weakly

_MAX_CANDIDATES = 100  # of the remote side; as many as checks are allowed (RFC 8445 6.1.2.5)
_BEST = 65535  # local preference (RFC 8445 5.1.2.1)
_HIDDEN = ("0.0.0.0", 9)  # RFC 8839 5.1, for who must not know our address

_log = structlog.get_logger(__name__)


class _Stun(StunProtocol):
    """aioice's, spared what comes every few seconds."""

    receiver: "IceConnection"

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """A STUN message."""
        sender = addr[0], addr[1]
        if isinstance(data, str) or not self.receiver.consent.take(data, sender, self):
            super().datagram_received(data, sender)


class IceConnection(Connection):
    """An aioice connection with one component whose media does not pass through its queue.

    aioice would leave loopback out and bind every interface; here the opener's network says which.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        opener: Opener,
        on_closed: Callable[[], None],
    ) -> None:
        super().__init__(ice_controlling=controlling)
        self.links: list[Link] = []
        self.complaints: list[str] = []  # why there are fewer candidates than could be
        self._network = opener.network
        self._opener = opener
        self._on_closed = on_closed
        self._request = b""  # that aioice is looking at
        me = weakref.proxy(self)  # see media/weakly.py
        self.consent = Consent(
            selected=lambda: me.selected,
            describe=lambda pair: me.build_request(pair, nominate=False),
            on_lost=weakly(self._consent_lost),
        )

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Ours, for the SDP."""
        return tuple(_from_aioice(candidate) for candidate in self.local_candidates)

    @property
    def selected(self) -> CandidatePair | None:
        """The pair that media takes."""
        return self._nominated.get(1)

    async def take_remote(self, remote: Description) -> None:
        """Credentials and candidates of the other side.

        Names of browsers' mDNS candidates are not resolved: such a browser reaches us, and is
        then known by its address.  For the same reason a controlled side never calls the list
        complete, so that it waits for checks to come in instead of giving up.
        """
        self.remote_username, self.remote_password = remote.ufrag, remote.pwd
        self.remote_is_lite = remote.ice_lite
        usable = [candidate for candidate in remote.candidates if candidate.usable]
        for candidate in usable[:_MAX_CANDIDATES]:
            await self.add_remote_candidate(_to_aioice(candidate))
        complete = remote.end_of_candidates and len(usable) == len(remote.candidates)
        if self.ice_controlling and usable and complete:
            await self.add_remote_candidate(None)

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109  # aioice's; ours is in the network
    ) -> list[IceCandidate]:
        """Candidates on our addresses, each with a socket of ours, and those of servers."""
        hosts = [] if self._network.relay_only else self._host_candidates(component)
        return [
            *hosts,
            *(each for host in hosts for each in self._advertised(host)),
            *await self._of_servers(component),
        ]

    def data_received(self, data: bytes, component: int) -> None:
        """What aioice could not read as STUN; the link has sorted media out before."""

    def request_received(
        self, message: Message, addr: Address, protocol: StunProtocol, raw_data: bytes
    ) -> None:
        """A connectivity check.  aioice verifies the integrity only where there is one."""
        if "MESSAGE-INTEGRITY" in message.attributes:
            self._request = raw_data
            super().request_received(message, addr, protocol, raw_data)
            self._request = b""

    def check_incoming(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        """A connectivity check that aioice has answered; what follows from it."""
        super().check_incoming(message, addr, protocol)
        pair = self.selected
        if pair is not None and pair.protocol is protocol and pair.remote_addr == addr:
            self.consent.grant(self._request, pair)

    def switch_role(self, ice_controlling: bool) -> None:
        """Both sides thought they were controlling, or neither (RFC 8445 7.3.1.1)."""
        super().switch_role(ice_controlling)
        self.consent.forget()

    async def query_consent(self) -> None:
        """In place of aioice's, which runs as long as the connection."""
        self.consent.begin(ours=self.local_password, theirs=self.remote_password or "")

    async def close(self) -> None:
        """Idempotent."""
        self.consent.end()
        checks = [pair.task for pair in self._check_list if pair.task is not None]
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
        for link in self.links:  # at once; aioice would wait for one after the other
            link.close()
        await super().close()
        self._check_list.clear()
        self._on_closed()

    def _consent_lost(self) -> None:
        self._nominated.clear()  # nothing more may be sent
        self._on_closed()

    def _host_candidates(self, component: int) -> list[IceCandidate]:
        found = []
        for rank, address in enumerate(self._network.addresses):
            wire = self._bound(address)
            if wire is not None:
                found.append(self._add(wire, component, "host", _sockname(wire), rank))
        return found

    def _bound(self, address: str) -> Wire | None:
        """A socket on an address, with a port of the range if there is one."""
        try:
            if self._network.ports is None:
                return self._opener.wire(address)
            return self._bound_within(address, self._network.ports)
        except OSError as exc:
            self._complain(f"{address} cannot be used: {exc.strerror or exc}")
            return None

    def _bound_within(self, address: str, ports: range) -> Wire | None:
        start = random.randrange(len(ports))  # noqa: S311  # so that the first try mostly is free
        for port in (*ports[start:], *ports[:start]):
            try:
                return self._opener.wire(address, port)
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE:
                    raise
        self._complain(f"{address} has no free port from {ports[0]} to {ports[-1]}")
        return None

    def _advertised(self, host: IceCandidate) -> Iterator[IceCandidate]:
        """The same port on the addresses that a 1:1 NAT gives to this host."""
        for rank, address in enumerate(self._network.advertise):
            if (":" in address) == (":" in host.host):
                yield _reflexive(host, (address, host.port), rank)

    async def _of_servers(self, component: int) -> list[IceCandidate]:
        """What STUN and TURN servers find in the time they have; who is later is left out."""
        asked: dict[asyncio.Task[IceCandidate | None], IceServer] = {}

        def ask(server: IceServer, work: Coroutine[Any, Any, IceCandidate | None]) -> None:
            asked[asyncio.create_task(work, name=f"gather {server}")] = server

        for rank, server in enumerate(self._network.relays):
            ask(server, self._relayed(component, server, rank))
        for server in self._network.mirrors:
            for stun in self._protocols:
                ask(server, self._mirrored(stun, server))
        if not asked:
            return []
        try:
            await asyncio.wait(asked, timeout=self._network.gather_s)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return [found for task, server in asked.items() if (found := self._outcome(task, server))]

    def _outcome(
        self, task: "asyncio.Task[IceCandidate | None]", server: IceServer
    ) -> IceCandidate | None:
        if task.cancelled():
            self._complain(f"{server} did not answer in {self._network.gather_s} s")
            return None
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, ConnectFailed | OSError | TransactionError):
            _log.error("asking an ICE server failed in an unforeseen way", exc_info=error)
        self._complain(str(error))
        return None

    async def _relayed(self, component: int, server: IceServer, rank: int) -> IceCandidate:
        relay = await self._opener.relay(server)
        related = _HIDDEN if self._network.relay_only else relay.mapped
        return self._add(relay, component, "relay", relay.address, rank, related)

    async def _mirrored(self, stun: StunProtocol, server: IceServer) -> IceCandidate | None:
        """What others see of one of our sockets; None if it is nothing new."""
        host = stun.local_candidate
        family = socket.AF_INET6 if ":" in host.host else socket.AF_INET
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                server.host, server.port, family=family, type=socket.SOCK_DGRAM
            )
        except socket.gaierror:
            return None  # no address of this family
        address = str(found[0][4][0]), server.port
        if host.type != "host" or is_loopback(address[0]) != is_loopback(host.host):
            return None  # it could not answer
        request = Message(message_method=Method.BINDING, message_class=Class.REQUEST)
        response, _ = await stun.request(request, address)
        mapped = response.attributes.get("XOR-MAPPED-ADDRESS")
        if mapped is None or mapped[0] in (host.host, *self._network.advertise):
            return None
        return _reflexive(host, mapped, 0)

    def _add(
        self,
        link: Link,
        component: int,
        kind: str,
        address: Address,
        rank: int,
        related: Address | None = None,
    ) -> IceCandidate:
        stun = _Stun(self)
        stun.local_candidate = IceCandidate(
            foundation=candidate_foundation(kind, "udp", f"{address[0]} {rank}"),
            component=component,
            transport="udp",
            priority=candidate_priority(component, kind, _BEST - rank),
            host=address[0],
            port=address[1],
            type=kind,
            related_address=related[0] if related else None,
            related_port=related[1] if related else None,
        )
        self._protocols.append(stun)
        self.links.append(link)
        link.attach(stun)
        return stun.local_candidate

    def _complain(self, reason: str) -> None:
        self.complaints.append(reason)
        _log.warning("fewer ICE candidates than there could be", reason=reason)


def _sockname(wire: Wire) -> Address:
    name = wire.get_extra_info("sockname")
    return name[0], name[1]


def _reflexive(host: IceCandidate, mapped: Address, rank: int) -> IceCandidate:
    """What a NAT makes of a host candidate; checks go out from the host's own socket."""
    return IceCandidate(
        foundation=candidate_foundation("srflx", "udp", f"{host.host} {mapped[0]}"),
        component=host.component,
        transport="udp",
        priority=candidate_priority(host.component, "srflx", _BEST - rank),
        host=mapped[0],
        port=mapped[1],
        type="srflx",
        related_address=host.host,
        related_port=host.port,
    )


def _from_aioice(candidate: IceCandidate) -> Candidate:
    related = None
    if candidate.related_address is not None and candidate.related_port is not None:
        related = (candidate.related_address, candidate.related_port)
    return Candidate(
        foundation=candidate.foundation,
        component=candidate.component,
        transport=candidate.transport,
        priority=candidate.priority,
        host=candidate.host,
        port=candidate.port,
        type=candidate.type,
        related=related,
    )


def _to_aioice(candidate: Candidate) -> IceCandidate:
    return IceCandidate(
        foundation=candidate.foundation,
        component=candidate.component,
        transport=candidate.transport,
        priority=candidate.priority,
        host=candidate.host,
        port=candidate.port,
        type=candidate.type,
    )


@contextmanager
def stock_on_loopback() -> Iterator[None]:
    """Let aiortc's own connections use loopback, for benchmarks beside them.

    aioice gathers every address of the host but that one.
    """
    before = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = before
