"""SRTP and SRTCP of one connection, without a copy more than needed.

The sessions are pylibsrtp's, made by the DTLS transport; the calls go straight to libsrtp.
``Session.unprotect`` would allocate and copy twice per packet, and ``Session.protect`` refuses
packets above 1356 bytes, which others do send and we must forward.
"""

from collections.abc import Callable

import structlog
from pylibsrtp import ERRORS, SRTP_MAX_SRTCP_TRAILER_LEN, Session
from pylibsrtp._binding import ffi, lib

from media.rtc.counters import Counters
from media.rtc.wire import MAX_DATAGRAM, Address, Wire

OnPacket = Callable[[bytes, int], None]  # decrypted packet, arrival in Unix ns

_OK = 0
_REPLAYED = frozenset(ERRORS.index(text) for text in ERRORS if text.startswith("replay check"))
_LOGGED_ERRORS = 10  # of one connection; the counter tells the rest

_log = structlog.get_logger(__name__)


def is_rtcp(second_byte: int) -> bool:
    """Tells RTCP from RTP where both use one port (RFC 5761 section 4)."""
    return 192 <= second_byte <= 223


class Inbound:
    """Decrypts in a wire's buffer and hands each packet to a callback."""

    def __init__(
        self,
        wire: Wire,
        session: Session,
        *,
        on_rtp: OnPacket,
        on_rtcp: OnPacket,
        counters: Counters,
    ) -> None:
        self._session = session  # owns what _srtp points to
        self._srtp = session._srtp[0]
        self._second = wire.buffer
        self._data = ffi.from_buffer("char[]", wire.buffer, require_writable=True)
        self._bytes = ffi.buffer(self._data)
        self._size = ffi.new("int *")
        self._on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._counters = counters

    def take(self, size: int, now_ns: int) -> None:
        """Handle the datagram of ``size`` bytes that is in the wire's buffer."""
        length = self._size
        length[0] = size
        rtcp = 192 <= self._second[1] <= 223  # is_rtcp, inlined: this runs for every packet
        result = (lib.srtp_unprotect_rtcp if rtcp else lib.srtp_unprotect)(
            self._srtp, self._data, length
        )
        if result != _OK:
            self._refuse(result)
            return
        packet = self._bytes[0 : length[0]]
        try:
            if rtcp:
                self._counters.rtcp_received += 1
                self._on_rtcp(packet, now_ns)
            else:
                self._counters.rtp_received += 1
                self._on_rtp(packet, now_ns)
        except Exception:  # noqa: BLE001  # logged with traceback; why is said below
            # A bug in one listener must not stop the media of all the others.
            self._counters.callback_errors += 1
            if self._counters.callback_errors <= _LOGGED_ERRORS:
                _log.exception("a packet callback failed")

    def _refuse(self, result: int) -> None:
        if result in _REPLAYED:
            self._counters.replayed += 1
        else:
            self._counters.unauthentic += 1


class Outbound:
    """Encrypts and sends to the address ICE has chosen."""

    def __init__(self, session: Session, counters: Counters) -> None:
        self._session = session
        self._srtp = session._srtp[0]
        self._buffer = bytearray(MAX_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._data = ffi.from_buffer("char[]", self._buffer, require_writable=True)
        self._size = ffi.new("int *")
        self._counters = counters

    def rtp(self, packet: bytes, wire: Wire, to: Address) -> None:
        """Send an RTP packet."""
        if self._send(lib.srtp_protect, packet, wire, to):
            self._counters.rtp_sent += 1

    def rtcp(self, packet: bytes, wire: Wire, to: Address) -> None:
        """Send a compound RTCP packet."""
        if self._send(lib.srtp_protect_rtcp, packet, wire, to):
            self._counters.rtcp_sent += 1

    def _send(self, protect: Callable[..., int], packet: bytes, wire: Wire, to: Address) -> bool:
        size = len(packet)
        if size > MAX_DATAGRAM - SRTP_MAX_SRTCP_TRAILER_LEN:
            self._counters.send_dropped += 1
            return False
        self._buffer[:size] = packet
        self._size[0] = size
        if protect(self._srtp, self._data, self._size) != _OK:
            self._counters.send_dropped += 1
            return False
        wire.sendto(self._view[: self._size[0]], to)
        return True
