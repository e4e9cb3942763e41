"""The MP4 of a mix: pieces beside the segments, cut from one tape, looked at as one file."""

from dataclasses import replace

import av
import numpy as np
import pytest

from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.mux import mp4
from media.mux.file_numbers import NewestFile
from media.mux.piece import Index
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.look import assert_plays, concatenated, shots
from tests.media.cut.scene import H264, OPUS, ORIGIN_NS, RED, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape

CAM, MIC = track("1", Source.CAMERA, H264), track("1", Source.MICROPHONE, OPUS)
SPEC = CompositeSpec(320, 180, 15, 300, look=Look(1), mp4=True)
SIZE = (320, 180)


def _cut(tape, out, spec, number):
    begin = ORIGIN_NS + 4 * number * NS
    part = Slice(number, begin, begin + 4 * NS)
    return cut_composite(tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    tracks = [
        pictures(CAM, RED, start_ns=ORIGIN_NS - NS, seconds=14),
        tone(MIC, 500, start_ns=ORIGIN_NS - NS, seconds=14),
    ]
    added = TapeEvent(EventType.TRACK_ADDED, ORIGIN_NS - NS + 2, track=MIC.id)
    return on_tape(tmp_path_factory.mktemp("tape"), tracks, [*presence(CAM, ORIGIN_NS - NS), added])


@pytest.fixture(scope="module")
def cuts(tape, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return [_cut(tape, out, SPEC, number) for number in range(3)]


def _film(cuts, path):
    pieces = [piece for cut in cuts for piece in cut.pieces]
    head = mp4.head([Index.read(piece.index) for piece in pieces])
    path.write_bytes(head + b"".join(piece.payload.read_bytes() for piece in pieces))
    return path


def _packets(path, kind):
    with av.open(str(path)) as file:
        stream = next(stream for stream in file.streams if stream.type == kind)
        return [packet.pts * packet.time_base for packet in file.demux(stream) if packet.size]


def _heard(path):
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


def test_the_mp4_holds_what_the_segments_hold(cuts, tmp_path):
    film = _film(cuts, tmp_path / "film.mp4")
    joined = concatenated([cut.segments[0].path for cut in cuts], tmp_path / "joined.ts")
    assert_plays(film)
    seen, expected = shots(film), shots(joined)
    assert len(seen) == len(expected) == 180
    for one, other in zip(seen, expected, strict=True):
        assert one.time_s == pytest.approx(other.time_s, abs=1 / 48_000)
        assert np.array_equal(one.y, other.y)
    numbers = [shot.number(0, 0, *SIZE, SIZE) for shot in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 180))
    for kind in ("audio", "video"):
        ours, theirs = _packets(film, kind), _packets(joined, kind)
        assert [float(at) for at in ours] == pytest.approx([float(at) - 10 for at in theirs])
    assert np.array_equal(_heard(film), _heard(joined))


def test_a_piece_says_what_it_is(cuts):
    for number, cut in enumerate(cuts):
        (piece,) = cut.pieces
        assert piece.kind == "mp4"
        assert piece.start_ns == cut.segments[0].start_ns == ORIGIN_NS + 4 * number * NS
        assert piece.duration_s == cut.segments[0].duration_s == 4
        assert piece.bytes == piece.payload.stat().st_size == Index.read(piece.index).bytes
    assert [NewestFile().after(cut.pieces[0]).file for cut in cuts] == [0, 0, 0]


def test_a_slice_cut_twice_leaves_the_same_piece(tape, cuts, tmp_path):
    (again,), (piece,) = _cut(tape, tmp_path, SPEC, 1).pieces, cuts[1].pieces
    assert again.payload.read_bytes() == piece.payload.read_bytes()
    assert again.index.read_bytes() == piece.index.read_bytes()


def test_the_segments_are_the_same_with_an_mp4_and_without(tape, cuts, tmp_path):
    plain = _cut(tape, tmp_path, replace(SPEC, mp4=False), 1)
    assert plain.pieces == ()
    assert [path.suffix for path in tmp_path.iterdir()] == [".ts"]
    assert plain.segments[0].path.read_bytes() == cuts[1].segments[0].path.read_bytes()


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_one_kind_alone(tape, tmp_path, kind):
    spec = replace(SPEC, audio=kind == "audio", video=kind == "video")
    film = _film([_cut(tape, tmp_path, spec, number) for number in (1, 2)], tmp_path / "film.mp4")
    assert_plays(film)
    assert float(_packets(film, kind)[-1]) == pytest.approx(8, abs=0.07)


def test_a_slice_without_a_tick_leaves_no_piece(tape, tmp_path):
    part = Slice(9, ORIGIN_NS + 1, ORIGIN_NS + 2)
    cut = cut_composite(tape, SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=tmp_path)
    assert cut.pieces == ()
    assert list(tmp_path.iterdir()) == []
