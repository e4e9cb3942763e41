from hypothesis import given
from hypothesis import strategies as st
from taping import MS, NS, T0, VP8, clock, track

from media.tape.clockmap import ANCHOR_NS, ClockMap

ONE = track("1.1", "7", VP8)
RATE = 90_000


def clock_map(*points):
    return ClockMap(RATE, [clock(ONE, *point) for point in points], T0)


@given(
    jitters=st.lists(st.integers(-1500, 1500), min_size=1, max_size=12),
    base=st.integers(0, 2**32 - 1),
    stamps=st.lists(st.integers(0, 15 * RATE), min_size=2, max_size=20),
)
def test_time_never_runs_backwards_however_bad_the_points_are(jitters, base, stamps):
    points = [
        (base + i * RATE, T0 + i * NS + jitter * MS, T0 + i * NS)
        for i, jitter in enumerate(jitters)
    ]
    one = clock_map(*points)
    rows = []
    for stamp in sorted(stamps):
        found = one.locate((base + stamp) & 0xFFFFFFFF, T0 + stamp * NS // RATE)
        if found is not None:
            rows.append(found)
    assert rows == sorted(rows)


def test_a_point_found_later_about_an_earlier_time_counts():
    """The recorder learns of a pause only a while after it."""
    one = clock_map(
        (0, T0),
        (2 * RATE, T0 + 2 * NS),  # a report on the old line
        (1 * RATE, T0 + 1 * NS, T0 + 5 * NS),
        (1 * RATE + 1, T0 + 4 * NS, T0 + 5 * NS),
    )
    assert one.locate(RATE, T0 + NS)[0] == T0 + NS
    assert one.locate(2 * RATE + 1, T0 + 5 * NS)[0] == T0 + 5 * NS


def test_rtp_time_does_not_depend_on_how_much_of_the_tape_is_left():
    hours = [(i * RATE * 3600, T0 + i * 3600 * NS) for i in range(60)]
    whole, trimmed = clock_map(*hours), clock_map(*hours[40:])
    for at in (45, 59, 70):
        arrival_ns = T0 + at * 3600 * NS
        found = whole.locate(at * RATE * 3600 & 0xFFFFFFFF, arrival_ns)
        assert found == (arrival_ns, at * RATE * 3600)
        assert trimmed.locate(at * RATE * 3600 & 0xFFFFFFFF, arrival_ns) == found


def test_nothing_is_explained_without_points():
    one = clock_map()
    assert one.locate(5, T0) is None
    one.learn([(T0, 1, 5), (T0 + 30 * MS, 2, 5 + RATE // 50)], T0 + NS)
    assert one.locate(5, T0) == (T0, 5)


def test_a_line_is_not_begun_by_a_straggler_nor_behind_the_horizon():
    one = clock_map((0, T0))
    late = 30 * NS
    packets = [(T0, 7, 0), (T0 + late, 6, RATE // 100), (T0 + late + MS, 8, 30 * RATE)]
    one.learn(packets, T0 + late + ANCHOR_NS)
    assert one.locate(RATE // 100, T0 + late) is None
    one.learn([(T0 + late, 9, 1 << 31)], T0 + late)
    assert one.locate(1 << 31, T0 + late) is None
    one.learn([(T0 + late, 9, 1 << 31)], T0 + late + 1)
    assert one.locate(1 << 31, T0 + late)[0] == T0 + late


def test_a_jam_on_the_network_moves_nothing():
    one = clock_map((0, T0))
    assert one.locate(RATE, T0 + 9 * NS) == (T0 + NS, RATE)


@given(
    bend=st.integers(-5_000_000, 5_000_000),
    cut=st.integers(1, 4 * RATE - 1),
    stamps=st.lists(st.integers(0, 4 * RATE), min_size=1, max_size=20),
)
def test_a_line_that_ends_early_is_the_same_up_to_there(bend, cut, stamps):
    """The recorder writes ahead; when the line goes elsewhere, what lies before stays."""
    points = [(0, T0), (4 * RATE, T0 + 4 * NS + bend, T0)]
    before = clock_map(*points)
    end_ns = before.locate(cut, T0 + cut * NS // RATE)[0]
    after = clock_map(*points, (cut, end_ns, T0 + NS), (cut + 1, end_ns + 3 * NS, T0 + NS))
    for stamp in stamps:
        if stamp <= cut:
            arrival_ns = T0 + stamp * NS // RATE
            assert after.locate(stamp, arrival_ns) == before.locate(stamp, arrival_ns)
