"""Sending SRTP and SRTCP of one connection.

Straight to libsrtp: ``Session.protect`` refuses packets above 1356 bytes, which others do send
and we must forward.
"""

from collections.abc import Callable

from pylibsrtp import SRTP_MAX_SRTCP_TRAILER_LEN, Session
from pylibsrtp._binding import lib

from media.rtc.counters import Counters
from media.rtc.landing import MAX_DATAGRAM, landing
from media.rtc.link import Address, Link

_OK = 0


class Outbound:
    """Encrypts and sends to the address ICE has chosen."""

    def __init__(self, session: Session, counters: Counters) -> None:
        self._session = session
        self._srtp = session._srtp[0]
        self._landing = landing()
        self._counters = counters

    def rtp(self, packet: bytes, link: Link, to: Address) -> None:
        """Send an RTP packet."""
        if self._send(lib.srtp_protect, packet, link, to):
            self._counters.rtp_sent += 1

    def rtcp(self, packet: bytes, link: Link, to: Address) -> None:
        """Send a compound RTCP packet."""
        if self._send(lib.srtp_protect_rtcp, packet, link, to):
            self._counters.rtcp_sent += 1

    def _send(self, protect: Callable[..., int], packet: bytes, link: Link, to: Address) -> bool:
        size = len(packet)
        if size > MAX_DATAGRAM - SRTP_MAX_SRTCP_TRAILER_LEN:
            self._counters.send_dropped += 1
            return False
        here = self._landing
        here.buffer[:size] = packet
        here.size[0] = size
        if protect(self._srtp, here.data, here.size) != _OK:
            self._counters.send_dropped += 1
            return False
        link.sendto(here.view[: here.size[0]], to)
        return True
