"""ICE (RFC 8445) by aioice, on sockets and addresses of our choice."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import aioice.ice
import structlog
from aioice import Candidate as IceCandidate
from aioice import Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol
from aioice.stun import Message

from media.rtc.sdp import Candidate, Description
from media.rtc.wire import Address, Wire

_MAX_CANDIDATES = 100  # of the remote side; as many as checks are allowed (RFC 8445 6.1.2.5)

_log = structlog.get_logger(__name__)


class IceConnection(Connection):
    """An aioice connection with one component whose media does not pass through its queue.

    aioice would leave loopback out and bind every interface; here ``addresses`` says which.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        addresses: Sequence[str],
        open_wire: Callable[[str], Wire],
        on_closed: Callable[[], None],
    ) -> None:
        super().__init__(ice_controlling=controlling)
        self.wires: list[Wire] = []
        self._addresses = tuple(addresses)
        self._open_wire = open_wire
        self._on_closed = on_closed

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Our host candidates, for the SDP."""
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
        timeout: int = 5,  # noqa: ASYNC109  # aioice's
    ) -> list[IceCandidate]:
        """Host candidates on our addresses, each with a socket of ours."""
        return [
            candidate
            for preference, address in enumerate(self._addresses)
            if (candidate := self._host_candidate(component, address, 65535 - preference))
        ]

    def data_received(self, data: bytes, component: int) -> None:
        """What aioice could not read as STUN; the wire has sorted media out before."""

    def request_received(
        self, message: Message, addr: Address, protocol: StunProtocol, raw_data: bytes
    ) -> None:
        """A connectivity check.  aioice verifies the integrity only where there is one."""
        if "MESSAGE-INTEGRITY" in message.attributes:
            super().request_received(message, addr, protocol, raw_data)

    async def close(self) -> None:
        """Idempotent.  Also called by aioice itself when consent is lost."""
        checks = [pair.task for pair in self._check_list if pair.task is not None]
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
        await super().close()
        self._on_closed()

    def _host_candidate(self, component: int, address: str, preference: int) -> IceCandidate | None:
        try:
            wire = self._open_wire(address)
        except OSError as exc:
            _log.warning("cannot use a local address", address=address, error=str(exc))
            return None
        protocol = StunProtocol(self)
        protocol.local_candidate = IceCandidate(
            foundation=candidate_foundation("host", "udp", address),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host", preference),
            host=address,
            port=wire.get_extra_info("sockname")[1],
            type="host",
        )
        self._protocols.append(protocol)
        self.wires.append(wire)
        wire.attach(protocol)
        return protocol.local_candidate


def _from_aioice(candidate: IceCandidate) -> Candidate:
    return Candidate(
        foundation=candidate.foundation,
        component=candidate.component,
        transport=candidate.transport,
        priority=candidate.priority,
        host=candidate.host,
        port=candidate.port,
        type=candidate.type,
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
