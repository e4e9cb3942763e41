"""The quality report of tapes of which everything is known."""

import json
from dataclasses import replace

import pytest

from media.cut.composite import cut_composite
from media.cut.individual import cut_individual
from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.quality.measure import measure
from media.quality.model import SliceQuality
from media.quality.report import report
from media.tape.model import NS, EventType, Source, TapeEvent
from media.tape.reader import Tape
from media.tape.wanted import Wanted
from tests.media.cut.scene import OPUS, ORIGIN_NS, RED, VP8, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape

CAM = track("1", Source.CAMERA, VP8)
MIC = track("1", Source.MICROPHONE, OPUS)


def at(seconds):
    return ORIGIN_NS + int(seconds * NS)


def measured(tape, end_s, *, slice_s=15.0):
    """The report, every slice measured apart and kept as JSON in between."""
    slices, begin = [], 0.0
    while begin < end_s:
        end = min(begin + slice_s, end_s)
        text = measure(tape, at(begin), at(end)).model_dump_json()
        slices.append(SliceQuality.model_validate(json.loads(text)))
        begin = end
    return report(slices)


def present(*them, since=0.0):
    return [event for one in them for event in presence(one, at(since))]


def tally(of, seconds, **counts):
    return TapeEvent(
        EventType.TALLY, at(seconds), track=of.id, counts=tuple(sorted(counts.items()))
    )


def tracks(document):
    return {
        (publisher["uid"], row["source"]): row
        for publisher in document["publishers"]
        for row in publisher["tracks"]
    }


def gaps(row):
    return [
        (round((gap["from_ms"] * 1e6 - ORIGIN_NS) / NS, 1), gap["seconds"], gap["reason"])
        for gap in row["gaps"]
    ]


@pytest.fixture(scope="module")
def camera():
    return pictures(CAM, RED, start_ns=at(0), seconds=40, size=(160, 120), gop_s=2)


@pytest.fixture(scope="module")
def voice():
    return tone(MIC, 440, start_ns=at(0), seconds=40)


@pytest.mark.parametrize("slice_s", [15.0, 7.0, 40.0])
def test_a_whole_recording_misses_nothing_however_it_was_sliced(tmp_path, camera, voice, slice_s):
    tape = on_tape(tmp_path, [camera, voice], present(CAM, MIC))
    rows = tracks(measured(tape, 39.9, slice_s=slice_s))
    for key, frames in (("camera", 599), ("microphone", 1995)):
        row = rows["1", key]
        assert row["expected_s"] == row["received_s"] == pytest.approx(39.9, abs=0.08)
        assert row["lost_s"] == 0.0
        assert row["gaps"] == []
        assert row["frames"] == pytest.approx(frames, abs=1)
    assert rows["1", "camera"]["freezes"] == {"count": 0, "seconds": 0.0}
    assert rows["1", "camera"]["keyframe_waits"] == {"count": 0, "seconds": 0.0}
    assert rows["1", "camera"]["sizes"] == ["160x120"]
    assert rows["1", "camera"]["codecs"] == ["vp8"]


@pytest.mark.parametrize("slice_s", [15.0, 4.0])
def test_lost_packets_are_lost_seconds(tmp_path, camera, voice, slice_s):
    lost = frozenset({(MIC.id, n) for n in range(500, 525)} | {(CAM.id, 301), (MIC.id, 1200)})
    tape = on_tape(tmp_path, [camera, voice], present(CAM, MIC), lost=lost)
    document = measured(tape, 39.9, slice_s=slice_s)
    rows = tracks(document)
    sound, sight = rows["1", "microphone"], rows["1", "camera"]
    assert gaps(sound) == [(10.0, pytest.approx(0.5, abs=0.02), "loss")]
    assert sound["lost_s"] == sound["concealed_s"] == pytest.approx(0.52, abs=0.02)
    assert sound["received_s"] == pytest.approx(39.9 - 0.52, abs=0.08)
    # One picture is missing; those after it show nothing until the key frame of second 22.
    assert sight["keyframe_waits"]["count"] == 1
    assert sight["keyframe_waits"]["seconds"] == pytest.approx(2.0, abs=0.15)
    assert sight["freezes"]["count"] == 1
    assert sight["lost_s"] == pytest.approx(1 / 15, abs=0.02)
    totals = document["totals"]
    for name in ("freezes", "keyframe_waits"):
        assert totals[name] == sight[name]
    assert totals["missing_s"]["loss"] == pytest.approx(sound["lost_s"] + sight["lost_s"])


def individual(tape, part, directory):
    return cut_individual(
        tape,
        IndividualSpec("original"),
        origin_ns=at(0),
        slice=part,
        cursor={},
        final=False,
        out_dir=directory,
    )


def mix(tape, part, directory):
    return cut_composite(
        tape, CompositeSpec(160, 120), origin_ns=at(0), slice=part, out_dir=directory
    )


@pytest.mark.parametrize("cut", [individual, mix])
def test_what_a_cut_has_read_need_not_be_read_again(tmp_path, camera, voice, cut):
    lost = frozenset({(MIC.id, 760), (CAM.id, 226), (CAM.id, 301)})
    events = [*present(CAM, MIC), tally(MIC, 16, lost=1)]
    on_tape(tmp_path, [camera, voice], events, lost=lost)
    alone = measure(Tape(tmp_path), at(15), at(30))
    tape = Tape(tmp_path)
    read = cut(tape, Slice(1, at(15), at(30)), tmp_path).frames
    tape.frames = None
    assert measure(tape, at(15), at(30), frames=read) == alone


def test_gaps_say_why(tmp_path):
    """Muted from 5 to 9, away from 14 to 18, nothing arrives from 22 to 24."""
    heard = [(0, 5), (9, 14), (18, 22), (24, 30)]
    second = track("1", Source.MICROPHONE, OPUS, 2)
    sound = tone(MIC, 440, start_ns=at(0), seconds=14)
    sound2 = tone(second, 440, start_ns=at(18), seconds=12)
    lost = frozenset(
        (frame.track.id, n)
        for frames in (sound, sound2)
        for n, frame in enumerate(frames)
        if not any(at(a) <= frame.time_ns < at(b) for a, b in heard)
    )
    kept = {"uid": "1", "source": Source.MICROPHONE}
    events = [
        *present(MIC),
        TapeEvent(EventType.MUTED, at(5), **kept),
        TapeEvent(EventType.UNMUTED, at(9), **kept),
        TapeEvent(EventType.TRACK_REMOVED, at(14.05), track=MIC.id),
        TapeEvent(EventType.LEFT, at(14), uid="1"),
        *present(second, since=18),
    ]
    tape = on_tape(tmp_path, [sound, sound2], events, lost=lost)
    row = tracks(measured(tape, 30))["1", "microphone"]
    assert gaps(row) == [
        (5.0, pytest.approx(4, abs=0.05), "mute"),
        (14.0, pytest.approx(4, abs=0.05), "leave"),
        (22.0, pytest.approx(2, abs=0.05), "loss"),
    ]
    assert row["missing_s"] == {
        "mute": pytest.approx(4, abs=0.05),
        "leave": pytest.approx(4, abs=0.05),
        "loss": pytest.approx(2, abs=0.05),
        "failover": 0.0,
    }
    assert row["expected_s"] == pytest.approx(22, abs=0.1)
    assert row["received_s"] == pytest.approx(20, abs=0.1)


def test_counts_of_all_tracks_of_a_line_are_summed(tmp_path, camera, voice):
    events = [
        *present(CAM, MIC),
        tally(MIC, 5, received=250, lost=0, skew_us=-1000),
        tally(CAM, 5, received=300, lost=1, plis=2, skew_us=2000),
        tally(MIC, 20, received=1000, lost=3, recovered=9, drift_ppb=40_000, skew_us=0),
        tally(CAM, 20, received=1200, lost=1, plis=4, skew_us=-1500),
    ]
    document = measured(on_tape(tmp_path, [camera, voice], events), 39)
    rows = tracks(document)
    assert rows["1", "microphone"]["packets"]["received"] == 1000
    assert rows["1", "microphone"]["packets"]["recovered"] == 9
    assert rows["1", "microphone"]["drift_ppm"] == 40.0
    assert rows["1", "camera"]["packets"]["plis"] == 4
    assert document["totals"]["packets"]["lost"] == 4
    skew = document["publishers"][0]["av_skew_ms"]
    assert skew == {"samples": 2, "p50": 3.0, "p95": 3.0, "max": 3.0}
    assert document["totals"]["av_skew_ms"] == skew
    assert document["totals"]["drift_ppm"] == 40.0


def test_a_recording_of_nothing_has_a_report():
    assert report([])["publishers"] == []


@pytest.mark.parametrize("slice_s", [15.0, 4.0, 40.0])
@pytest.mark.parametrize("told", [True, False])
def test_nobody_misses_who_was_not_to_be_recorded(tmp_path, voice, slice_s, told):
    """Without the tape's word about it that would be twenty seconds lost."""
    again = replace(track("1", Source.MICROPHONE, OPUS, 2), connection="another")
    before = voice[: 10 * 50]
    after = tone(again, 440, start_ns=at(30), seconds=10)
    events = [
        *present(MIC),
        TapeEvent(EventType.TRACK_REMOVED, at(10), track=MIC.id),
        TapeEvent(EventType.TRACK_ADDED, at(30), track=again.id),
    ]
    if told:
        events.append(Wanted(not_audio_uids=frozenset({"1"})).event(at(10)))
        events.append(Wanted().event(at(30)))
    row = tracks(measured(on_tape(tmp_path, [before, after], events), 39.9, slice_s=slice_s))[
        "1", "microphone"
    ]
    assert gaps(row) == [(10.0, pytest.approx(20, abs=0.05), "mute" if told else "loss")]
    assert row["lost_s"] == pytest.approx(0 if told else 20, abs=0.05)
    assert row["received_s"] == pytest.approx(19.9, abs=0.1)
