"""What fuzzing found, each as small as it gets."""

from media.capture.allowance import MOST, REGAIN_NS, Allowance
from media.capture.clock import NS, Arrival, SenderClock, TrackClock
from media.capture.nack import LIMIT, PER_S, Gaps, RoundTrip

T0 = 1_800_000_000 * NS


def test_a_loop_that_stalls_at_a_tracks_beginning_is_no_fault() -> None:
    """A silence before the first tick, of which it turns out that the network was jammed."""
    first, late = Arrival(0, T0), Arrival(48_000, T0 + 3 * NS)
    clock = TrackClock(48_000, SenderClock(), first)
    clock.resumed(first, late)
    points = []
    for n in range(40):
        at_ns = late.at_ns + n * NS // 4
        points += clock.tick(Arrival(48_000 + (at_ns - T0 - NS) * 48_000 // NS, at_ns), at_ns)
    assert points


def test_a_connection_begins_only_so_many_tracks() -> None:
    allowance = Allowance()
    assert sum(allowance.take(T0) for _ in range(10 * MOST)) == MOST
    assert not allowance.take(T0 + REGAIN_NS - 1)
    assert allowance.take(T0 + REGAIN_NS)
    assert not allowance.take(T0 + REGAIN_NS)
    assert sum(allowance.take(T0 + 10**6 * NS) for _ in range(10 * MOST)) == MOST


def test_holes_without_end_are_waited_for_within_limits() -> None:
    """A sender that only jumps ahead makes us ask for no more than one can send in a second."""
    gaps, asked = Gaps(0, RoundTrip()), 0
    gaps.next, number = 1, 0
    for n in range(100):
        number += 2900
        gaps.irregular(number & 0xFFFF, T0 + n * NS // 1000)
        asked += len(gaps.due(T0 + n * NS // 1000))
        assert gaps.outstanding <= LIMIT
    assert asked <= PER_S * 1.2
    gaps.give_up_all()
    assert gaps.take_given_up() == 100 * 2899
