"""Whom a cut takes of those who were recorded."""

from media.cut.lines import Line
from media.cut.wishes import ALWAYS, Wishes
from media.tape.model import Source
from media.tape.wanted import Wanted

ONLY = Wanted(audio_uids=frozenset({"1"}), video_uids=frozenset({"1", "2"}))
ALL_THE_TIME = ((-ALWAYS, ALWAYS),)
LATER = 5_000_000_000


def test_who_is_not_taken_is_unwanted_all_the_time() -> None:
    wishes = Wishes(Wanted(), [Wanted().event(LATER)], ONLY)
    assert wishes.unwanted(Line("1", Source.MICROPHONE)) == ()
    assert wishes.unwanted(Line("2", Source.CAMERA)) == ()
    assert wishes.unwanted(Line("2", Source.MICROPHONE)) == ALL_THE_TIME
    assert wishes.unwanted(Line("3", Source.CAMERA)) == ALL_THE_TIME


def test_who_was_not_recorded_cannot_be_taken() -> None:
    not_one = Wanted(not_video_uids=frozenset({"1"}))
    wishes = Wishes(Wanted(), [not_one.event(LATER)], ONLY)
    assert wishes.unwanted(Line("1", Source.CAMERA)) == ((LATER, ALWAYS),)
    assert wishes.unwanted(Line("2", Source.CAMERA)) == ()
