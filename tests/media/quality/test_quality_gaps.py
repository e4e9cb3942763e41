"""Stretches without media that are no loss: mute, DTX, still pictures, sources switched off."""

from dataclasses import replace

import pytest

from media.tape.model import EventType, Source, TapeEvent
from tests.media.cut.scene import OPUS, RED, VP8, pictures, tone, track
from tests.media.cut.tapes import on_tape
from tests.media.quality.test_quality_report import at, gaps, measured, present, tracks

MIC = track("1", Source.MICROPHONE, OPUS)
CAM = track("1", Source.CAMERA, VP8)


@pytest.fixture(scope="module")
def voice():
    return tone(MIC, 440, start_ns=at(0), seconds=40)


def screen(number):
    share = track("1", Source.SCREEN, VP8, number)
    return replace(share, connection=f"screen{number}")


@pytest.mark.parametrize("slice_s", [15.0, 4.0, 40.0])
def test_a_mute_over_the_end_of_a_slice_is_a_mute(tmp_path, voice, slice_s):
    kept = {"uid": "1", "source": Source.MICROPHONE}
    events = [
        *present(MIC),
        TapeEvent(EventType.MUTED, at(10), **kept),
        TapeEvent(EventType.UNMUTED, at(20), **kept),
    ]
    sent = [frame for frame in voice if not at(10) <= frame.time_ns < at(20)]
    row = tracks(measured(on_tape(tmp_path, [sent], events), 39.9, slice_s=slice_s))[
        "1", "microphone"
    ]
    assert gaps(row) == [(10.0, pytest.approx(10, abs=0.05), "mute")]
    assert row["expected_s"] == row["received_s"] == pytest.approx(29.9, abs=0.1)
    assert row["concealed_s"] == 0.0


@pytest.mark.parametrize("slice_s", [15.0, 4.0, 40.0])
def test_discontinuous_sound_is_no_loss(tmp_path, voice, slice_s):
    """One packet in 400 ms from second 10 on, and still at the end."""
    sent = [f for n, f in enumerate(voice) if f.time_ns < at(10) or n % 20 == 0]
    tape = on_tape(tmp_path, [sent], present(MIC))
    row = tracks(measured(tape, 39.9, slice_s=slice_s))["1", "microphone"]
    assert gaps(row) == []
    assert row["lost_s"] == row["concealed_s"] == 0.0
    assert row["expected_s"] == row["received_s"] == pytest.approx(39.9, abs=0.05)


@pytest.mark.parametrize("slice_s", [15.0, 40.0])
def test_a_screen_that_stands_still_is_no_loss(tmp_path, slice_s):
    """A picture every 10 s, the last one 8 s before the end."""
    share = screen(1)
    frames = pictures(share, RED, start_ns=at(0), seconds=31, fps=15, gop_s=0.07)
    tape = on_tape(tmp_path, [frames[::150]], present(share))
    row = tracks(measured(tape, 38, slice_s=slice_s))["1", "screen"]
    assert gaps(row) == []
    assert row["expected_s"] == row["received_s"] == pytest.approx(38, abs=0.05)


def test_a_screen_is_expected_while_it_is_shared(tmp_path, voice):
    """Shared from 5 to 10 and from 20 to 25, each time on a connection of its own."""
    one, two = screen(1), screen(2)
    shares = [
        pictures(of, RED, start_ns=at(since), seconds=5) for of, since in ((one, 5), (two, 20))
    ]
    events = [
        *present(MIC),
        TapeEvent(EventType.TRACK_ADDED, at(5), track=one.id),
        TapeEvent(EventType.TRACK_REMOVED, at(10), track=one.id),
        TapeEvent(EventType.TRACK_ADDED, at(20), track=two.id),
        TapeEvent(EventType.TRACK_REMOVED, at(25), track=two.id),
    ]
    row = tracks(measured(on_tape(tmp_path, [voice, *shares], events), 39.9))["1", "screen"]
    assert [reason for _, _, reason in gaps(row)] == ["mute", "mute"]
    assert row["lost_s"] == 0.0
    assert row["expected_s"] == pytest.approx(10, abs=0.15)


def test_a_camera_switched_off_for_good_is_no_loss(tmp_path, voice):
    sight = pictures(CAM, RED, start_ns=at(0), seconds=10)
    events = [*present(MIC, CAM), TapeEvent(EventType.TRACK_REMOVED, at(10), track=CAM.id)]
    row = tracks(measured(on_tape(tmp_path, [voice, sight], events), 39.9))["1", "camera"]
    assert gaps(row) == [(10.0, pytest.approx(29.9, abs=0.1), "mute")]
    assert row["expected_s"] == pytest.approx(10, abs=0.1)


def test_a_connection_that_died_is_a_loss(tmp_path, voice):
    """We heard nothing from 10 to 20, then on another connection; nobody left."""
    again = replace(track("1", Source.MICROPHONE, OPUS, 2), connection="other")
    later = tone(again, 440, start_ns=at(20), seconds=19.9)
    heard = [frame for frame in voice if frame.time_ns < at(10)]
    events = [
        *present(MIC),
        TapeEvent(EventType.TRACK_REMOVED, at(11), track=MIC.id),
        TapeEvent(EventType.TRACK_ADDED, at(20), track=again.id),
    ]
    row = tracks(measured(on_tape(tmp_path, [heard, later], events), 39.9))["1", "microphone"]
    assert gaps(row) == [(10.0, pytest.approx(10, abs=0.1), "loss")]
    assert row["lost_s"] == row["concealed_s"] == pytest.approx(10, abs=0.1)
