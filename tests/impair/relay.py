"""A UDP relay between two sides, with a bad network in each direction."""

import asyncio
import contextlib
import heapq
import itertools
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from struct import Struct

from tests.impair.fates import CLEAN, Fates, Impairment

Address = tuple[str, int]

HELD_S = 0.2  # a packet to be overtaken waits no longer for others
TWICE_S = 0.003  # between a packet and its double
_BUFFER = 1 << 20
_RTP = Struct("!xxHxxxxI").unpack_from


class Sort(Enum):
    """What a datagram is, by its first bytes (RFC 7983, RFC 5761)."""

    STUN = "stun"
    DTLS = "dtls"
    RTCP = "rtcp"
    RTP = "rtp"
    OTHER = "other"

    @classmethod
    def of(cls, datagram: bytes) -> "Sort":
        first = datagram[0] if datagram else 255
        if first < 4:
            return cls.STUN
        if 19 < first < 64:
            return cls.DTLS
        if 127 < first < 192 and len(datagram) >= 12:
            return cls.RTCP if 192 <= datagram[1] <= 223 else cls.RTP
        return cls.OTHER


@dataclass
class Log:
    """What became of the packets of one direction; RTP by (SSRC, sequence number)."""

    passed: Counter[tuple[int, int]] = field(default_factory=Counter)
    dropped: Counter[tuple[int, int]] = field(default_factory=Counter)
    datagrams: Counter[Sort] = field(default_factory=Counter)
    lost: Counter[Sort] = field(default_factory=Counter)

    def offered(self, ssrc: int) -> set[int]:
        """The sequence numbers of a stream that somebody sent."""
        return {seq for key in (self.passed, self.dropped) for one, seq in key if one == ssrc}

    def never_passed(self, ssrc: int) -> set[int]:
        """Those of which every transmission was dropped."""
        return self.offered(ssrc) - {seq for one, seq in self.passed if one == ssrc}

    def retransmitted(self, ssrc: int) -> set[int]:
        """Those that were sent more than once."""
        sent = self.passed + self.dropped
        return {seq for (one, seq), count in sent.items() if one == ssrc and count > 1}


@dataclass
class Spare:
    """Which packets a bad network leaves alone; they still take their time."""

    handshake: bool = True  # STUN and DTLS before the first media
    consent: bool = True  # STUN afterwards


class Lane:
    """One direction: decides about each datagram and delivers it when its time has come."""

    def __init__(
        self, impairment: Impairment, seed: str, spare: Spare, deliver: Callable[[bytes], None]
    ) -> None:
        self.log = Log()
        self._loop = asyncio.get_running_loop()
        self._spare = spare
        self._deliver = deliver
        self._seed = seed
        self._times = itertools.count()
        self._out_until_s = 0.0
        self._media = False
        self._waiting: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._held: list[_Held] = []
        self._latest_s = self._free_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.change(impairment)

    def change(self, impairment: Impairment) -> None:
        """From now on the network is another one."""
        self._of = impairment
        self._fates = Fates(impairment, f"{self._seed}/{next(self._times)}")

    def outage(self, seconds: float) -> None:
        """Nothing at all passes for so long."""
        self._out_until_s = self._loop.time() + seconds

    def take(self, datagram: bytes) -> None:
        """A datagram came in."""
        sort, now_s = Sort.of(datagram), self._loop.time()
        self.log.datagrams[sort] += 1
        if now_s < self._out_until_s:
            self._lose(sort, datagram)
            return
        if self._spared(sort):
            self._send_at(now_s + self._of.delay_s, datagram)
            return
        fate = self._fates.next()
        at_s = self._passes_at(now_s, len(datagram))
        if fate.lost or at_s is None:
            self._lose(sort, datagram)
            return
        if sort is Sort.RTP:
            _count(self.log.passed, datagram)
            if fate.overtaken_by:
                self._hold(_Held(fate.overtaken_by, datagram))
                return
        # Jitter is a queue on the way: it stretches distances and changes no order.
        self._latest_s = max(self._latest_s, at_s + self._of.delay_s + fate.jitter_s)
        self._send_at(self._latest_s, datagram)
        if fate.doubled:
            self._send_at(self._latest_s + TWICE_S, datagram)
        if sort is Sort.RTP:
            self._overtake(datagram)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for held in self._held:
            held.cancel()
        self._waiting.clear()

    def _spared(self, sort: Sort) -> bool:
        if sort in (Sort.RTP, Sort.RTCP):
            self._media = True
        if sort is Sort.STUN and self._media:
            return self._spare.consent
        return sort in (Sort.STUN, Sort.DTLS) and self._spare.handshake

    def _lose(self, sort: Sort, datagram: bytes) -> None:
        self.log.lost[sort] += 1
        if sort is Sort.RTP:
            _count(self.log.dropped, datagram)

    def _passes_at(self, now_s: float, size: int) -> float | None:
        """When the bottleneck has let it through; None if its queue is full."""
        if self._of.rate_bps is None:
            return now_s
        begins_s = max(now_s, self._free_s)
        if begins_s - now_s > self._of.queue_s:
            return None
        self._free_s = begins_s + 8 * size / self._of.rate_bps
        return self._free_s

    def _hold(self, held: "_Held") -> None:
        self._held.append(held)
        held.timer = self._loop.call_later(HELD_S, self._release, held)

    def _overtake(self, datagram: bytes) -> None:
        """One packet of a stream went on: those that wait for it come nearer to their turn."""
        for held in [held for held in self._held if held.ssrc == _RTP(datagram)[1]]:
            held.left -= 1
            if not held.left:
                self._release(held)

    def _release(self, held: "_Held") -> None:
        held.cancel()
        self._held.remove(held)
        self._latest_s = max(self._latest_s, self._loop.time() + self._of.delay_s)
        self._send_at(self._latest_s, held.datagram)

    def _send_at(self, at_s: float, datagram: bytes) -> None:
        heapq.heappush(self._waiting, (at_s, next(self._order), datagram))
        if self._waiting[0][2] is datagram:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now_s:
            self._deliver(heapq.heappop(self._waiting)[2])
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._flush)


@dataclass(eq=False)
class _Held:
    """A packet that waits until others have overtaken it."""

    left: int
    datagram: bytes
    timer: asyncio.TimerHandle | None = None

    @property
    def ssrc(self) -> int:
        return int(_RTP(self.datagram)[1])

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def _count(counter: Counter[tuple[int, int]], datagram: bytes) -> None:
    seq, ssrc = _RTP(datagram)
    counter[ssrc, seq] += 1


class _End:
    """The socket that one side takes for the other side."""

    def __init__(self, host: str, take: Callable[[bytes], None]) -> None:
        self.peer: Address | None = None
        self._take = take
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((host, 0))
        self.address: Address = self._socket.getsockname()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def send(self, datagram: bytes) -> None:
        if self.peer is None:
            return
        # Its port is closed, or the buffer is full: a network would not tell either.
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, self.peer)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                datagram, self.peer = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            self._take(datagram)


class Relay:
    """The way between a client and a server; each side sends to the address made for it.

    Belongs to the running event loop.  Where a side is, its first packet says; ``expect_server``
    tells it before.
    """

    def __init__(
        self,
        *,
        up: Impairment = CLEAN,
        down: Impairment = CLEAN,
        seed: str = "",
        spare: Spare | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        spare = spare or Spare()
        self._to_server = _End(host, lambda datagram: self.down.take(datagram))
        self._to_client = _End(host, lambda datagram: self.up.take(datagram))
        self.up = Lane(up, f"{seed}/up", spare, self._to_server.send)
        self.down = Lane(down, f"{seed}/down", spare, self._to_client.send)

    @property
    def for_client(self) -> Address:
        """What the client takes for the server's address."""
        return self._to_client.address

    @property
    def for_server(self) -> Address:
        """What the server takes for the client's address."""
        return self._to_server.address

    def expect_client(self, address: Address) -> None:
        """The client is there until it sends from elsewhere."""
        self._to_client.peer = self._to_client.peer or address

    def expect_server(self, address: Address) -> None:
        """The same for the server."""
        self._to_server.peer = self._to_server.peer or address

    def close(self) -> None:
        self.up.close()
        self.down.close()
        self._to_server.close()
        self._to_client.close()
