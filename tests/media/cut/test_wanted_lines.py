"""Individual lines that begin and end because update said so."""

import pytest

from media.cut.lines import Line
from media.cut.model import IndividualSpec
from media.cut.wishes import Wishes
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.wanted import Wanted
from tests.media.cut.look import packets, shots, sound
from tests.media.cut.scene import (
    H264,
    OPUS,
    ORIGIN_NS,
    RED,
    VP8,
    pictures,
    presence,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart, since_s

MIC = track("1", Source.MICROPHONE, OPUS)
ORIGINAL, DEFAULT = IndividualSpec("original"), IndividualSpec()
NOBODY = Wanted(frozenset(), frozenset())


def wants(*changes):
    """(seconds, lists) as the tape has them."""
    return [wanted.event(ORIGIN_NS + round(at_s * NS)) for at_s, wanted in changes]


@pytest.mark.parametrize("units", [15.0, 4.0])
@pytest.mark.parametrize("codec", [VP8, H264])
def test_video_ends_when_it_is_no_longer_wanted_and_comes_back_at_a_key_frame(
    tmp_path, codec, units
):
    camera = track("1", Source.CAMERA, codec)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=24, size=(160, 120), gop_s=2)
    events = [*presence(camera, ORIGIN_NS), *wants((5, NOBODY), (9, Wanted()))]
    tape = on_tape(tmp_path / "t", [frames], events)
    segments = cut_apart(tape, tmp_path / "o", 24, DEFAULT, units=units, trim=True)
    assert [(since_s(s), s.discontinuity, s.resumed) for s in segments] == [
        (0, True, True),
        (10, True, True),
    ]
    assert segments[0].duration_s == pytest.approx(5, abs=0.01)
    seen = [shot.number(0, 0, 160, 120, (160, 120)) for s in segments for shot in shots(s.path)]
    assert seen == [*range(75), *range(150, 360)]


def test_untouched_sound_ends_to_the_packet(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=12)
    events = [*presence(MIC, ORIGIN_NS), *wants((4, NOBODY), (4.5, Wanted(None, frozenset())))]
    tape = on_tape(tmp_path / "t", [frames], events)
    segments = cut_apart(tape, tmp_path / "o", 12, ORIGINAL)
    assert [(since_s(s), round(s.duration_s, 2), s.resumed) for s in segments] == [
        (0, 4, True),
        (4.5, 7.5, True),
    ]
    assert [len(packets(s.path)) for s in segments] == [200, 375]


@pytest.mark.parametrize("units", [15.0, 4.0])
def test_transcoded_sound_ends_too_and_is_not_filled_with_silence(tmp_path, units):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=40)
    events = [*presence(MIC, ORIGIN_NS), *wants((4, NOBODY), (20, Wanted()))]
    tape = on_tape(tmp_path / "t", [frames], events)
    segments = cut_apart(tape, tmp_path / "o", 40, DEFAULT, units=units, trim=True)
    assert [since_s(s) for s in segments] == pytest.approx([0, 20, 35], abs=0.1)
    assert [s.resumed for s in segments] == [True, True, False]
    assert segments[0].duration_s == pytest.approx(4, abs=0.03)
    assert sound(segments[0].path).level(500, 1, 3.9) > 0.15
    assert sound(segments[1].path).level(500, 20.1, 21) > 0.15


@pytest.mark.parametrize("late_s", [0.002, 0.007, 0.013, 0.019, 0.025])
def test_sound_ends_wherever_its_last_packet_lies_on_the_grid_of_frames(tmp_path, late_s):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=24)
    events = [*presence(MIC, ORIGIN_NS), *wants((4 + late_s, NOBODY), (10, Wanted()))]
    tape = on_tape(tmp_path / "t", [frames], events)
    segments = cut_apart(tape, tmp_path / "o", 24, DEFAULT, trim=True)
    assert [since_s(s) for s in segments] == pytest.approx([0, 10], abs=0.03)
    assert [s.resumed for s in segments] == [True, True]


def test_one_medium_of_one_publisher_may_go(tmp_path):
    camera = track("1", Source.CAMERA, VP8)
    other = track("2", Source.MICROPHONE, OPUS)
    tracks = [
        pictures(camera, RED, start_ns=ORIGIN_NS, seconds=10, size=(160, 120)),
        tone(MIC, 500, start_ns=ORIGIN_NS, seconds=10),
        tone(other, 700, start_ns=ORIGIN_NS, seconds=10),
    ]
    events = [*presence(camera, ORIGIN_NS), *presence(other, ORIGIN_NS)]
    events.append(TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS, track=MIC.id))
    events += wants((6, Wanted(not_audio_uids=frozenset({"1"}))))
    tape = on_tape(tmp_path / "t", tracks, events)
    spec = IndividualSpec(wanted=Wanted(frozenset({"1"}), frozenset({"1"})))
    segments = cut_apart(tape, tmp_path / "o", 10, spec)
    assert [(s.uid, s.kind, round(since_s(s)), round(s.duration_s)) for s in segments] == [
        ("1", "video", 0, 10),
        ("1", "audio", 0, 6),
        ("2", "audio", 6, 4),
    ]


def test_ranges_of_one_wish_do_not_fall_apart():
    lists = [NOBODY, Wanted(frozenset({"2"})), NOBODY, Wanted()]
    events = [wanted.event(10 * n) for n, wanted in enumerate(lists, 1)]
    nonsense = TapeEvent(EventType.WANTED, 15, detail="[")
    wishes = Wishes(Wanted(), [events[0], nonsense, *events[1:]])
    assert wishes.unwanted(_line("1")) == ((10, 40),)
    assert wishes.unwanted(_line("2")) == ((10, 20), (30, 40))
    assert wishes.ever(MIC)
    assert not Wishes(NOBODY, ()).ever(MIC)


def _line(uid):
    return Line(uid, Source.MICROPHONE)
