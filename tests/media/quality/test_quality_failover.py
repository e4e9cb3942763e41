"""Recorders that took over from each other: who was away, and when nobody taped."""

import pytest

from media.quality.measure import measure
from media.quality.report import report
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.reader import Tape
from tests.media.quality.test_quality_report import tracks
from tests.media.tape.taping import (
    MS,
    T0,
    VP8,
    adds,
    clock,
    gives,
    opus,
    tape,
    tells,
    track,
    vp8,
)

END_S, OLD_S, NEW_S = 75, 10, 55
STEP = 20 * MS


def at(seconds):
    return T0 + int(seconds * NS)


def voice(of, since, until):
    """The acts of a microphone, with a part every 5 s."""
    count = int((until - since) * 50)
    sent = [gives(of, opus(n), at(since) + n * STEP + 5 * MS) for n in range(count)]
    return [adds(of, at(since)), tells(clock(of, 0, at(since), at(since))), *sent]


def event(type_, seconds, **more):
    return tells(TapeEvent(type_, at(seconds), **more))


def taken_over(directory):
    """7 and 8 talk, 7 shares a screen; after the outage there is 7 alone."""
    seven, eight = track("1.1", "7"), track("1.2", "8")
    screen = track("1.3", "7", VP8, source=Source.SCREEN, connection="screen")
    joined = [event(EventType.JOINED, 0, uid=uid) for uid in "78"]
    shared = [gives(screen, vp8(n, n * 6000, key=n == 0), at(n / 15)) for n in range(150)]
    shared = [adds(screen, at(0)), tells(clock(screen, 0, at(0), at(0))), *shared]
    old = [*joined, *voice(seven, 0, OLD_S), *voice(eight, 0, OLD_S), *shared]
    tape(directory, old, end_ns=at(OLD_S))
    again = track("2.1", "7", connection="c2")
    new = [event(EventType.JOINED, NEW_S, uid="7"), *voice(again, NEW_S + 0.4, END_S)]
    tape(directory, new, end_ns=at(END_S), fence=2)


@pytest.mark.parametrize("trimmed", [False, True])
def test_an_outage_longer_than_a_slice_is_no_loss(tmp_path, trimmed):
    taken_over(tmp_path)
    slices = []
    for begin in range(0, END_S, 15):
        slices.append(measure(Tape(tmp_path), at(begin), at(begin + 15)))
        if trimmed:
            Tape(tmp_path).trim(at(begin + 14))
    document = report(slices)
    rows = tracks(document)
    assert [(r["from_ms"], r["until_ms"]) for r in document["failovers"]] == [
        (at(OLD_S) // 1_000_000, at(NEW_S) // 1_000_000)
    ]
    why = {key: [gap["reason"] for gap in row["gaps"]] for key, row in rows.items()}
    assert why == {
        ("7", "microphone"): ["failover"],
        ("8", "microphone"): ["failover", "leave"],
        ("7", "screen"): ["failover", "mute"],
    }
    for row in rows.values():
        assert row["lost_s"] == 0.0
        failover = sum(gap["seconds"] for gap in row["gaps"] if gap["reason"] == "failover")
        assert row["expected_s"] == pytest.approx(row["received_s"] + failover, abs=0.002)
    assert rows["7", "microphone"]["received_s"] == pytest.approx(29.6, abs=0.1)
