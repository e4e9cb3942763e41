"""Pieces on disk: what is written is read again, and what is not whole is no piece."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.cut.model import CompositeSpec
from media.errors import CutFailed
from media.mux import avc
from media.mux.piece import Index, TrackFormat, TrackIndex
from media.mux.piece_writer import new_piece, piece_at
from tests.media.mux.growing import slice_of

VIDEO = TrackFormat("video", 15_000, b"\x01\x64\x00\x0c\xff", 640, 360)
AUDIO = TrackFormat("audio", 48_000, b"\x11\x90", channels=2)


def _same(one, other):
    assert [track.format for track in one.tracks] == [track.format for track in other.tracks]
    assert np.array_equal(one.chunks, other.chunks)
    for a, b in zip(one.tracks, other.tracks, strict=True):
        assert a.end == b.end
        for name in ("times", "sizes", "keyframes"):
            assert np.array_equal(getattr(a, name), getattr(b, name))


def test_what_lies_in_a_payload_is_what_was_written(tmp_path):
    piece = piece_at(tmp_path / "000007")
    with new_piece(piece) as writer:
        video, audio = writer.add(VIDEO), writer.add(AUDIO)
        for i in range(30):
            writer.write(video, (100 + i) * 1000, 1000, b"v" * (i + 1), keyframe=i == 0)
            for j in range(3):
                writer.write(audio, (300 + 3 * i + j) * 1024, 1024, b"a" * 7, keyframe=True)
        assert not piece.index.exists()
    index = Index.read(piece.index)
    payload = piece.payload.read_bytes()
    assert index.bytes == len(payload) == sum(range(31)) + 90 * 7
    pictures, sounds = index.tracks
    assert pictures.times.tolist() == [(100 + i) * 1000 for i in range(30)]
    assert (pictures.end, sounds.end) == (130_000, 390 * 1024)
    assert pictures.keyframes.tolist() == [True] + [False] * 29
    assert index.chunks.sum(axis=0).tolist()[1] == 120
    at, left = 0, [list(track.sizes) for track in index.tracks]
    for number, count in index.chunks:
        size = sum(left[number].pop(0) for _ in range(count))
        assert set(payload[at : at + size]) == {b"va"[number]}
        at += size


def test_a_track_that_never_gets_a_sample_is_no_track(tmp_path):
    piece = piece_at(tmp_path / "0")
    with new_piece(piece) as writer:
        writer.add(VIDEO)
        audio = writer.add(AUDIO)
        writer.write(audio, 0, 1024, b"abc", keyframe=True)
    index = Index.read(piece.index)
    assert [track.format for track in index.tracks] == [AUDIO]
    assert index.chunks.tolist() == [[0, 1]]


def test_no_more_than_a_second_is_held(tmp_path):
    piece = piece_at(tmp_path / "0")
    with new_piece(piece) as writer:
        video = writer.add(VIDEO)
        for i in range(150):
            writer.write(video, i * 1000, 1000, bytes(100_000), keyframe=True)
            (part,) = tmp_path.iterdir()
            assert (i + 1) * 100_000 - part.stat().st_size <= 1_600_000


def test_a_failure_leaves_neither_file(tmp_path):
    def fail():
        with new_piece(piece_at(tmp_path / "0")) as writer:
            writer.write(writer.add(AUDIO), 0, 1024, b"abc", keyframe=True)
            raise RuntimeError

    with new_piece(piece_at(tmp_path / "0")) as writer:
        writer.write(writer.add(AUDIO), 0, 1024, b"abc", keyframe=True)
    with pytest.raises(RuntimeError):
        fail()
    # The index of the older attempt is gone, so what is left is no piece.
    assert [path.suffix for path in tmp_path.iterdir()] == [".payload"]


@pytest.mark.parametrize("damage", [b"", b"TFpiece1", b"TFpiece1\x05\x00\x00\x00{}", b"x" * 400])
def test_a_damaged_index_is_refused(tmp_path, damage):
    path = tmp_path / "0.index"
    path.write_bytes(damage)
    with pytest.raises(CutFailed):
        Index.read(path)


def test_an_index_cut_short_is_refused_wherever_it_ends(tmp_path):
    whole = slice_of(CompositeSpec(320, 180, 15, 300, mp4=True), 0, 1, tmp_path).piece.index
    data = whole.read_bytes()
    for length in range(0, len(data), 7):
        whole.write_bytes(data[:length])
        with pytest.raises(CutFailed):
            Index.read(whole)


def test_the_same_slice_gives_the_same_piece(tmp_path):
    spec = CompositeSpec(320, 180, 15, 300, mp4=True)
    one, other = (slice_of(spec, 3, 5, tmp_path / name).piece for name in "ab")
    assert one.payload.read_bytes() == other.payload.read_bytes()
    assert one.index.read_bytes() == other.index.read_bytes()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1), st.booleans()),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2**40),
)
def test_any_index_is_read_as_it_was_written(tmp_path, rows, first):
    sizes, steps, keys = (np.array(column) for column in zip(*rows, strict=True))
    times = first + np.cumsum(steps) - steps
    track = TrackIndex(VIDEO, times, sizes, keys, int(times[-1] + steps[-1]))
    index = Index((track,), np.array([[0, len(rows)]]))
    index.write(tmp_path / "index")
    _same(Index.read(tmp_path / "index"), index)


# ---- H.264


def _unit(kind, body=b"\x64\x00\x0c\xac"):
    return bytes((0x60 | kind,)) + body


@pytest.mark.parametrize("start", [b"\x00\x00\x01", b"\x00\x00\x00\x01", b"\x00" * 5 + b"\x01"])
def test_units_are_length_prefixed_whatever_their_start_codes(start):
    units = [_unit(7), _unit(8, b"\xee"), _unit(5, b"\x88\x00\x00\x03\x00"[:4]), _unit(5, b"\x01")]
    made = avc.sample(b"".join(start + unit for unit in units) + b"\x00\x00")
    assert made == b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_the_configuration_names_profile_level_and_parameter_sets():
    sets = b"".join(
        b"\x00\x00\x00\x01" + unit for unit in (_unit(7, b"\x42\xe0\x1f\x8d"), _unit(8))
    )
    record = avc.configuration(sets + b"\x00\x00\x01" + _unit(5))
    assert record[:6] == b"\x01\x42\xe0\x1f\xff\xe1"
    assert record[6:] == b"\x00\x05" + _unit(7, b"\x42\xe0\x1f\x8d") + b"\x01\x00\x05" + _unit(8)


def test_a_picture_without_its_parameter_sets_cannot_begin_a_piece():
    with pytest.raises(CutFailed):
        avc.configuration(b"\x00\x00\x01" + _unit(5))
