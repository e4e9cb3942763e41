"""What was asked for while recording stands on the tape, in every part of it."""

import pytest
from taping import FAR, NS, T0, adds, recorded, rotates, tape, tells, track

from media.errors import TapeDamaged
from media.tape import show
from media.tape.checks import check_event
from media.tape.format import (
    PartHead,
    PartReader,
    event_block,
    events_interface_block,
    section_block,
)
from media.tape.info import inspect_tape
from media.tape.model import EventType, TapeEvent
from media.tape.reader import Tape

ONE = track()


def look(at_s, detail):
    return TapeEvent(EventType.LOOK, T0 + at_s * NS, detail=detail)


def wanted(at_s, detail):
    return TapeEvent(EventType.WANTED, T0 + at_s * NS, detail=detail)


def test_the_latest_of_each_is_said_again_in_every_part(tmp_path):
    acts = [adds(ONE), tells(look(1, "a")), tells(wanted(2, "w")), tells(look(3, "b"))]
    acts += [rotates(T0 + 5 * NS), rotates(T0 + 10 * NS)]
    *_, last = tape(tmp_path, acts, end_ns=T0 + 15 * NS)
    assert [event for event in last.events if event.detail] == [look(3, "b"), wanted(2, "w")]


def test_the_roster_knows_what_holds_also_on_a_trimmed_tape():
    acts = [adds(ONE), tells(look(1, "a")), tells(wanted(2, "w")), tells(look(3, "b"))]
    acts += [rotates(T0 + 5 * NS), tells(look(7, "c")), rotates(T0 + 10 * NS)]
    kept = recorded(acts, end_ns=T0 + 15 * NS)
    assert [kept.roster(T0 + s * NS).look for s in (0, 1, 3, 8)] == ["", "a", "b", "c"]
    assert kept.roster(T0 + 8 * NS).wanted == "w"
    kept.trim(T0 + 6 * NS)
    assert [kept.roster(T0 + s * NS).look for s in (6, 8)] == ["b", "c"]
    assert kept.roster(T0 + 6 * NS).wanted == "w"


def test_each_is_told_once_though_parts_and_recorders_repeat_it(tmp_path):
    acts = [adds(ONE), tells(look(1, "a")), rotates(T0 + 5 * NS), tells(look(6, "b"))]
    tape(tmp_path, acts, end_ns=T0 + 10 * NS)
    # The next recorder says what it was told holds, and when that was asked for.
    tape(tmp_path, [tells(look(6, "b")), tells(look(12, "c"))], end_ns=T0 + 20 * NS, fence=2)
    told = [event for event in Tape(tmp_path).events(0, FAR) if event.type is EventType.LOOK]
    assert told == [look(1, "a"), look(6, "b"), look(12, "c")]


def test_an_event_is_the_same_after_json():
    event = look(1, '{"layout":1}')
    assert TapeEvent.from_json(event.to_json()) == event


def test_a_detail_that_is_no_text_is_damage():
    with pytest.raises(ValueError, match="other types"):
        check_event(TapeEvent.from_json({"type": "look", "at_ns": 1, "detail": {"layout": 1}}))
    block = event_block(TapeEvent(EventType.LOOK, T0, detail="x")).replace(b'"x"', b"[1]")
    data = section_block(PartHead(1, 1, T0)) + events_interface_block() + block
    with pytest.raises(TapeDamaged):
        PartReader(data).read()


def test_info_tells_when_but_not_what(tmp_path, capsys):
    tape(tmp_path, [adds(ONE), tells(look(1, "secret"))], end_ns=T0 + 2 * NS)
    assert inspect_tape(tmp_path).orders == (look(1, "secret"),)
    show.info([tmp_path])
    show.info([tmp_path], as_json=True)
    printed = capsys.readouterr().out
    assert "look asked for at 2023-11-14T22:13:21" in printed
    assert "secret" not in printed
