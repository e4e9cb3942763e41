"""All sockets of connected peers, emptied every 10 ms from one epoll.

A recorder is not a phone: nobody waits for a packet.  An event-loop wake-up per packet costs as
much as the rest of its way, so connected sockets leave the loop's readiness events and are read
in batches.  The price is up to one interval in arrival times and NACK latency.
"""

import asyncio
import select

import structlog

from media.rtc.wire import Wire

DEFAULT_INTERVAL_S = 0.010

_log = structlog.get_logger(__name__)


class Drain:
    """Reads wires; one per event loop.  Costs nothing while it has none."""

    def __init__(self, *, interval_s: float = DEFAULT_INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._epoll = select.epoll()
        self._wires: dict[int, Wire] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
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
        self._read_ready()

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
        self._timer = loop.call_later(self._interval_s, self._round)

    def _round(self) -> None:
        self._worst_lag_s = max(self._worst_lag_s, asyncio.get_running_loop().time() - self._due_s)
        self._timer = None
        try:
            # Most sockets hold one packet: reading just one and asking epoll again is cheaper
            # than learning from each of them by a failed read that it is empty.
            self._read_ready(1)
            self._read_ready()
        finally:
            if self._wires:
                self._schedule()

    def _read_ready(self, *limit: int) -> None:
        if not self._wires:  # the last one closed, or a callback closed the drain
            return
        for number, _ in self._epoll.poll(0):
            wire = self._wires.get(number)  # a callback may have closed it meanwhile
            if wire is not None:
                wire.read(*limit)
