"""All sockets of connected peers, emptied every 10 or 20 ms from one epoll.

A recorder is not a phone: nobody waits for a packet.  An event-loop wake-up per packet costs as
much as the rest of its way, so connected sockets leave the loop's readiness events and are read
in batches.  The price is up to one interval in arrival times and NACK latency.
"""

import asyncio
import select

from media.rtc import steady
from media.rtc.landing import landing
from media.rtc.sweep import sweep
from media.rtc.wire import Wire

DEFAULT_INTERVAL_S = 0.010
RECORDER_INTERVAL_S = 0.020  # a packet of sound per socket and round; fewer rounds are no cheaper
_TOGETHER = 16  # sockets that are read as of one time
_EVERYTHING_EVERY = 6  # rounds; the others read what a socket is likely to hold


class Drain:
    """Reads wires; one per event loop.  Costs nothing while it has none."""

    def __init__(self, *, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._epoll = select.epoll()
        self._wires: dict[int, Wire] = {}
        self._here = landing()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._rounds = 0
        self._worst_lag_s = 0.0

    def add(self, wire: Wire) -> None:
        """Take an open wire off the event loop and read it until it closes."""
        number = wire.fileno()
        wire.leave_loop(before_close=lambda: self._forget(number))
        self._wires[number] = wire
        self._epoll.register(number, select.EPOLLIN)
        if self._timer is None:
            self._schedule()

    @property
    def busy(self) -> bool:
        """Whether there is a wire to read."""
        return bool(self._wires)

    def flush(self) -> None:
        """Read what has arrived now, before something is decided that must not touch it."""
        self._read(everything=True)

    def take_lag_s(self) -> float:
        """The latest that a round began too late since the last call, in seconds."""
        lag, self._worst_lag_s = self._worst_lag_s, 0.0
        return lag

    def close(self) -> None:
        """Stop for good.  Wires still here are read no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wires.clear()
        self._epoll.close()

    def _forget(self, number: int) -> None:
        # Also called by wires that outlive the drain.
        if self._wires.pop(number, None) is not None:
            self._epoll.unregister(number)

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + self._interval_s
        self._timer = loop.call_at(self._due_s, self._round)

    def _round(self) -> None:
        lag_s = asyncio.get_running_loop().time() - self._due_s
        self._worst_lag_s = max(self._worst_lag_s, lag_s)
        self._timer = None
        self._rounds += 1
        try:
            # A late round found more than usual.
            late = lag_s > self._interval_s
            self._read(everything=late or self._rounds % _EVERYTHING_EVERY == 0)
        finally:
            if self._wires:
                self._schedule()

    def _read(self, *, everything: bool) -> None:
        if not self._wires:  # the last one closed, or a callback closed the drain
            return
        ready = self._epoll.poll(0, len(self._wires))
        for at in range(0, len(ready), _TOGETHER):
            some, now_ns = ready[at : at + _TOGETHER], steady.now_ns()
            sweep(self._wires, some, self._here, now_ns, everything=everything)
