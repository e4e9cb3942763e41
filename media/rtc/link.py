"""What a socket of ours and a relay have in common: datagrams, sorted by their first byte."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import structlog
from aioice.ice import StunProtocol

from media.rtc.counters import Counters
from media.rtc.inbound import Inbound
from media.rtc.landing import landing

Address = tuple[str, int]

SHORTEST = 12  # bytes: an RTP header; nothing useful is shorter
_EARLY = 256  # datagrams of media kept until the keys are there; a key frame and some

_log = structlog.get_logger(__name__)


class Link(ABC):
    """One of the ways between us and the other side (RFC 7983): STUN, DTLS and media.

    Media is handed on where it lies, in ``buffer``, and only valid during the call.
    """

    def __init__(self, *, counters: Counters, on_dtls: Callable[[bytes], None]) -> None:
        self.buffer = landing().buffer
        self.inbound: Inbound | None = None  # while media is welcome
        self._on_media: Callable[[int, int], None] = self._keep
        self._early: list[tuple[bytes, int]] = []
        self._on_dtls = on_dtls
        self._counters = counters
        self._stun: StunProtocol | None = None
        self.silent = False

    def attach(self, stun: StunProtocol) -> None:
        """Give the STUN packets to ``stun``."""
        self._stun = stun
        stun.connection_made(self)  # type: ignore[arg-type]  # it sends and closes, no more

    def open_media(self, inbound: Inbound) -> None:
        """From now on media goes there.

        The other side has the keys a moment before us and may have begun: that comes first.
        """
        self.inbound = inbound
        take = self._on_media = inbound.take
        early, self._early = self._early, []
        for datagram, arrival_ns in early:
            self.buffer[: len(datagram)] = datagram
            take(len(datagram), arrival_ns)

    def close_media(self) -> None:
        """From now on media is ignored."""
        self.inbound = None
        self._on_media = _ignore
        self._early.clear()

    def watch(self) -> None:
        """Look whether media comes from now on; until then it is ``silent``."""
        take, inbound, self.silent = self._on_media, self.inbound, True

        def first(size: int, now_ns: int) -> None:
            self.silent = False
            self._on_media, self.inbound = take, inbound
            take(size, now_ns)

        # Who reads in batches gives media to ``inbound`` without asking, if there is one.
        self._on_media, self.inbound = first, None

    @abstractmethod
    def sendto(self, data: Any, addr: Address) -> None:
        """Send at once or not at all."""

    @abstractmethod
    def close(self) -> None:
        """Idempotent; the end is told to ``stun``."""

    @abstractmethod
    def count_drops(self) -> None:
        """Add to the counters what the kernel dropped at a full socket since the last call."""

    def _keep(self, size: int, now_ns: int) -> None:
        if len(self._early) < _EARLY:
            self._early.append((bytes(self.buffer[:size]), now_ns))
        else:
            self._counters.early += 1

    def _sort_other(self, first: int, data: bytes, sender: Address) -> None:
        if 19 < first < 64:
            self._on_dtls(data)
        elif first < 4 and self._stun is not None:
            self._take_stun(self._stun, data, sender)
        else:
            self._counters.malformed += 1

    def _take_stun(self, stun: StunProtocol, data: bytes, sender: Address) -> None:
        try:
            stun.datagram_received(data, sender)
        except Exception:  # noqa: BLE001  # logged with traceback; why is said below
            # aioice's parser raises what it likes on hostile bytes (struct.error, KeyError, ...);
            # one stranger's datagram must not end the reading of everybody's.
            self._counters.malformed += 1
            _log.debug("stun message not understood", exc_info=True)


def _ignore(_size: int, _now_ns: int) -> None:
    """Media after the end."""
