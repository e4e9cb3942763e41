import random

from hypothesis import given, settings
from hypothesis import strategies as st

from media.capture.nack import (
    FIRST_REPEAT_NS,
    LIMIT,
    LONGEST_NS,
    NS,
    PATIENCE_NS,
    SHORTEST_NS,
    Fate,
    Gaps,
    RoundTrip,
)

MS = 1_000_000


def feed(gaps: Gaps, seq: int, now_ns: int = 0) -> None:
    """What a tap does for each packet."""
    if seq & 0xFFFF == gaps.next & 0xFFFF:
        gaps.next += 1
    else:
        gaps.irregular(seq & 0xFFFF, now_ns)


def gaps_after(*numbers: int, asks: bool = True) -> Gaps:
    gaps = Gaps(numbers[0], RoundTrip(), asks=asks)
    for number in numbers:
        feed(gaps, number)
    return gaps


def test_packets_in_order_ask_for_nothing_even_across_the_wrap() -> None:
    gaps = gaps_after(*range(65_500, 65_700))
    assert gaps.due(0) == []
    assert gaps.expected == 200
    assert not gaps.unasked


def test_a_hole_is_asked_for_at_once_and_then_again_until_patience_ends() -> None:
    gaps = gaps_after(10, 13)
    assert gaps.unasked
    assert gaps.due(0) == [11, 12]
    assert gaps.due(FIRST_REPEAT_NS - 1) == []
    assert gaps.due(FIRST_REPEAT_NS) == [11, 12]
    asked = sum(bool(gaps.due(now)) for now in range(2 * FIRST_REPEAT_NS, 3 * NS, MS))
    assert 5 <= asked <= PATIENCE_NS // FIRST_REPEAT_NS
    assert gaps.take_given_up() == 2
    assert gaps.take_given_up() == 0
    assert gaps.outstanding == 0
    assert (gaps.lost, gaps.asked) == (2, 2 * (asked + 2))


def test_a_packet_that_comes_back_is_not_asked_for_again() -> None:
    gaps = gaps_after(65_534, 2)
    assert gaps.due(0) == [65_535, 0, 1]
    feed(gaps, 0, 5 * MS)
    assert gaps.due(FIRST_REPEAT_NS) == [65_535, 1]
    assert (gaps.recovered, gaps.late) == (1, 0)


def test_a_packet_that_was_only_overtaken_is_late_and_not_recovered() -> None:
    gaps = gaps_after(1, 3, 2)
    assert gaps.due(0) == []
    assert (gaps.recovered, gaps.late, gaps.duplicates) == (0, 1, 0)


def test_a_packet_twice_is_known_and_changes_nothing() -> None:
    gaps = gaps_after(1, 2, 3, 2, 3, 1)
    assert gaps.due(0) == []
    assert gaps.next == 4
    assert gaps.duplicates == 3


def test_a_packet_that_comes_after_it_was_given_up_is_welcome_once() -> None:
    gaps = gaps_after(1, 3)
    gaps.due(0)
    gaps.due(2 * NS)
    assert gaps.lost == 1
    assert gaps.irregular(2, 2 * NS) is Fate.FILLED
    assert gaps.irregular(2, 2 * NS) is Fate.TWICE


def test_a_far_jump_is_a_new_sequence_and_not_a_loss() -> None:
    gaps = gaps_after(100, 101, 40_000, 40_001)
    assert gaps.due(0) == []
    assert gaps.expected == 4
    assert gaps.take_given_up() == 0


def test_no_more_than_the_limit_is_ever_outstanding() -> None:
    gaps = gaps_after(0, 2000, 2001)
    assert gaps.outstanding == LIMIT
    assert gaps.take_given_up() == 1999 - LIMIT
    assert gaps.due(0)[-1] == 1999


def test_a_sender_who_takes_no_requests_is_waited_for_and_not_asked() -> None:
    gaps = gaps_after(1, 3, asks=False)
    assert gaps.due(0) == []
    assert gaps.outstanding == 1
    assert gaps.due(gaps.wake_ns) == []
    assert gaps.lost == 1


def test_what_cannot_come_in_time_any_more_is_not_asked_for() -> None:
    round_trip = RoundTrip()
    round_trip.answered(400 * MS, 1)
    gaps = Gaps(1, round_trip)
    feed(gaps, 1)
    feed(gaps, 3)
    asked = [now for now in range(0, 2 * NS, MS) if gaps.due(now)]
    assert asked[-1] <= PATIENCE_NS - 400 * MS


def test_a_retransmission_fills_a_hole_once() -> None:
    gaps = gaps_after(65_535, 65_536, 65_538)
    gaps.due(0)
    assert gaps.fill(1, 30 * MS)
    assert not gaps.fill(1, 31 * MS)
    assert not gaps.fill(2, 31 * MS)
    assert not gaps.fill(3, 31 * MS)  # nobody misses it yet
    assert (gaps.recovered, gaps.duplicates, gaps.outstanding) == (1, 3, 0)


@given(
    first=st.integers(0, 65_535),
    fates=st.lists(st.sampled_from(["arrives", "lost", "late", "twice"]), max_size=300),
)
def test_exactly_the_missing_packets_are_asked_for(first: int, fates: list[str]) -> None:
    numbers = [first + 1 + i for i in range(len(fates))]
    last = first + len(fates) + 1
    gaps = Gaps(first, RoundTrip())
    feed(gaps, first)
    for number, fate in zip(numbers, fates, strict=True):
        for _ in range({"arrives": 1, "twice": 2}.get(fate, 0)):
            feed(gaps, number)
    feed(gaps, last)
    for number, fate in zip(numbers, fates, strict=True):
        if fate == "late":
            feed(gaps, number)
    lost = [n & 0xFFFF for n, fate in zip(numbers, fates, strict=True) if fate == "lost"]
    assert gaps.due(0) == lost
    assert gaps.expected == len(fates) + 2
    assert (gaps.late, gaps.duplicates) == (fates.count("late"), fates.count("twice"))


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 100 * MS)), max_size=200))
def test_whatever_comes_the_books_are_bounded_and_balance(arrivals: list[tuple[int, int]]) -> None:
    gaps = Gaps(0, RoundTrip())
    now_ns = 0
    for seq, step_ns in arrivals:
        now_ns += step_ns
        feed(gaps, seq, now_ns)
        gaps.due(now_ns)
        assert gaps.outstanding <= LIMIT
    gaps.give_up_all()
    assert gaps.take_given_up() == gaps.lost
    assert min(gaps.lost, gaps.late, gaps.recovered, gaps.duplicates, gaps.expected) >= 0


def test_what_a_room_withholds_from_a_muted_track_is_no_loss() -> None:
    gaps = gaps_after(1, 2)
    gaps.irregular(900, 0, excused=True)
    assert gaps.due(0) == []
    assert gaps.expected == 3
    assert gaps.next == 901


@given(st.lists(st.integers(0, 5 * NS), min_size=1, max_size=50))
def test_requests_are_repeated_within_bounds_whatever_the_round_trip(took: list[int]) -> None:
    round_trip = RoundTrip()
    assert round_trip.repeat_ns == FIRST_REPEAT_NS
    for took_ns in took:
        round_trip.answered(took_ns, 1)
        assert SHORTEST_NS <= round_trip.repeat_ns <= LONGEST_NS
    for _ in range(100):
        round_trip.answered(40 * MS, 1)
    assert 40 * MS <= round_trip.repeat_ns <= 61 * MS


class Network:
    """A sender that answers requests over a network that loses on both ways."""

    def __init__(self, seed: int, loss: float, one_way_ns: int) -> None:
        self.random = random.Random(seed)
        self.loss, self.one_way_ns = loss, one_way_ns
        self.round_trip = RoundTrip()
        self.gaps = Gaps(0, self.round_trip)
        self.flying: list[tuple[int, int]] = []  # (arrival, number)
        self.resent = 0

    def lost(self) -> bool:
        return self.random.random() < self.loss

    def run(self, packets: int, *, step_ns: int = 4 * MS, burst: range = range(0)) -> None:
        for number in range(packets):
            now_ns = number * step_ns
            lost = number in burst or (number > 0 and self.lost())
            if not lost or number == packets - 1:
                self.flying.append((now_ns + self.one_way_ns, number))
            self._pass(now_ns)
        for now_ns in range(packets * step_ns, packets * step_ns + 2 * NS, step_ns):
            self._pass(now_ns)

    def _pass(self, now_ns: int) -> None:
        arrived = [number for at_ns, number in self.flying if at_ns <= now_ns]
        self.flying = [row for row in self.flying if row[0] > now_ns]
        for number in arrived:
            feed(self.gaps, number, now_ns)
        asked = self.gaps.due(now_ns)
        if asked and not self.lost():
            self.resent += len(asked)
            back_ns = now_ns + 2 * self.one_way_ns
            self.flying += [(back_ns, number) for number in asked if not self.lost()]


def test_at_a_fifth_lost_both_ways_nearly_everything_comes_back() -> None:
    network = Network(1, 0.2, 20 * MS)
    network.run(20_000)
    missing = 20_000 - network.gaps.expected + network.gaps.lost
    assert missing <= 2
    assert network.gaps.recovered > 3500
    assert 40 * MS <= network.round_trip.smoothed_ns <= 60 * MS
    # 4000 lost; each request and each answer is lost again with a fifth: 1.25 answers are due.
    assert network.resent <= 1.5 * 4000


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.05]), st.sampled_from([2, 20, 75, 150]))
def test_a_burst_of_three_hundred_comes_back(seed: int, loss: float, one_way_ms: int) -> None:
    network = Network(seed, loss, one_way_ms * MS)
    network.run(2000, burst=range(700, 1000))
    assert network.gaps.lost <= 2
    assert network.gaps.recovered >= 298


def test_a_round_trip_that_grows_is_noticed_in_spite_of_repetitions() -> None:
    network = Network(3, 0.05, 10 * MS)
    network.run(3000)
    assert network.round_trip.smoothed_ns < 40 * MS
    network.one_way_ns = 100 * MS
    network.gaps = Gaps(0, network.round_trip)
    network.run(6000)
    assert 190 * MS < network.round_trip.smoothed_ns < 230 * MS
    assert network.gaps.lost <= 1
    assert network.gaps.asked <= 2 * network.gaps.recovered


def test_a_round_trip_is_not_mistaken_for_longer_by_answers_to_repetitions() -> None:
    network = Network(4, 0.4, 5 * MS)
    network.run(5000)
    assert network.round_trip.smoothed_ns < 100 * MS
    assert network.gaps.lost <= 5


def test_requests_that_nobody_ever_answers_are_not_repeated() -> None:
    gaps = Gaps(0, RoundTrip())
    for number in range(0, 1000, 2):
        now_ns = number * 10 * MS
        feed(gaps, number, now_ns)
        gaps.due(now_ns)
    before, lost = gaps.asked, gaps.lost
    for number in range(1000, 2000, 2):
        now_ns = number * 10 * MS
        feed(gaps, number, now_ns)
        gaps.due(now_ns)
    assert gaps.asked - before <= gaps.lost - lost + 60


def test_what_is_due_soon_is_asked_for_together_with_what_is_due() -> None:
    gaps = gaps_after(1, 3)
    gaps.due(0)
    gaps.irregular(5, 10 * MS)
    assert gaps.due(10 * MS) == [4]
    assert gaps.due(FIRST_REPEAT_NS) == [2, 4]
