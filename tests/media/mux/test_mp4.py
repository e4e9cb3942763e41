"""MP4s made of pieces: decoded, measured against the transport streams, and read box by box."""

import itertools
import json
import struct
import subprocess

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.cut.model import CompositeSpec
from media.errors import CutFailed
from media.mux import mp4
from media.mux.piece import Index, TrackFormat, TrackIndex
from media.publish.read_pattern import read_frame_number
from tests.media.cut.look import assert_plays, concatenated, shots
from tests.media.mux import box_reader
from tests.media.mux.growing import HZ, finished, slice_of

SPEC = CompositeSpec(320, 180, 15, 300, mp4=True)
SECONDS = 3.0


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    out = tmp_path_factory.mktemp("parts")
    return [slice_of(SPEC, k * SECONDS, (k + 1) * SECONDS, out) for k in range(4)]


@pytest.fixture(scope="module")
def film(parts, tmp_path_factory):
    return finished(parts, tmp_path_factory.mktemp("film") / "film.mp4")


def _numbers(path):
    return [read_frame_number(shot.y)[1] for shot in shots(path)]


def _probed(need, path, *entries):
    command = [need("ffprobe"), "-v", "error", "-of", "json", *entries, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def _levels(pcm):
    """The tone's amplitude in each tenth of a second."""
    blocks = pcm[0, : pcm.shape[1] // 4800 * 4800].reshape(-1, 4800)
    return 2 * np.abs((blocks * np.exp(-2j * np.pi * HZ * np.arange(4800) / 48_000)).mean(axis=1))


def test_the_head_stands_before_the_media(film):
    data = film.read_bytes()
    found = [(name, end) for name, _, end in box_reader.boxes(data)]
    assert [name for name, _ in found] == [b"ftyp", b"moov", b"mdat"]
    assert found[-1][1] == len(data)
    assert data[8:12] == b"isom"
    assert {data[at : at + 4] for at in range(16, 32, 4)} == {b"isom", b"iso2", b"avc1", b"mp41"}


def test_every_picture_is_there_at_its_time_and_nothing_complains(film):
    assert_plays(film)
    assert _numbers(film) == list(range(180))
    assert [shot.time_s for shot in shots(film)] == pytest.approx([n / 15 for n in range(180)])


def test_picture_and_sound_lie_as_in_the_segments_to_the_sample(film, parts, tmp_path):
    joined = concatenated([part.ts for part in parts], tmp_path / "joined.ts")
    segments, whole = _packets(joined), _packets(film)
    for kind in ("video", "audio"):
        assert len(whole[kind]) == len(segments[kind])
        apart = np.array(whole[kind]) - (np.array(segments[kind]) - 10)
        assert np.abs(apart).max() < 1 / 90_000
    heard, expected = _decoded(film), _decoded(joined)
    assert heard.shape == expected.shape
    assert np.array_equal(heard, expected)
    assert _levels(heard)[1:-1] == pytest.approx(0.25, abs=0.05)


def _packets(path):
    with av.open(str(path)) as file:
        found = {"video": [], "audio": []}
        for packet in file.demux():
            if packet.pts is not None:
                found[packet.stream.type].append(float(packet.pts * packet.time_base))
        return found


def _decoded(path):
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)


def test_a_later_file_begins_at_its_first_sample_and_keeps_the_offset(parts, tmp_path):
    # 6 s is no whole number of AAC frames: sound begins 16 ms after the picture.
    later = finished(parts[2:], tmp_path / "later.mp4")
    assert_plays(later)
    assert _numbers(later) == list(range(90, 180))
    at, heard = _packets(later), _packets(parts[2].ts)
    assert at["video"][0] == 0
    assert at["audio"][0] == pytest.approx(heard["audio"][0] - heard["video"][0], abs=1 / 48_000)
    assert at["audio"][0] > 0.01


def test_players_are_told_how_long_it_lasts(film, need):
    told = _probed(need, film, "-show_format", "-show_streams", "-count_packets")
    video, audio = told["streams"]
    assert float(told["format"]["duration"]) == pytest.approx(12, abs=1 / 15)
    assert float(video["duration"]) == pytest.approx(12)
    assert float(audio["duration"]) == pytest.approx(12, abs=1024 / 48_000)
    assert (video["codec_tag_string"], audio["codec_tag_string"]) == ("avc1", "mp4a")
    assert (video["nb_frames"], video["nb_read_packets"]) == ("180", "180")
    assert video["avg_frame_rate"] == "15/1"
    assert (audio["profile"], audio["channels"], audio["sample_rate"]) == ("LC", 1, "48000")


def test_a_seek_finds_the_key_picture_before_and_decodes_from_there(film):
    with av.open(str(film)) as file:
        stream = file.streams.video[0]
        for wanted in (7.0, 1.3, 11.9, 0.0, 3.0, 5.97, 9.04):
            file.seek(int(wanted / stream.time_base), stream=stream)
            first = next(file.decode(stream))
            assert first.key_frame
            assert wanted - SECONDS <= first.time <= wanted
            while first.time + 1 / 15 <= wanted + 1e-6:
                first = next(file.decode(stream))
            luma = first.to_ndarray(format="yuv420p")[: first.height]
            assert read_frame_number(luma)[1] == int(wanted * 15 + 1e-6)


def test_sound_and_picture_alternate_about_every_second(film):
    data = film.read_bytes()
    ends = [
        [(s.offset, s.time / scale) for s in box_reader.samples(trak)]
        for trak, scale in zip(box_reader.tracks(data), (15_000, 48_000), strict=True)
    ]
    both = sorted((offset, time, kind) for kind, rows in enumerate(ends) for offset, time in rows)
    changes = sum(a[2] != b[2] for a, b in itertools.pairwise(both))
    assert 20 <= changes <= 30
    ahead = [0.0, 0.0]
    for _, time, kind in both:
        ahead[kind] = time
        assert abs(ahead[0] - ahead[1]) <= 2.1


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_one_kind_alone_makes_a_file(kind, tmp_path):
    spec = CompositeSpec(
        320, 180, 15, 300, 0, mp4=True, audio=kind == "audio", video=kind == "video"
    )
    made = [slice_of(spec, k * 2.0, k * 2.0 + 2, tmp_path) for k in range(2)]
    film = finished(made, tmp_path / "film.mp4")
    assert_plays(film)
    with av.open(str(film)) as file:
        assert [stream.type for stream in file.streams] == [kind]
        assert float(file.duration / av.time_base) == pytest.approx(4, abs=0.022)


def test_stereo_and_other_rates(tmp_path):
    spec = CompositeSpec(320, 180, 7, 300, audio_profile=2, mp4=True)
    film = finished(
        [slice_of(spec, k * 2.0, k * 2.0 + 2, tmp_path) for k in range(2)], tmp_path / "film.mp4"
    )
    assert_plays(film)
    assert [shot.time_s for shot in shots(film)] == pytest.approx([n / 7 for n in range(28)])
    assert _decoded(film).shape[0] == 2


def test_another_encoder_within_a_file_has_a_description_of_its_own(tmp_path):
    other = CompositeSpec(480, 270, 15, 300, mp4=True)
    made = [
        slice_of(spec, k * 2.0, k * 2.0 + 2, tmp_path)
        for k, spec in enumerate((SPEC, other, other, SPEC))
    ]
    film = finished(made, tmp_path / "film.mp4")
    video = box_reader.tracks(film.read_bytes())[0]
    used = [sample.description for sample in box_reader.samples(video)]
    assert used == [1] * 30 + [2] * 60 + [1] * 30
    assert _numbers(film) == list(range(120))
    assert {shot.y.shape for shot in shots(film)} == {(180, 320), (270, 480)}


def test_a_slice_that_is_missing_leaves_a_hole_and_moves_nothing(parts, tmp_path):
    film = finished([parts[0], parts[2], parts[3]], tmp_path / "film.mp4")
    seen = shots(film)
    assert _numbers(film) == [*range(45), *range(90, 180)]
    assert seen[45].time_s == pytest.approx(6)
    heard = _packets(film)["audio"]
    assert max(np.diff(heard)) == pytest.approx(SECONDS, abs=0.05)


def test_the_same_pieces_give_the_same_bytes(parts, film, tmp_path):
    assert finished(parts, tmp_path / "again.mp4").read_bytes() == film.read_bytes()


def test_the_time_of_creation_is_told_where_it_is_known(parts):
    indices = [Index.read(part.piece.index) for part in parts]
    stated = mp4.head(indices, created_ns=1_790_000_000_123_456_789)
    (mvhd,) = box_reader.find(stated, b"moov", b"mvhd")
    assert struct.unpack_from(">I", mvhd, 4)[0] - 2_082_844_800 == 1_790_000_000


# ---- heads of media that nobody encoded


VIDEO = TrackFormat(
    "video", 15_000, b"\x01\x64\x00\x0c\xff\xe1\x00\x01\x67\x01\x00\x01\x68", 64, 64
)
OTHER = TrackFormat(
    "video", 15_000, b"\x01\x42\x00\x0c\xff\xe1\x00\x01\x67\x01\x00\x01\x68", 96, 64
)
AUDIO = TrackFormat("audio", 48_000, b"\x11\x88", channels=1)


def _fake(format_, first, sizes, step, keyframes=None):
    times = first + step * np.arange(len(sizes))
    keys = np.ones(len(sizes), np.bool_) if keyframes is None else np.array(keyframes, np.bool_)
    return TrackIndex(format_, times, np.array(sizes, np.int64), keys, first + step * len(sizes))


def _piece(number, picture=1000, frame=100):
    """Fifteen seconds in chunks of one."""
    begin, end = (-(-k * 15 * 48_000 // 1024) for k in (number, number + 1))
    keys = [i % 75 == 0 for i in range(225)]
    video = _fake(VIDEO, number * 225_000, [picture] * 225, 1000, keys)
    audio = _fake(AUDIO, begin * 1024, [frame] * (end - begin), 1024)
    counts = [len(part) for part in np.array_split(np.arange(end - begin), 15)]
    return Index((video, audio), np.array([row for n in counts for row in ((0, 15), (1, n))]))


def test_two_hours_are_a_small_head_of_small_indices(tmp_path):
    pieces = [_piece(k, 12_000) for k in range(480)]
    for k, piece in enumerate(pieces):
        piece.write(tmp_path / f"{k}.index")
    head = mp4.head(pieces)
    assert len(head) < 2_000_000
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 10_000
    video, audio = box_reader.tracks(head)
    pictures, frames = box_reader.samples(video), box_reader.samples(audio)
    assert (len(pictures), len(frames)) == (108_000, 337_500)
    assert pictures[-1].time + pictures[-1].duration == 108_000_000
    assert box_reader.edits(audio) == [(7200 * 48_000, 0)]
    last = max(pictures[-1], frames[-1], key=lambda one: one.offset)
    assert last.offset + last.size == len(head) + sum(piece.bytes for piece in pieces)


def test_offsets_beyond_four_gigabytes(tmp_path):
    # 2.4 MB a picture; the file is sparse, so nobody writes them.
    pieces = [_piece(k, 2_400_000) for k in range(12)]
    payload = sum(piece.bytes for piece in pieces)
    assert payload > 6 << 30
    head = mp4.head(pieces)
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + payload)
    assert struct.unpack(">I4sQ", head[-16:]) == (1, b"mdat", payload + 16)
    video, audio = box_reader.tracks(head)
    assert not box_reader.find(video, b"mdia", b"minf", b"stbl", b"stco")
    last = box_reader.samples(audio)[-1]
    assert last.offset + last.size == len(head) + payload
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        file.seek(179 * 15_000, stream=stream)
        packet = next(file.demux(stream))
        key = [s for s in box_reader.samples(video) if s.sync][-1]
        assert (packet.pos, packet.size, packet.pts) == (key.offset, key.size, key.time)


@pytest.mark.parametrize("spare", [0, 1])
def test_offsets_have_64_bits_from_the_first_byte_that_needs_them(spare):
    def one(size):
        video = _fake(VIDEO, 0, [size, 5], 1000)
        return [Index((video,), np.array([[0, 1], [0, 1]]))]

    small = len(mp4.head(one(10)))
    room = (1 << 32) - 1 - small - 5
    head = mp4.head(one(room + spare))
    (video,) = box_reader.tracks(head)
    assert bool(box_reader.find(video, b"mdia", b"minf", b"stbl", b"co64")) == bool(spare)
    assert box_reader.samples(video)[1].offset == len(head) + room + spare


def test_durations_of_more_than_32_bits():
    day = 86_400
    video = _fake(VIDEO, 0, [100] * 100, day * 15_000)
    head = mp4.head([Index((video,), np.array([[0, 100]]))])
    (mvhd,) = box_reader.find(head, b"moov", b"mvhd")
    assert mvhd[0] == 1
    assert struct.unpack_from(">IQ", mvhd, 20) == (48_000, 100 * day * 48_000)
    (elst,) = box_reader.find(head, b"moov", b"trak", b"edts", b"elst")
    assert struct.unpack_from(">Qq", elst, 8) == (100 * day * 48_000, 0)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [Index((), np.zeros((0, 2), np.int64))],
        [_piece(1), _piece(0)],
        [_piece(0), _piece(0)],
        [Index(_piece(0).tracks, np.array([[0, 225], [1, 1]]))],
    ],
)
def test_what_makes_no_file_is_refused(pieces):
    with pytest.raises(CutFailed):
        mp4.head(pieces)


@st.composite
def _tables(draw):
    """Some pieces with any sizes, key pictures, chunks, holes and changes of the encoder."""
    small = st.integers(1, 6)
    at, pieces = {"video": draw(st.integers(0, 10**6)), "audio": draw(st.integers(0, 10**6))}, []
    for _ in range(draw(small)):
        tracks, chunks = [], []
        for number, (kind, step) in enumerate((("video", 1000), ("audio", 1024))):
            format_ = AUDIO if kind == "audio" else draw(st.sampled_from((VIDEO, OTHER)))
            counts = draw(st.lists(small, min_size=1, max_size=4))
            sizes = draw(
                st.lists(st.integers(1, 10**6), min_size=sum(counts), max_size=sum(counts))
            )
            keys = [kind == "audio" or draw(st.booleans()) for _ in sizes]
            at[kind] += draw(st.sampled_from((0, 0, 7777)))
            tracks.append(_fake(format_, at[kind], sizes, step, keys))
            at[kind] = tracks[-1].end
            chunks += [(number, count) for count in counts]
        pieces.append(Index(tuple(tracks), np.array(draw(st.permutations(chunks)))))
    return pieces


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(_tables())
def test_any_pieces_are_found_again_sample_by_sample(pieces):
    head = mp4.head(pieces)
    assert mp4.head(pieces) == head
    expected = {"vide": [], "soun": []}
    at = len(head)
    for piece in pieces:
        left = [list(zip(t.sizes, t.times, t.keyframes, strict=True)) for t in piece.tracks]
        for number, count in piece.chunks:
            format_ = piece.tracks[number].format
            for _ in range(count):
                size, time, key = left[number].pop(0)
                kind = "vide" if format_.kind == "video" else "soun"
                expected[kind].append((at, size, time, key, format_))
                at += size
    for trak in box_reader.tracks(head):
        wanted = expected[box_reader.handler(trak)]
        formats = list(dict.fromkeys(row[4] for row in wanted))
        found = box_reader.samples(trak)
        zero = wanted[0][2]
        assert [
            (s.offset, s.size, s.time + zero, s.sync, formats[s.description - 1]) for s in found
        ] == wanted
