"""Searches for key frames: what was searched in vain is remembered, and changes no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from taping import MS, T0, VP8, adds, clock, gives, recorded, rotates, tells, track, vp8

from media.tape import reader
from media.tape.keyless import _MOST, Keyless
from media.tape.model import NS
from media.tape.reader import Tape

VIDEO = track("1.2", codec=VP8)
SECONDS = 90

times = st.integers(0, 60)


@given(keys=st.sets(times, max_size=5), searches=st.lists(st.tuples(times, times), max_size=20))
def test_nothing_is_passed_over(keys, searches):
    memory = Keyless()
    for from_, length in searches:
        until = from_ + length
        since = memory.since_ns("track", from_)
        assert since >= from_
        assert not any(from_ <= key < since for key in keys)
        if not any(since <= key < until for key in keys):
            memory.note("track", since, until)


def test_what_follows_what_was_searched_is_all_that_is_searched():
    memory = Keyless()
    memory.note("one", 0, 300)
    memory.note("one", 305, 315)  # a short search in between forgets nothing
    assert memory.since_ns("one", 15) == 300
    memory.note("one", 300, 315)
    assert memory.since_ns("one", 30) == 315
    assert memory.since_ns("other", 30) == 30


def test_it_is_bounded():
    memory = Keyless()
    for number in range(_MOST + 10):
        memory.note(number, 0, 300)
    assert len(memory._ranges) == _MOST
    assert memory.since_ns(9, 10) == 10
    assert memory.since_ns(10, 10) == 300


def filmed(keys, late_ns=0):
    """A picture a second; which of them are key frames, and how late those arrive."""
    sent = [
        (T0 + n * NS + late_ns * (n in keys), vp8(n, n * 90_000, key=n in keys))
        for n in range(SECONDS)
    ]
    acts = [adds(VIDEO), tells(clock(VIDEO, 0, T0))]
    for n, (at_ns, packet) in enumerate(sorted(sent)):
        if n % 5 == 4:
            acts.append(rotates(at_ns - 100 * MS))
        acts.append(gives(VIDEO, packet, at_ns))
    return recorded(acts, end_ns=T0 + SECONDS * NS)


def test_answers_are_the_same_whatever_was_asked_before():
    """Of a tape that was searched before, of one that was not, and of ranges of it."""
    keys = (0, 41, 70)
    tape = filmed(keys)
    for at in [40, 39, 69, 60, 69, 40, 80, 10, 69, 41]:
        for reach in (5, 20, 35, 50):
            since_ns, at_ns = T0 + (at - reach) * NS, T0 + at * NS + NS // 2
            found = [key for key in keys if at - reach <= key <= at]
            wanted = T0 + max(found) * NS if found else None
            for one in (tape, tape.around(since_ns, at_ns), Tape(tape.directory)):
                assert one.keyframe_before(VIDEO.id, at_ns, since_ns=since_ns) == wanted


def test_a_key_frame_that_comes_late_is_found(monkeypatch):
    """The end of what is sealed is not settled: it is searched again when the tape has grown."""
    monkeypatch.setattr(reader, "_keyless", Keyless())
    tape = filmed(())
    assert tape.keyframe_before(VIDEO.id, T0 + 1000 * NS, since_ns=T0) is None
    assert reader._keyless.since_ns((tape.directory, VIDEO.id), T0) <= T0 + (SECONDS - 10) * NS


@pytest.mark.parametrize("late_s", [1.3, 1.6, 2, 3])
def test_a_key_frame_that_was_late_is_found_whatever_was_asked_before(monkeypatch, late_s):
    """However the steps of two searches lie to it, long and short ones."""
    directory = filmed((41,), round(late_s * NS)).directory

    def asked(at_s):
        since_ns, at_ns = T0, T0 + round(at_s * NS)
        return Tape(directory).around(since_ns, at_ns).keyframe_before(VIDEO.id, at_ns)

    for first_s in np.arange(44, 72, 0.7):
        for later_s in (first_s + 3, first_s + 7.5, first_s + 15):
            monkeypatch.setattr(reader, "_keyless", Keyless())
            alone = asked(later_s)
            monkeypatch.setattr(reader, "_keyless", Keyless())
            asked(first_s)
            assert asked(later_s) == alone == T0 + 41 * NS
