"""Which packets of a track are missing, and when to ask for them again.

Pure: the caller has the clock.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

NS = 1_000_000_000
PATIENCE_NS = NS  # after this long a packet is given up; a slice is cut at about that age
LIMIT = 1024  # packets of one track waited for at the same time
PER_S = 2 * LIMIT  # found missing of one track and waited for; more is no network's doing
DROPOUT = 3000  # a step further than this is a new sequence, not a loss (RFC 3550 A.1)
MISORDER = 1024  # likewise backwards: what is older than this SRTP refuses anyway
FIRST_REPEAT_NS = 70_000_000  # as long as no round trip was measured
SHORTEST_NS, LONGEST_NS = 30_000_000, 250_000_000  # between two requests for one packet
FUTILE = 100  # packets given up, and not one came back: requests are not repeated
DOUBTFUL = 16  # answers in a row; by loss alone this does not happen
GRANULARITY_NS = 20_000_000  # sockets are read so often while an answer is awaited


class Fate(Enum):
    """What a packet out of sequence is."""

    NEWEST = auto()
    FILLED = auto()  # it was missing
    TWICE = auto()  # it was here before


class RoundTrip:
    """From a request to the packet, for all tracks of a connection (smoothed as in RFC 6298)."""

    __slots__ = ("_deviation_ns", "_doubtful", "smoothed_ns")

    def __init__(self) -> None:
        self.smoothed_ns = 0  # 0: unknown
        self._deviation_ns = 0
        self._doubtful = 0  # answers in a row

    @property
    def repeat_ns(self) -> int:
        """How long after a request to repeat it."""
        if not self.smoothed_ns:
            return FIRST_REPEAT_NS
        wait_ns = self.smoothed_ns + max(GRANULARITY_NS, 4 * self._deviation_ns)
        return max(SHORTEST_NS, min(wait_ns, LONGEST_NS))

    def answered(self, took_ns: int, times: int) -> None:
        """A packet came, so long after the first of so many requests for it.

        Which of several requests it answers cannot be told (Karn's algorithm).  When that is so
        again and again, requests are repeated before their answers can be here.
        """
        self._doubtful = 0 if times == 1 else self._doubtful + 1
        if times == 1 or not self.smoothed_ns or self._doubtful >= DOUBTFUL:
            self._doubtful = 0
            self._sample(took_ns)

    def _sample(self, took_ns: int) -> None:
        if not self.smoothed_ns:
            self.smoothed_ns, self._deviation_ns = max(1, took_ns), took_ns // 2
            return
        self._deviation_ns += (abs(took_ns - self.smoothed_ns) - self._deviation_ns) // 4
        self.smoothed_ns = max(1, self.smoothed_ns + (took_ns - self.smoothed_ns) // 8)


@dataclass(slots=True)
class _Gap:
    since_ns: int
    first_ns: int = 0  # when it was asked for first
    asked_ns: int = 0  # and last
    times: int = 0


class Gaps:
    """The sequence numbers of one SSRC, extended beyond 16 bits, and the holes among them.

    The caller compares each packet with :attr:`next` itself (the only thing that is done for
    every packet) and calls :meth:`irregular` only when they differ.
    """

    __slots__ = (
        "_asks",
        "_first",
        "_gone",
        "_left",
        "_left_ns",
        "_missing",
        "_round_trip",
        "_told",
        "asked",
        "base",
        "duplicates",
        "late",
        "lost",
        "next",
        "recovered",
        "unasked",
        "wake_ns",
    )

    def __init__(self, first: int, round_trip: RoundTrip, *, asks: bool = True) -> None:
        """``asks``: the sender takes requests; if not, packets are waited for all the same."""
        self.base = first  # so that ``next - base`` packets are expected
        self.next = first  # extended number of the packet that should come now
        self.wake_ns = 0  # when something is due again
        self.unasked = False  # whether there is a hole that was not looked at yet
        self.lost = self.recovered = self.late = self.duplicates = self.asked = 0  # packets
        self._first = first  # of the present sequence
        self._asks = asks
        self._round_trip = round_trip
        # Ordered ones, because a plain dictionary takes its first item off ever more slowly.
        self._missing: OrderedDict[int, _Gap] = OrderedDict()
        self._gone: OrderedDict[int, None] = OrderedDict()  # given up lately
        self._left, self._left_ns = PER_S, 0  # of what may be waited for, and when
        self._told = 0  # of those lost

    @property
    def outstanding(self) -> int:
        """How many packets are waited for."""
        return len(self._missing)

    @property
    def expected(self) -> int:
        """How many packets should have arrived since the sequence began."""
        return self.next - self.base

    def is_behind(self, seq: int) -> bool:
        """Whether a packet is older than the newest one."""
        return 0 < self.next - seq & 0xFFFF <= MISORDER

    def irregular(self, seq: int, now_ns: int, *, excused: bool = False) -> Fate:
        """A packet came that may not be ``next``.

        A hole before it is asked for, unless it is excused: packets of a muted track stay with
        the room.
        """
        ahead = (seq - self.next) & 0xFFFF
        if self.is_behind(seq):
            return self._behind(self.next + ahead - 0x10000, now_ns)
        if ahead >= DROPOUT or (ahead and excused):
            self._restart(self.next + ahead)
        else:
            self._open(self.next + ahead, now_ns)
        return Fate.NEWEST

    def waits_for(self, seq: int) -> bool:
        """Whether a packet is missing, or was given up a moment ago."""
        number = self.next - (self.next - seq & 0xFFFF)
        return number in self._missing or number in self._gone

    def fill(self, seq: int, now_ns: int) -> bool:
        """A packet came by another way than its own stream; False if it is of no use."""
        if not self.waits_for(seq):
            self.duplicates += 1
            return False
        return self._behind(self.next - (self.next - seq & 0xFFFF), now_ns) is Fate.FILLED

    def due(self, now_ns: int) -> list[int]:
        """What to ask for now, as 16-bit numbers in order; forgets what is past patience.

        What could not come in time any more is not asked for.  Sets :attr:`wake_ns`.
        """
        self._forget(now_ns)
        ask = self._to_ask(now_ns) if self._asks else []
        for number in ask:
            gap = self._missing[number]
            gap.asked_ns, gap.first_ns, gap.times = now_ns, gap.first_ns or now_ns, gap.times + 1
        self.asked += len(ask)
        repeat_ns = self._round_trip.repeat_ns
        self.wake_ns, self.unasked = now_ns + PATIENCE_NS, False
        for gap in self._missing.values():
            self.wake_ns = min(self.wake_ns, gap.since_ns + PATIENCE_NS)
            if gap.times and not self._futile:
                self.wake_ns = min(self.wake_ns, max(gap.asked_ns + repeat_ns, now_ns + 1))
        return [number & 0xFFFF for number in ask]

    def give_up_all(self) -> None:
        """Nothing more will come."""
        for number in list(self._missing):
            self._give_up(number)

    def take_given_up(self) -> int:
        """How many packets were given up since the last call."""
        lost, self._told = self.lost - self._told, self.lost
        return lost

    @property
    def _futile(self) -> bool:
        """Whether nothing ever came back: some take requests and do nothing."""
        return not self.recovered and self.lost >= FUTILE

    def _forget(self, now_ns: int) -> None:
        # The oldest come first.
        while self._missing:
            number, gap = next(iter(self._missing.items()))
            if now_ns - gap.since_ns < PATIENCE_NS:
                return
            self._give_up(number)

    def _to_ask(self, now_ns: int) -> list[int]:
        """What is overdue, together with what will be soon: one request for all."""
        repeat_ns = self._round_trip.repeat_ns
        latest_ns = now_ns - PATIENCE_NS + self._round_trip.smoothed_ns
        due, urgent = [], False
        for number, gap in self._missing.items():
            age_ns = now_ns - gap.asked_ns
            if gap.since_ns < latest_ns or (gap.times and self._futile):
                continue
            if not gap.times or age_ns >= repeat_ns * 3 // 4:
                due.append(number)
                urgent = urgent or not gap.times or age_ns >= repeat_ns
        return due if urgent else []

    def _behind(self, number: int, now_ns: int) -> Fate:
        gap = self._missing.pop(number, None)
        if gap is not None and gap.times:
            self.recovered += 1
            self._round_trip.answered(now_ns - gap.first_ns, gap.times)
        elif gap is not None or number < self._first:
            self.late += 1
        elif number in self._gone:
            del self._gone[number]
            self.recovered += self._asks
            self.late += not self._asks
        else:
            self.duplicates += 1
            return Fate.TWICE
        return Fate.FILLED

    def _open(self, number: int, now_ns: int) -> None:
        first = number - self._affordable(min(number - self.next, LIMIT), now_ns)
        self.lost += first - self.next
        for missing in range(first, number):
            self._missing[missing] = _Gap(now_ns)
        self.unasked = self.unasked or first < number
        self.next = number + 1
        while len(self._missing) > LIMIT:
            self._give_up(next(iter(self._missing)))

    def _affordable(self, packets: int, now_ns: int) -> int:
        """How many of so many missing packets are waited for."""
        regained = max(0, now_ns - self._left_ns) * PER_S // NS
        if regained:
            self._left, self._left_ns = min(PER_S, self._left + regained), now_ns
        packets = min(packets, self._left)
        self._left -= packets
        return packets

    def _give_up(self, number: int) -> None:
        del self._missing[number]
        self.lost += 1
        self._gone[number] = None
        if len(self._gone) > LIMIT:
            self._gone.popitem(last=False)

    def _restart(self, number: int) -> None:
        self.give_up_all()
        self._gone.clear()
        arrived = self.expected + 1  # reports go on counting
        self._first = number
        self.next = number + 1
        self.base = self.next - arrived
