from hypothesis import given
from hypothesis import strategies as st

from media.capture.nack import LIMIT, NS, PATIENCE_NS, REPEAT_NS, Gaps

MS = 1_000_000


def feed(gaps: Gaps, seq: int, now_ns: int = 0) -> None:
    """What a tap does for each packet."""
    if seq & 0xFFFF == gaps.next & 0xFFFF:
        gaps.next += 1
    else:
        gaps.irregular(seq & 0xFFFF, now_ns)


def gaps_after(*numbers: int) -> Gaps:
    gaps = Gaps(numbers[0])
    for number in numbers:
        feed(gaps, number)
    return gaps


def test_packets_in_order_ask_for_nothing_even_across_the_wrap() -> None:
    gaps = gaps_after(*range(65_500, 65_700))
    assert gaps.due(0) == []
    assert gaps.expected == 200


def test_a_hole_is_asked_for_at_once_and_then_again_until_patience_ends() -> None:
    gaps = gaps_after(10, 13)
    assert gaps.due(0) == [11, 12]
    assert gaps.due(REPEAT_NS - 1) == []
    assert gaps.due(REPEAT_NS) == [11, 12]
    asked = sum(bool(gaps.due(now)) for now in range(2 * REPEAT_NS, 3 * NS, MS))
    assert 5 <= asked <= PATIENCE_NS // REPEAT_NS
    assert gaps.take_given_up() == 2
    assert gaps.take_given_up() == 0
    assert gaps.outstanding == 0


def test_a_packet_that_comes_back_is_not_asked_for_again() -> None:
    gaps = gaps_after(65_534, 2)
    assert gaps.due(0) == [65_535, 0, 1]
    feed(gaps, 0, 5 * MS)
    assert gaps.due(REPEAT_NS) == [65_535, 1]


def test_a_packet_twice_changes_nothing() -> None:
    gaps = gaps_after(1, 2, 3, 2, 3, 1)
    assert gaps.due(0) == []
    assert gaps.next == 4


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


@given(
    first=st.integers(0, 65_535),
    fates=st.lists(st.sampled_from(["arrives", "lost", "late", "twice"]), max_size=300),
)
def test_exactly_the_missing_packets_are_asked_for(first: int, fates: list[str]) -> None:
    numbers = [first + 1 + i for i in range(len(fates))]
    last = first + len(fates) + 1
    gaps = Gaps(first)
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


def test_what_a_room_withholds_from_a_muted_track_is_no_loss() -> None:
    gaps = gaps_after(1, 2)
    assert gaps.irregular(900, 0, excused=True)
    assert gaps.due(0) == []
    assert gaps.expected == 3
    assert gaps.next == 901
