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
    """What aiortc's DTLS transport needs of an ICE transport: a role and two ends."""

    def __init__(self, role: str, send: Callable[[bytes], None]) -> None:
        self.role = role
        self._send_now = send
        self._datagrams: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)

    def put(self, datagram: bytes) -> None:
        """A DTLS datagram came in.  A full pipe loses it; DTLS repeats what matters."""
        if not self._datagrams.full():
            self._datagrams.put_nowait(datagram)

    async def _recv(self) -> bytes:
        return await self._datagrams.get()

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


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
