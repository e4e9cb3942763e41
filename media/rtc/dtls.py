"""DTLS-SRTP (RFC 5764) by aiortc, over a pipe in place of its ICE transport."""

import asyncio
import datetime
from collections.abc import Callable
from typing import cast

import structlog
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtcicetransport import RTCIceTransport
from pylibsrtp import Session

from media.rtc.sdp import Description, Fingerprint

_WAITING = 64  # handshake datagrams; more than a flight of any handshake
# OpenSSL repeats a flight after a second.  A server whose ICE is done a moment after ours does not
# hear the first one (Janus), and RFC 9147 §5.8.2 lets real-time protocols wait for less.
_REPEATS_S = (0.05, 0.1, 0.2, 0.4)
_RENEW_BEFORE = datetime.timedelta(days=7)

_log = structlog.get_logger(__name__)
_certificate: RTCCertificate | None = None


def certificate() -> RTCCertificate:
    """The certificate all connections of this process share; made anew before it expires."""
    global _certificate
    soon = datetime.datetime.now(datetime.UTC) + _RENEW_BEFORE
    if _certificate is None or _certificate.expires < soon:
        _certificate = RTCCertificate.generateCertificate()
    return _certificate


class Pipe:
    """What aiortc's DTLS transport needs of an ICE transport: a role and two ends.

    Until the handshake is done it repeats what was sent and not answered.
    """

    def __init__(self, role: str, send: Callable[[bytes], None]) -> None:
        self.role = role
        self._send_now = send
        self._datagrams: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._handshaking = True
        self._flight: list[bytes] = []  # sent since something came
        self._repeats_s = iter(_REPEATS_S)

    def put(self, datagram: bytes) -> None:
        """A DTLS datagram came in.  A full pipe loses it; DTLS repeats what matters."""
        if not self._datagrams.full():
            self._datagrams.put_nowait(datagram)

    def settle(self) -> None:
        """The handshake is over, one way or the other."""
        self._handshaking = False
        self._flight.clear()

    async def _recv(self) -> bytes:
        datagram = await self._next()
        self._flight.clear()
        self._repeats_s = iter(_REPEATS_S)
        return datagram

    async def _send(self, data: bytes) -> None:
        if self._handshaking:
            self._flight.append(data)
        self._send_now(data)

    async def _next(self) -> bytes:
        for pause_s in self._repeats_s if self._handshaking else ():
            try:
                async with asyncio.timeout(pause_s):
                    return await self._datagrams.get()
            except TimeoutError:
                for datagram in self._flight:
                    self._send_now(datagram)
        return await self._datagrams.get()


class DtlsSession:
    """One handshake and, after it, the SRTP sessions; ``on_closed`` when the peer says goodbye."""

    def __init__(
        self, *, controlling: bool, send: Callable[[bytes], None], on_closed: Callable[[], None]
    ) -> None:
        self._on_closed = on_closed
        self._certificate = certificate()
        self.pipe = Pipe("controlling" if controlling else "controlled", send)
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self.pipe), [self._certificate])
        self._dtls.on("statechange", self._state_changed)

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Of our certificate; sha-256, which everybody must know (RFC 8122 section 5)."""
        return tuple(
            Fingerprint(each.algorithm, each.value)
            for each in self._certificate.getFingerprints()
            if each.algorithm == "sha-256"
        )

    async def handshake(self, remote: Description) -> bool:
        """Whether the keys are agreed on with the holder of the signalled certificate."""
        self._dtls._set_role("server" if remote.setup == "active" else "client")
        await self._dtls.start(
            RTCDtlsParameters(
                fingerprints=[
                    RTCDtlsFingerprint(each.algorithm, each.value) for each in remote.fingerprints
                ]
            )
        )
        self.pipe.settle()
        return self._dtls.state == "connected"

    @property
    def sessions(self) -> tuple[Session, Session]:
        """The SRTP sessions for receiving and for sending; after a good handshake only."""
        return self._dtls._rx_srtp, self._dtls._tx_srtp

    async def close(self) -> None:
        """Say goodbye if there was a handshake.  Idempotent."""
        self._dtls.remove_all_listeners()
        reader = self._dtls._task
        await self._dtls.stop()
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)
        # Some 100 kB of OpenSSL's, which would wait for the cyclic collector.
        self._dtls._ssl = None

    def _state_changed(self) -> None:
        if self._dtls.state == "closed":
            self._on_closed()
