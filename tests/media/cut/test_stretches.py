"""One WebM per continuous stretch, made of the pieces of slices, decoded and looked at."""

import itertools
import json

import av
import numpy as np
import pytest

from media.cut.continuity import Continuity, LineState, dump, load
from media.cut.lines import Line
from media.cut.model import IndividualSpec, Slice
from media.cut.pauses import Pauses
from media.cut.stretches import cut_stretches
from media.judge.decode import luma
from media.mux import matroska
from media.mux.clusters import ClusterIndex
from media.publish.read_pattern import read_frame_number
from media.tape.model import NS, EventType, Frame, Kind, Source, TapeEvent
from media.tape.wanted import Wanted
from tests.media.cut.look import assert_plays, like, shots
from tests.media.cut.patterns import pattern, turning
from tests.media.cut.scene import (
    AV1,
    GREEN,
    H264,
    OPUS,
    ORIGIN_NS,
    PCMU,
    RED,
    VP8,
    VP9,
    moved,
    pictures,
    presence,
    telephone_tone,
    tone,
    track,
)
from tests.media.cut.tapes import on_tape

SIZE = (320, 180)
DELIMITER = b"\x12\x00"  # of AV1: bare streams have it, tapes and files do not
CAM, MIC = track("1", Source.CAMERA, VP8), track("1", Source.MICROPHONE, OPUS)


def _cut(tape, out, *, seconds, slice_s=4.0, spec=None):
    """All slices, one after the other; each through JSON, as the farm does."""
    cursor, results = {}, []
    count = -int(-seconds // slice_s)
    for k in range(count):
        begin = ORIGIN_NS + int(k * slice_s * NS)
        end = ORIGIN_NS + int(min((k + 1) * slice_s, seconds) * NS)
        results.append(
            cut_stretches(
                tape,
                spec or IndividualSpec(),
                origin_ns=ORIGIN_NS,
                slice=Slice(k, begin, end),
                cursor=cursor,
                final=k == count - 1,
                out_dir=out,
            )
        )
        cursor = json.loads(json.dumps(results[-1].cursor))
    return results


def _films(results, out):
    """The finished file of each stretch, in order of their beginning."""
    stretches = {}
    for piece in (piece for result in results for piece in result.pieces):
        stretches.setdefault(piece.stretch, []).append(piece)
    films = []
    for name, pieces in stretches.items():
        assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        payloads = [piece.payload.read_bytes() for piece in pieces]
        assert [len(payload) for payload in payloads] == [piece.bytes for piece in pieces]
        head = matroska.head([ClusterIndex.read(piece.index) for piece in pieces])
        path = out / f"{name}.webm"
        path.write_bytes(head + b"".join(payloads))
        assert_plays(path)
        films.append((pieces, path))
    return sorted(films, key=lambda film: film[0][0].start_ns)


def _duration(path):
    with av.open(str(path)) as file:
        return file.duration / av.time_base


def _times(path):
    with av.open(str(path)) as file:
        return [float(packet.pts * packet.time_base) for packet in file.demux() if packet.size]


def _payloads(path):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux() if packet.size]


def _numbers(path, size=SIZE):
    return [shot.number(0, 0, *size, size) for shot in shots(path)]


@pytest.mark.parametrize("codec", [VP8, VP9, AV1])
def test_pictures_of_many_slices_are_one_film(tmp_path, codec):
    camera = track("1", Source.CAMERA, codec)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS + NS // 2, seconds=11, gop_s=3)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    results = _cut(tape, tmp_path, seconds=12)
    ((pieces, film),) = _films(results, tmp_path)
    assert len(pieces) == 3
    assert {(piece.uid, piece.source, piece.codec) for piece in pieces} == {
        ("1", Source.CAMERA, codec.key)
    }
    assert _numbers(film) == list(range(165))
    assert _times(film) == pytest.approx([n / 15 for n in range(165)], abs=0.0011)
    assert _duration(film) == pytest.approx(11, abs=0.01)
    sent = [frame.data.removeprefix(DELIMITER) for frame in frames]
    assert _payloads(film) == sent
    assert pieces[0].start_ns == pytest.approx(ORIGIN_NS + NS // 2, abs=2_000_000)
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(11, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_of_many_slices_is_one_film_packet_by_packet(tmp_path, channels):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=11, channels=channels)
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS + 1, track=MIC.id)
    joined = TapeEvent(EventType.JOINED, ORIGIN_NS, uid="1")
    tape = on_tape(tmp_path / "t", [frames], [joined, added])
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=12), tmp_path)
    assert _payloads(film) == [frame.data for frame in frames]
    assert _times(film) == pytest.approx([n * 0.02 for n in range(550)], abs=0.0011)
    assert _duration(film) == pytest.approx(11, abs=0.001)
    with av.open(str(film)) as file:
        assert file.streams[0].codec_context.channels == channels
        decoded = list(file.decode(audio=0))
    assert decoded[0].time == 0
    heard = np.concatenate([frame.to_ndarray() for frame in decoded], axis=1)[0]
    assert len(heard) == 11 * 48_000
    wave = heard * np.exp(-2j * np.pi * 500 * np.arange(len(heard)) / 48_000)
    levels = 2 * np.abs(wave.reshape(-1, 4800).mean(axis=1))
    assert levels[1:] == pytest.approx(0.25, abs=0.02)


def test_a_mute_ends_a_stretch_and_the_next_begins_with_a_key_picture(tmp_path):
    begin = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=5, gop_s=2)
    # Inter pictures come first after the mute; nobody can decode them.
    after = pictures(CAM, GREEN, start_ns=ORIGIN_NS + 7 * NS, seconds=5, gop_s=2)
    after = [moved([f], rtp_time=f.rtp_time + 7 * 90_000)[0] for f in after]
    events = [*presence(CAM, ORIGIN_NS)]
    events += [
        TapeEvent(EventType.MUTED, ORIGIN_NS + 5 * NS, uid="1", source=Source.CAMERA),
        TapeEvent(EventType.UNMUTED, ORIGIN_NS + 7 * NS - 1, uid="1", source=Source.CAMERA),
    ]
    tape = on_tape(tmp_path / "t", [[*begin, *after[10:]]], events)
    (_, one), (pieces, other) = _films(_cut(tape, tmp_path, seconds=12), tmp_path)
    assert _numbers(one) == list(range(75))
    assert _numbers(other) == list(range(30, 75))
    assert all(like(shot.colour(0.2, 0.2), GREEN) for shot in shots(other))
    assert pieces[0].start_ns == pytest.approx(ORIGIN_NS + 9 * NS, abs=5_000_000)
    assert _times(other)[0] == 0


def test_who_rejoins_begins_a_new_stretch(tmp_path):
    again = track("1", Source.CAMERA, VP8, number=2)
    tracks = [
        pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=3),
        pictures(again, GREEN, start_ns=ORIGIN_NS + 5 * NS, seconds=3),
    ]
    events = [*presence(CAM, ORIGIN_NS), TapeEvent(EventType.LEFT, ORIGIN_NS + 3 * NS, uid="1")]
    events += [TapeEvent(EventType.TRACK_REMOVED, ORIGIN_NS + 3 * NS, track=CAM.id)]
    events += [*presence(again, ORIGIN_NS + 5 * NS - 1)]
    tape = on_tape(tmp_path / "t", tracks, events)
    films = _films(_cut(tape, tmp_path, seconds=8), tmp_path)
    assert [_numbers(film) for _, film in films] == [list(range(45))] * 2


def test_an_end_that_shows_only_later_is_told_by_an_empty_piece(tmp_path):
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=4)
    events = [TapeEvent(EventType.JOINED, ORIGIN_NS, uid="1")]
    events += [TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS + 1, track=MIC.id)]
    tape = on_tape(tmp_path / "t", [frames], events)
    results = _cut(tape, tmp_path, seconds=12)
    ((pieces, film),) = _films(results, tmp_path)
    assert [len(result.pieces) for result in results] == [1, 1, 0]
    assert (pieces[1].bytes, pieces[1].last, pieces[1].duration_s) == (0, True, 0)
    assert _duration(film) == pytest.approx(4, abs=0.001)


def test_another_resolution_goes_on_in_the_same_film(tmp_path):
    wide = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=4)
    tall = pictures(CAM, GREEN, start_ns=ORIGIN_NS + 4 * NS, seconds=4, size=(240, 320))
    tall = [moved([f], rtp_time=f.rtp_time + 4 * 90_000)[0] for f in tall]
    tape = on_tape(tmp_path / "t", [[*wide, *tall]], presence(CAM, ORIGIN_NS))
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=8, slice_s=3), tmp_path)
    seen = shots(film)
    assert [shot.y.shape for shot in seen] == [(180, 320)] * 60 + [(320, 240)] * 60


def _upright(path):
    """The number in each picture, turned as players turn it; -1 where it lies on its side."""
    found = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            # The display matrix turns counter-clockwise, and so does NumPy.
            picture = np.rot90(luma(frame), frame.rotation // 90)
            read = read_frame_number(picture) if picture.shape == SIZE[::-1] else None
            found.append(read[1] if read else -1)
    return found


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("codec", [VP8, VP9])
def test_a_film_is_upright_however_the_camera_is_held(tmp_path, codec, rotation):
    camera = turning(track("1", Source.CAMERA, codec))
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=6, rotations={0: rotation})
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=6), tmp_path)
    assert _upright(film) == list(range(90))


def test_a_camera_that_is_turned_begins_another_film_at_the_next_key_picture(tmp_path):
    camera = turning(CAM)
    # Key pictures come every 2 s, and when the size changes: of 30, 60, ..., 135, 140, 170.
    turns = {45: 180, 130: 0, 135: 90, 140: 0, 145: 180}
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=12, rotations=turns)
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    films = _films(_cut(tape, tmp_path, seconds=12), tmp_path)
    told = [_upright(film) for _, film in films]
    starts = [0, *itertools.accumulate(map(len, told))]
    assert starts == [0, 60, 135, 140, 170, 180]  # nothing is left out
    for start, numbers in zip(starts, told, strict=False):
        for n, number in enumerate(numbers, start):
            assert (number == n) is (frames[n].rotation == frames[start].rotation)
    for (before, _), (after, _) in itertools.pairwise(films):
        end_ns = before[-1].start_ns + round(before[-1].duration_s * NS)
        assert after[0].start_ns == pytest.approx(end_ns, abs=NS // 100)


@pytest.mark.parametrize("units_s", [4, 15, 120])
def test_a_camera_that_is_turned_all_the_time_leaves_few_films(units_s):
    """Twice a second for a minute and a half; then it is held upright, and filmed so."""
    camera, flips = turning(CAM), 180
    frames = [
        Frame(
            camera,
            VP8,
            ORIGIN_NS + n * NS // 2,
            n * 45_000,
            b"picture",
            True,
            True,
            *SIZE,
            rotation=180 if n < flips and n % 2 else 0,
            tells_rotation=True,
        )
        for n in range(240)
    ]
    cursor, begun, last = {}, [], None
    for until_s in range(units_s, 121, units_s):
        line = Line("1", Source.CAMERA)
        until_ns = ORIGIN_NS + until_s * NS
        one = Continuity(load(cursor).get(line, LineState()), Pauses(()))
        one.feed([f for f in frames if until_ns - units_s * NS <= f.time_ns < until_ns])
        after = one.finish(Kind.VIDEO, until_ns, final=False)
        cursor = json.loads(json.dumps(dump({line: after})))
        begun += [stretch.start_ns for stretch in one.touched if stretch.fresh]
        last = one.touched[-1]
    starts = [(at_ns - ORIGIN_NS) / NS for at_ns in begun]
    assert starts[:6] == [0, 0.5, 1, 1.5, 2, 2.5]  # as somebody tries how it looks best
    for from_s in range(90):
        assert len([at for at in starts if from_s < at <= from_s + 20]) <= 7
    assert len(starts) <= 6 + 10
    assert last.rotation == 0
    assert starts[-1] <= 100.5


def test_who_tells_only_when_turning_stays_in_one_film(tmp_path):
    """Key pictures that say nothing say no other rotation."""
    camera = turning(CAM)
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=8, rotations={0: 90})
    frames = [frame._replace(tells_rotation=i == 0) for i, frame in enumerate(frames)]
    tape = on_tape(tmp_path / "t", [frames], presence(camera, ORIGIN_NS))
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=8), tmp_path)
    assert _upright(film) == list(range(120))


def test_another_codec_begins_another_film(tmp_path):
    camera = track("1", Source.CAMERA, VP8)
    both = track("1", Source.CAMERA, VP8)
    object.__setattr__(both, "codecs", (VP8, VP9))
    first = moved(pictures(camera, RED, start_ns=ORIGIN_NS, seconds=3), track=both)
    other = pictures(track("1", Source.CAMERA, VP9), GREEN, start_ns=ORIGIN_NS, seconds=3)
    other = [
        moved([f], track=both, time_ns=f.time_ns + 3 * NS, rtp_time=f.rtp_time + 3 * 90_000)[0]
        for f in other
    ]
    tape = on_tape(tmp_path / "t", [[*first, *other]], presence(both, ORIGIN_NS))
    films = _films(_cut(tape, tmp_path, seconds=6), tmp_path)
    assert [pieces[0].codec for pieces, _ in films] == ["vp8", "vp9"]
    assert [_numbers(film) for _, film in films] == [list(range(45))] * 2


def test_after_a_lost_picture_the_film_goes_on_at_the_next_key_picture(tmp_path):
    # Lost before the end of one slice, found in the next.
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=8, gop_s=3)
    tape = on_tape(
        tmp_path / "t", [frames], presence(CAM, ORIGIN_NS), lost=frozenset({(CAM.id, 50)})
    )
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=8), tmp_path)
    assert _numbers(film) == [*range(50), *range(90, 120)]
    assert _times(film)[50] == pytest.approx(6, abs=0.002)


def test_a_sender_who_pauses_is_silent_for_as_long(tmp_path):
    # 1.5 s over the seam of two slices; players know no holes in sound.
    frames = tone(MIC, 500, start_ns=ORIGIN_NS, seconds=6)
    sent = [frame for i, frame in enumerate(frames) if not 150 <= i < 225]
    events = [TapeEvent(EventType.JOINED, ORIGIN_NS, uid="1")]
    events += [TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS + 1, track=MIC.id)]
    tape = on_tape(tmp_path / "t", [sent], events)
    ((_, film),) = _films(_cut(tape, tmp_path, seconds=6), tmp_path)
    assert _times(film) == pytest.approx([n * 0.02 for n in range(300)], abs=0.0021)
    with av.open(str(film)) as file:
        heard = np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], axis=1)[0]
    assert len(heard) == 6 * 48_000
    level = np.sqrt((heard.reshape(-1, 4800) ** 2).mean(axis=1))
    assert level[:30] == pytest.approx(0.18, abs=0.03)
    assert level[33:44].max() < 0.02
    assert level[46:] == pytest.approx(0.18, abs=0.03)


def test_what_webm_does_not_know_leaves_nothing(tmp_path):
    camera, phone = track("1", Source.CAMERA, H264), track("2", Source.MICROPHONE, PCMU)
    tracks = [
        pictures(camera, RED, start_ns=ORIGIN_NS, seconds=3),
        telephone_tone(phone, 500, start_ns=ORIGIN_NS, seconds=3),
    ]
    events = [*presence(camera, ORIGIN_NS), *presence(phone, ORIGIN_NS + 1)]
    tape = on_tape(tmp_path / "t", tracks, events)
    assert [result.pieces for result in _cut(tape, tmp_path, seconds=4)] == [()]


def test_what_is_not_wanted_is_left_out(tmp_path):
    tracks = [
        pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=8, gop_s=1),
        tone(MIC, 500, start_ns=ORIGIN_NS, seconds=8),
    ]
    events = [*presence(CAM, ORIGIN_NS)]
    events += [TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS + 1, track=MIC.id)]
    events += [Wanted(video_uids=frozenset()).event(ORIGIN_NS + 2 * NS)]
    events += [Wanted().event(ORIGIN_NS + 5 * NS)]
    tape = on_tape(tmp_path / "t", tracks, events)
    spec = IndividualSpec(wanted=Wanted(audio_uids=frozenset()))
    films = _films(_cut(tape, tmp_path, seconds=8, spec=spec), tmp_path)
    cameras = [film for pieces, film in films if pieces[0].source is Source.CAMERA]
    assert [_numbers(film) for film in cameras] == [list(range(30)), list(range(75, 120))]


def test_the_tape_before_a_slice_is_not_needed(tmp_path):
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=20, gop_s=60)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    for k, result in enumerate(_cut(tape, tmp_path, seconds=20)[:-1]):
        assert result.keep_from_ns >= ORIGIN_NS + 4 * (k + 1) * NS - 2 * NS


def test_the_same_slice_twice_gives_the_same_bytes(tmp_path):
    frames = pictures(CAM, RED, start_ns=ORIGIN_NS, seconds=8, gop_s=3)
    tape = on_tape(tmp_path / "t", [frames], presence(CAM, ORIGIN_NS))
    one, other = (_cut(tape, tmp_path / name, seconds=8) for name in "ab")
    for a, b in zip(one, other, strict=True):
        assert a.cursor == b.cursor
        for piece, again in zip(a.pieces, b.pieces, strict=True):
            assert piece.payload.read_bytes() == again.payload.read_bytes()
            assert piece.index.read_bytes() == again.index.read_bytes()
