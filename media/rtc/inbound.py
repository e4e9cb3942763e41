"""Receiving SRTP and SRTCP of one connection, without a copy more than needed.

The session is pylibsrtp's, made by the DTLS transport; the calls go straight to libsrtp:
``Session.unprotect`` would allocate and copy twice per packet.
"""

from collections.abc import Callable

import structlog
from pylibsrtp import ERRORS, Session
from pylibsrtp._binding import lib

from media.rtc.counters import Counters
from media.rtc.landing import landing

OnPacket = Callable[[bytes, int], None]  # decrypted packet, arrival in Unix ns

_OK = 0
_REPLAYED = frozenset(ERRORS.index(text) for text in ERRORS if text.startswith("replay check"))
_LOGGED_ERRORS = 10  # of one connection; the counter tells the rest

_log = structlog.get_logger(__name__)


def is_rtcp(second_byte: int) -> bool:
    """Tells RTCP from RTP where both use one port (RFC 5761 section 4)."""
    return 192 <= second_byte <= 223


class Inbound:
    """Decrypts where a datagram landed and hands each packet to a callback."""

    __slots__ = ("_counters", "_landing", "_on_rtcp", "_session", "on_rtp", "srtp")

    def __init__(
        self, session: Session, *, on_rtp: OnPacket, on_rtcp: OnPacket, counters: Counters
    ) -> None:
        self._session = session  # owns what srtp points to
        self.srtp = session._srtp[0]
        self._landing = landing()
        self.on_rtp, self._on_rtcp = on_rtp, on_rtcp
        self._counters = counters

    def take(self, size: int, now_ns: int) -> None:
        """Handle the datagram of ``size`` bytes that has landed."""
        here = self._landing
        here.size[0] = size
        rtcp = is_rtcp(here.buffer[1])
        unprotect = lib.srtp_unprotect_rtcp if rtcp else lib.srtp_unprotect
        result = unprotect(self.srtp, here.data, here.size)
        if result != _OK:
            self.refuse(result)
            return
        try:
            (self._on_rtcp if rtcp else self.on_rtp)(here.bytes[0 : here.size[0]], now_ns)
        except Exception:  # noqa: BLE001  # logged there, with the reason
            self.callback_failed()

    def refuse(self, result: int) -> None:
        """A packet that libsrtp did not accept."""
        if result in _REPLAYED:
            self._counters.replayed += 1
        else:
            self._counters.unauthentic += 1

    def callback_failed(self) -> None:
        """Within ``except``: a bug in one listener must not stop the media of all the others."""
        self._counters.callback_errors += 1
        if self._counters.callback_errors <= _LOGGED_ERRORS:
            _log.exception("a packet callback failed")
