"""What stands on a tape as JSON: read back as it was, and refused when it cannot be."""

import json

import pytest
from taping import T0, track

from media.tape.checks import check_event, check_track
from media.tape.model import EventType, TapeEvent, Track
from media.tape.roster import roster, story
from media.tape.standing import Standing

COUNTS = (("lost", 3), ("received", 1 << 40), ("skew_us", -120))
ORIENTATION = "urn:3gpp:video-orientation"


def test_a_tally_is_read_back_as_it_was() -> None:
    tally = TapeEvent(EventType.TALLY, T0, track="1.1", counts=COUNTS)
    row = json.loads(json.dumps(tally.to_json()))
    assert row["counts"] == dict(COUNTS)
    assert TapeEvent.from_json(row) == tally
    check_event(tally)


def test_a_track_knows_its_header_extensions_and_one_of_an_old_tape_has_none() -> None:
    made = track(extensions=((4, "urn:ietf:params:rtp-hdrext:sdes:mid"), (13, ORIENTATION)))
    row = json.loads(json.dumps(made.to_json()))
    assert Track.from_json(row) == made
    check_track(made)
    del row["extensions"]
    assert Track.from_json(row).extensions == ()


@pytest.mark.parametrize("counts", [{"lost": "3"}, {"lost": 1 << 64}, {"lost": None}])
def test_counts_that_cannot_be_are_refused(counts) -> None:
    row = {"type": "tally", "at_ns": T0, "track": "1.1", "counts": counts}
    with pytest.raises(ValueError, match="other types"):
        check_event(TapeEvent.from_json(row))


@pytest.mark.parametrize("extensions", [[[4, 5]], [["4", "urn:x"]]])
def test_header_extensions_that_cannot_be_are_refused(extensions) -> None:
    row = {**track().to_json(), "extensions": extensions}
    with pytest.raises(ValueError, match="other types"):
        check_track(Track.from_json(row))


def test_who_stopped_sending_and_is_still_there_is_not_forgotten() -> None:
    standing = Standing()
    joined = TapeEvent(EventType.JOINED, T0, uid="7")
    standing.apply(joined)
    added, removed = [], []
    for n, id_ in enumerate(("1.1", "1.2")):
        added.append(TapeEvent(EventType.TRACK_ADDED, T0 + 2 * n, track=id_))
        removed.append(TapeEvent(EventType.TRACK_REMOVED, T0 + 2 * n + 1, track=id_))
        standing.add_track(track(id_), added[-1])
        standing.apply(removed[-1])
    assert list(standing.events()) == [joined, added[1], removed[1]]
    assert [each.id for each in standing.tracks()] == ["1.2"]
    standing.apply(TapeEvent(EventType.LEFT, T0 + 9, uid="7"))
    assert not [*standing.events(), *standing.tracks()]


def test_a_tally_is_no_state_of_the_channel() -> None:
    standing = Standing()
    added = TapeEvent(EventType.TRACK_ADDED, T0, track="1.1")
    standing.add_track(track(), added)
    tallies = [TapeEvent(EventType.TALLY, T0 + n, track="1.1", counts=COUNTS) for n in range(2)]
    for tally in tallies:
        standing.apply(tally)
    assert list(standing.events()) == [added]
    there = roster([added, *tallies], {"1.1": track()}, T0 + 5)
    assert [each.id for each in there.tracks] == ["1.1"]
    assert story([]) == []
