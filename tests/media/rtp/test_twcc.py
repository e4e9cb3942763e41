import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadPacket
from media.rtp import rtcp, twcc

TICK_NS = 250_000


def read(packet: bytes) -> twcc.Feedback:
    (unknown,) = rtcp.parse(packet)
    assert isinstance(unknown, rtcp.Unknown)
    assert (unknown.packet_type, unknown.count) == (205, twcc.FORMAT)
    return twcc.parse(unknown.body)


def tell(first: int, last: int, arrivals: dict[int, int]) -> list[twcc.Feedback]:
    """All feedback that it takes."""
    out: list[twcc.Feedback] = []
    while first <= last:
        before = first
        packet, first = twcc.feedback(1, 2, len(out), first=first, last=last, arrivals=arrivals)
        assert first > before
        assert len(packet) < 1280
        if packet:
            out.append(read(packet))
            assert len(out[-1].arrivals_ns) == first - before
    return out


def test_the_example_of_a_short_run_is_packed_as_the_draft_says() -> None:
    arrivals = {n: 64_000_000 + n * 1_000_000 for n in range(8)}
    packet, after = twcc.feedback(1, 2, 5, first=0, last=7, arrivals=arrivals)
    assert after == 8
    assert packet[:12].hex() == "8fcd00070000000100000002"  # header, sender, media
    assert packet[12:20].hex() == "0000000800000105"  # base, count, 64 ms, number
    assert packet[20:22].hex() == "2008"  # a run of eight that came within 64 ms each
    assert packet[22:30] == bytes([0, 4, 4, 4, 4, 4, 4, 4])
    assert len(packet) % 4 == 0


@given(
    first=st.integers(0, 200_000),
    steps=st.lists(
        st.one_of(st.none(), st.integers(-20_000_000, 300_000_000)), min_size=1, max_size=1300
    ),
    begin_ns=st.integers(10**18, 2 * 10**18),
)
def test_what_is_told_is_what_came(first: int, steps: list[int | None], begin_ns: int) -> None:
    arrivals, now_ns = {}, begin_ns
    for number, step_ns in enumerate(steps, first):
        if step_ns is not None:
            now_ns += step_ns
            arrivals[number] = now_ns
    last = first + len(steps) - 1
    told: dict[int, int] = {}
    for each in tell(first, last, arrivals):
        for n, at_ns in enumerate(each.arrivals_ns):
            if at_ns is not None:
                number = next(k for k in arrivals if k & 0xFFFF == each.base + n & 0xFFFF)
                told[number] = at_ns
    assert told.keys() == arrivals.keys()
    wrap_ns = (1 << 24) * 64_000_000  # of the reference time
    for number, at_ns in told.items():
        assert (arrivals[number] // TICK_NS * TICK_NS - at_ns) % wrap_ns == 0


def test_a_long_silence_takes_another_feedback() -> None:
    told = tell(0, 1, {0: 10**18, 1: 10**18 + 20 * 10**9})
    assert [each.base for each in told] == [0, 1]


@given(st.binary(max_size=200))
def test_nonsense_is_refused(body: bytes) -> None:
    try:
        told = twcc.parse(body)
    except BadPacket:
        return
    assert len(told.arrivals_ns) <= 0xFFFF


def test_a_torn_feedback_is_refused() -> None:
    packet, _ = twcc.feedback(1, 2, 0, first=0, last=9, arrivals={n: n * 10**9 for n in range(10)})
    with pytest.raises(BadPacket):
        twcc.parse(packet[4:26])
