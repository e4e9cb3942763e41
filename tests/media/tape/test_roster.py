from taping import NS, T0, adds, rotates, tape, tells, track

from media.tape.model import EventType, Source, TapeEvent
from media.tape.reader import Tape

SEVEN, EIGHT = track("1.1", "7"), track("1.2", "8")
END = T0 + 3600 * NS


def event(type_, second, uid="", **more):
    return tells(TapeEvent(EventType(type_), T0 + second * NS, uid=uid, **more))


def test_the_roster_is_what_stood_at_that_time(tmp_path):
    mute = {"uid": "8", "source": Source.MICROPHONE}
    acts = [
        event("joined", 1, "8"),
        event("joined", 2, "7"),
        adds(EIGHT, T0 + 3 * NS),
        adds(SEVEN, T0 + 4 * NS),
        rotates(T0 + 5 * NS),
        event("muted", 6, **mute),
        rotates(T0 + 7 * NS),
        event("unmuted", 8, **mute),
        event("track_removed", 9, track=EIGHT.id),
        event("left", 9, "8"),
        rotates(T0 + 10 * NS),
        event("joined", 11, "8"),
    ]
    tape(tmp_path, acts, end_ns=T0 + 12 * NS)
    one = Tape(tmp_path)
    rows = {second: one.roster(T0 + second * NS) for second in range(13)}
    assert rows[0].publishers == ()
    assert rows[2].publishers == ("8", "7")
    assert rows[4].tracks == (EIGHT, SEVEN)
    assert rows[5].muted == frozenset()
    assert rows[7].muted == {("8", Source.MICROPHONE)}
    assert rows[8].muted == frozenset()
    assert rows[9].publishers == ("7",)
    assert rows[9].tracks == (SEVEN,)
    assert rows[12].publishers == ("7", "8")
    one.trim(T0 + 9 * NS)
    assert Tape(tmp_path).roster(T0 + 12 * NS) == rows[12]


def take_over(tmp_path, *, old_ends, new_begins):
    """Publishers 8 and 7; 8 leaves while nobody watches, the new recorder finds 7 and 9."""
    old = [
        event("joined", 1, "8"),
        event("joined", 2, "7"),
        adds(EIGHT, T0 + 2 * NS),
        adds(SEVEN, T0 + 2 * NS),
        event("muted", 3, "7", source=Source.MICROPHONE),
        event("muted", 3, "8", source=Source.MICROPHONE),
    ]
    tape(tmp_path, old, end_ns=T0 + old_ends * NS)
    again = track("2.1", "7")
    new = [event("joined", new_begins, "9"), event("joined", new_begins, "7")]
    new += [event("muted", new_begins, "7", source=Source.MICROPHONE)]
    new += [adds(again, T0 + new_begins * NS + NS // 2)]
    tape(tmp_path, new, end_ns=T0 + 60 * NS, fence=2)
    return Tape(tmp_path), again


def test_after_a_take_over_the_join_order_stays_and_the_vanished_go(tmp_path):
    one, again = take_over(tmp_path, old_ends=10, new_begins=14)
    assert one.roster(T0 + 12 * NS).publishers == ("8", "7")
    assert one.roster(T0 + 12 * NS).tracks == (EIGHT, SEVEN)
    after = one.roster(T0 + 20 * NS)
    assert after.publishers == ("7", "9")
    assert after.muted == {("7", Source.MICROPHONE)}
    assert after.tracks == (again,)
    told = [(e.type.value, e.uid or e.track) for e in one.events(T0 + 10 * NS, END)]
    assert told == [
        ("track_removed", "1.2"),
        ("track_removed", "1.1"),
        ("joined", "9"),
        ("track_added", "2.1"),
        ("unmuted", "8"),
        ("left", "8"),
    ]


def test_while_two_recorders_overlap_the_tracks_of_both_are_alive(tmp_path):
    one, again = take_over(tmp_path, old_ends=18, new_begins=14)
    assert one.roster(T0 + 16 * NS).tracks == (EIGHT, SEVEN, again)
    assert one.roster(T0 + 18 * NS).tracks == (again,)
