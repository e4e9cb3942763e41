"""All sockets of connected peers, emptied at times of ours instead of at each packet.

A recorder is not a phone: nobody waits for a packet, and the kernel says when it came.  An
event-loop wake-up per packet costs as much as the rest of its way, and the first packet of a
socket several times as much as those that are read with it.  So connected sockets leave the
loop's readiness events and are read in batches.  The price is latency for retransmissions; while
a connection waits for some, or has much to say, it is read in each round.
"""

import asyncio
import select
import socket
from collections import deque
from collections.abc import Iterable

from media.rtc import steady
from media.rtc.batch import Batch
from media.rtc.landing import landing
from media.rtc.rounds import round_after
from media.rtc.sweep import FAIR, Now, sweep
from media.rtc.wire import Wire

DEFAULT_INTERVAL_S = 0.010
_RECORDER_INTERVAL_S, _RECORDER_SHIFTS = 0.020, 5
_TOGETHER = 16  # sockets that are read as of one time
_STALLED_S = 0.1  # late by this, a round reads everything: a part of a tape may end next
_ALL = 1024  # calls to one socket: more than its buffer has room for
_HURRY_S = 10.0  # who lost a packet soon loses the next, and some servers keep them for 200 ms only


class Drain:
    """Reads wires; one per event loop.  Costs nothing while it has none.

    Every ``interval_s`` there is a round.  It reads one of the ``shifts`` among which the wires
    are spread, and those of other shifts that are in a hurry.
    """

    def __init__(self, *, interval_s: float = DEFAULT_INTERVAL_S, shifts: int = 1) -> None:
        self._interval_s = interval_s
        self._shifts = [select.epoll() for _ in range(shifts)]
        self._members = [0] * shifts
        self._shift_of: dict[int, int] = {}
        self._wires: dict[int, Wire] = {}
        self._hurried: dict[int, int] = {}  # until which round
        self._here = landing()
        self._batches = {
            family: Batch(self._here, family) for family in (socket.AF_INET, socket.AF_INET6)
        }
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._round_number = 0
        self._rounds_ns: deque[int] = deque(maxlen=shifts + 1)
        self._reading = False

    def add(self, wire: Wire) -> None:
        """Take an open wire off the event loop and read it until it closes."""
        number = wire.fileno()
        wire.leave_loop(self._batches[wire.family], before_close=lambda: self._forget(number))
        shift = self._members.index(min(self._members))
        self._wires[number] = wire
        self._shift_of[number] = shift
        self._members[shift] += 1
        self._shifts[shift].register(number, select.EPOLLIN)
        if self._timer is None:
            self._rounds_ns.clear()
            self._rounds_ns.append(steady.now_ns())
            self._due_s = asyncio.get_running_loop().time()
            self._schedule()

    @property
    def busy(self) -> bool:
        """Whether there is a wire to read."""
        return bool(self._wires)

    def hurry(self, wire: Wire) -> None:
        """Read this one in each round for a while: an answer is awaited."""
        if wire.fileno() in self._wires:
            rounds = round(_HURRY_S / self._interval_s)
            self._hurried[wire.fileno()] = self._round_number + rounds

    def read(self, wire: Wire) -> None:
        """Read what has arrived on one wire now, before it is closed."""
        if not self._reading and wire.fileno() in self._wires:
            self._read([wire.fileno()], calls=_ALL)

    def flush(self) -> None:
        """Read what has arrived now, before something is decided that must not touch it."""
        if not self._reading:
            self._read(list(self._wires), calls=_ALL)

    def catch_up(self) -> None:
        """The same, if the loop was held up and no round has begun since."""
        if self._timer is not None and self._stalled:
            self.flush()

    @property
    def _stalled(self) -> bool:
        return asyncio.get_running_loop().time() - self._due_s > _STALLED_S

    def close(self) -> None:
        """Stop for good.  Wires still here are read no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wires.clear()
        for shift in self._shifts:
            shift.close()

    def _forget(self, number: int) -> None:
        # Also called by wires that outlive the drain.
        if self._wires.pop(number, None) is not None:
            shift = self._shift_of.pop(number)
            self._members[shift] -= 1
            self._shifts[shift].unregister(number)
            self._hurried.pop(number, None)

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        # However long this round took, the next one is not left out.
        next_s = max(loop.time(), self._due_s + self._interval_s / 2)
        self._due_s = round_after(next_s, self._interval_s)
        self._timer = loop.call_at(self._due_s, self._round)

    def _round(self) -> None:
        self._timer = None
        self._round_number += 1
        try:
            if self._stalled:
                self.flush()
            else:
                self._read(self._due())
            self._rounds_ns.append(steady.now_ns())
        finally:
            if self._wires:
                self._schedule()

    def _due(self) -> list[int]:
        """What to read in this round: the sockets of a shift that have something, the hurried."""
        shift = self._round_number % len(self._shifts)
        numbers = []
        if self._members[shift]:
            ready = self._shifts[shift].poll(0, self._members[shift])
            numbers = [number for number, _ in ready]
        for number, until in tuple(self._hurried.items()):
            if until < self._round_number:
                del self._hurried[number]
            elif self._shift_of[number] != shift:
                numbers.append(number)
        return numbers

    def _read(self, numbers: list[int], *, calls: int = FAIR) -> None:
        self._reading = True
        try:
            for at in range(0, len(numbers), _TOGETHER):
                self._sweep(numbers[at : at + _TOGETHER], calls)
        finally:
            self._reading = False

    def _sweep(self, numbers: Iterable[int], calls: int) -> None:
        now = Now(self._rounds_ns[0], steady.now_ns(), steady.ahead_ns())
        # Sockets that fill fast are read in each round, as long as they do.
        for number in sweep(self._wires, numbers, self._here, now, calls=calls):
            if number in self._wires:
                until = self._round_number + 2 * len(self._shifts)
                self._hurried[number] = max(until, self._hurried.get(number, 0))


def recorder_drain() -> Drain:
    """One for a recorder: each socket is read every 100 ms, a fifth of them at a time."""
    return Drain(interval_s=_RECORDER_INTERVAL_S, shifts=_RECORDER_SHIFTS)
