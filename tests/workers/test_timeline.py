from hypothesis import given
from hypothesis import strategies as st

from media.tape.model import NS
from workers.recorder.timeline import Timeline

T0 = 1_700_000_000 * NS
SLICE = 15 * NS


def test_a_busy_channel_is_recorded_from_the_call_on() -> None:
    line = Timeline(T0, 0, NS)
    assert line.begin(T0 + NS // 3)
    assert line.origin_ns == T0
    assert not line.begin(T0 + 2 * NS)


def test_an_empty_channel_is_recorded_from_the_first_packet_on() -> None:
    line = Timeline(T0, 0, NS)
    line.begin(T0 + 60 * NS)
    assert line.origin_ns == T0 + 60 * NS


def test_a_slice_is_ready_when_its_late_packets_had_their_time() -> None:
    line = Timeline(T0, T0, NS)
    line.covered(T0 + SLICE + NS - 1)
    assert list(line.ready()) == []
    line.covered(T0 + SLICE + NS)
    assert list(line.ready()) == [0]
    line.sealed(1)
    assert list(line.ready()) == []


def test_a_recording_without_media_has_no_slices() -> None:
    assert Timeline(T0, 0, NS).close(T0 + 50 * NS, "stopped").units == 0


@given(st.integers(1, 400 * NS))
def test_slices_cover_the_timeline_and_no_more(length_ns: int) -> None:
    closed = Timeline(T0, T0, NS).close(T0 + length_ns, "stopped")
    assert (closed.units - 1) * SLICE < closed.end_ns - T0 <= closed.units * SLICE
    assert abs(closed.end_ns - (T0 + length_ns)) <= NS // 10


def test_slices_that_were_announced_stay() -> None:
    line = Timeline(T0, T0, NS)
    line.sealed(2)  # and an empty one follows, in which what is open is finished
    closed = line.close(T0 + 10 * NS, "idle")
    assert (closed.units, closed.end_ns) == (3, T0 + 2 * SLICE)


@given(st.integers(0, 5), st.integers(1, 100 * NS))
def test_the_last_slice_was_never_announced_before_the_end(units: int, length_ns: int) -> None:
    line = Timeline(T0, T0, NS)
    line.sealed(units)
    closed = line.close(T0 + length_ns, "stopped")
    assert closed.units > units
    assert closed.end_ns >= T0 + units * SLICE


def test_a_slice_whose_announcement_may_have_arrived_is_never_the_last() -> None:
    line = Timeline(T0, T0, NS)
    line.covered(T0 + SLICE + NS)
    assert line.offer() == 1  # and nobody says that it arrived
    closed = line.close(T0 + SLICE, "stopped")
    assert (closed.units, closed.end_ns) == (2, T0 + SLICE)
    assert list(line.ready()) == [0]
