"""Which packets of a track are missing, and when to ask for them again.

Pure: the caller has the clock.
"""

from dataclasses import dataclass

NS = 1_000_000_000
REPEAT_NS = 70_000_000  # a round trip and a bit: asking faster only doubles what comes back
PATIENCE_NS = NS  # after this long a packet is given up; a slice is cut at about that age
LIMIT = 512  # packets of one track asked for at the same time
DROPOUT = 3000  # a step further than this is a new sequence, not a loss (RFC 3550 A.1)
MISORDER = 1000  # likewise backwards


@dataclass(slots=True)
class _Gap:
    since_ns: int
    asked_ns: int


class Gaps:
    """The sequence numbers of one SSRC, extended beyond 16 bits, and the holes among them.

    The caller compares each packet with :attr:`next` itself (the only thing that is done for
    every packet) and calls :meth:`irregular` only when they differ.
    """

    __slots__ = ("_given_up", "_missing", "base", "next")

    def __init__(self, first: int) -> None:
        self.base = first  # so that ``next - base`` packets are expected
        self.next = first  # extended number of the packet that should come now
        self._missing: dict[int, _Gap] = {}
        self._given_up = 0

    @property
    def outstanding(self) -> int:
        """How many packets are waited for."""
        return len(self._missing)

    @property
    def expected(self) -> int:
        """How many packets should have arrived since the sequence began."""
        return self.next - self.base

    def irregular(self, seq: int, now_ns: int, *, excused: bool = False) -> bool:
        """A packet came that may not be ``next``; whether it is the newest now.

        A hole before it is asked for, unless it is excused: packets of a muted track stay with
        the room.
        """
        ahead = (seq - self.next) & 0xFFFF
        if 0x10000 - ahead <= MISORDER:
            self._missing.pop(self.next + ahead - 0x10000, None)
            return False
        if ahead >= DROPOUT or (ahead and excused):
            self._restart(self.next + ahead)
        else:
            self._open(self.next + ahead, now_ns)
        return True

    def due(self, now_ns: int) -> list[int]:
        """What to ask for now, as 16-bit numbers in order; forgets what is past patience."""
        ask: list[int] = []
        for number, gap in list(self._missing.items()):
            if now_ns - gap.since_ns >= PATIENCE_NS:
                del self._missing[number]
                self._given_up += 1
            elif now_ns - gap.asked_ns >= REPEAT_NS:
                gap.asked_ns = now_ns
                ask.append(number & 0xFFFF)
        return ask

    def give_up_all(self) -> None:
        """Nothing more will come."""
        self._given_up += len(self._missing)
        self._missing.clear()

    def take_given_up(self) -> int:
        """How many packets were given up since the last call."""
        lost, self._given_up = self._given_up, 0
        return lost

    def _open(self, number: int, now_ns: int) -> None:
        first = max(self.next, number - LIMIT)
        self._given_up += first - self.next
        for missing in range(first, number):
            self._missing[missing] = _Gap(now_ns, now_ns - REPEAT_NS)
        self.next = number + 1
        while len(self._missing) > LIMIT:
            del self._missing[next(iter(self._missing))]
            self._given_up += 1

    def _restart(self, number: int) -> None:
        self.give_up_all()
        arrived = self.expected + 1  # reports go on counting
        self.next = number + 1
        self.base = self.next - arrived
