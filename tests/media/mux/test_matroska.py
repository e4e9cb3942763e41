"""WebM heads before clusters: read element by element, and by FFmpeg."""

import io

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.errors import BadPacket, CutFailed
from media.mux import matroska
from media.mux.av1c import av1c
from media.mux.clusters import ClusterIndex, ClusterWriter, WebmTrack, new_clusters
from media.mux.piece_writer import piece_at
from media.tape.model import Source
from tests.media.cut.scene import AV1, OPUS, RED, pictures, tone, track
from tests.media.mux import ebml_reader
from tests.media.mux.growing import webm_pieces

NS_PER_MS = 1_000_000


def _film(pieces):
    """Head and payloads of (payload, index) pairs."""
    return matroska.head([index for _, index in pieces]) + b"".join(one for one, _ in pieces)


def _written(frames, codec="vp8", end_ms=None, **what):
    """A piece of (ms, data, keyframe)."""
    payload = io.BytesIO()
    writer = ClusterWriter(payload)
    for time_ms, data, keyframe in frames:
        splits = keyframe and codec != "opus"
        writer.write(data, time_ns=time_ms * NS_PER_MS, keyframe=keyframe, splits=splits)
    writer.flush()
    end_ms = frames[-1][0] + 40 if end_ms is None else end_ms
    tracks = WebmTrack(codec, width=320, height=180, **what)
    index = ClusterIndex(tracks, tuple(writer.clusters), end_ms * NS_PER_MS)
    return payload.getvalue(), index


def _video(first, count):
    return [((first + i) * 40, bytes([i % 256]) * 100, (first + i) % 50 == 0) for i in range(count)]


def test_everything_stands_where_the_head_says():
    film = _film([_written(_video(0, 375)), _written(_video(375, 375))])
    top = ebml_reader.segment(film)
    assert top.end == len(film)
    ids = [one.id for one in ebml_reader.elements(film, top.begin, top.end)]
    before = [ebml_reader.SEEK_HEAD, ebml_reader.INFO, ebml_reader.TRACKS, ebml_reader.CUES]
    assert ids[:4] == before
    assert set(ids[4:]) == {ebml_reader.CLUSTER}
    places = {
        one.id: one.at
        for one in ebml_reader.elements(film, top.begin, top.end)
        if one.id != ebml_reader.CLUSTER
    }
    assert ebml_reader.seeks(film) == {id_: places[id_] for id_ in before[1:]}
    duration = ebml_reader.child(film, top, ebml_reader.INFO, 0x4489)
    assert ebml_reader.real(film, duration) == 30_000


def test_each_key_picture_begins_a_cluster_that_a_cue_points_to():
    film = _film([_written(_video(0, 375)), _written(_video(375, 375))])
    found = ebml_reader.clusters(film)
    keys = [(blocks[0][0], at) for at, _, blocks in found if blocks[0][1]]
    assert ebml_reader.cues(film) == keys
    assert [time_ms for time_ms, _ in keys] == list(range(0, 30_000, 2000))
    assert not any(block[1] for _, _, blocks in found for block in blocks[1:])


def test_a_long_way_between_key_pictures_is_cut_into_clusters_without_cues():
    frames = [(i * 40, b"x", i == 0) for i in range(2000)]
    film = _film([_written(frames)])
    assert len(ebml_reader.cues(film)) == 1
    found = ebml_reader.clusters(film)
    assert len(found) == 16
    assert max(blocks[-1][0] - time_ms for _, time_ms, blocks in found) < 5000


def test_large_pictures_make_clusters_of_bounded_size():
    payload, index = _written([(i * 40, bytes(1_000_000), i == 0) for i in range(50)])
    assert max(cluster.size for cluster in index.clusters) < 9_100_000
    assert sum(cluster.size for cluster in index.clusters) == len(payload)


def test_sound_can_be_entered_every_few_seconds():
    film = _film([_written([(i * 20, b"\xfc", True) for i in range(3000)], "opus", channels=1)])
    times = [time_ms for time_ms, _ in ebml_reader.cues(film)]
    assert times == list(range(0, 60_000, 5000))


def test_the_channels_of_sound_are_the_most_of_any_piece():
    pieces = [_written([(k * 20, b"\xfc", True)], "opus", channels=1 + k % 2) for k in range(3)]
    with av.open(io.BytesIO(_film(pieces))) as file:
        assert file.streams[0].codec_context.channels == 2
        assert file.streams[0].codec_context.extradata[:10] == b"OpusHead\x01\x02"


def test_an_empty_piece_tells_only_the_end():
    pieces = [_written(_video(0, 100)), (b"", ClusterIndex(WebmTrack("vp8"), (), 9000 * NS_PER_MS))]
    film = _film(pieces)
    duration = ebml_reader.child(film, ebml_reader.segment(film), ebml_reader.INFO, 0x4489)
    assert ebml_reader.real(film, duration) == 9000


def test_the_time_of_creation_is_told_where_it_is_known():
    _, index = _written(_video(0, 10))
    head = matroska.head([index], created_ns=978_307_200_000_000_000 + 5_000_000_007)
    date = ebml_reader.child(head, ebml_reader.segment(head), ebml_reader.INFO, 0x4461)
    assert ebml_reader.number(head, date) == 5_000_000_007


@pytest.mark.parametrize("indices", [[], [ClusterIndex(WebmTrack("vp8"), (), 5)]])
def test_nothing_makes_no_film(indices):
    with pytest.raises(CutFailed):
        matroska.head(indices)


@pytest.mark.parametrize(("rotation", "roll"), [(90, -90), (180, -180), (270, 90)])
def test_how_pictures_lie_is_told_by_four_elements(rotation, roll):
    film = _film([_written(_video(0, 10), rotation=rotation)])
    top = ebml_reader.segment(film)
    projection = ebml_reader.child(film, top, ebml_reader.TRACKS, 0xAE, 0xE0, 0x7670)
    ids = [one.id for one in ebml_reader.elements(film, projection.begin, projection.end)]
    assert ids == [0x7671, 0x7673, 0x7674, 0x7675]
    assert ebml_reader.real(film, ebml_reader.child(film, projection, 0x7675)) == roll


def test_pictures_that_are_upright_say_nothing_of_it():
    film = _film([_written(_video(0, 10))])
    video = ebml_reader.child(film, ebml_reader.segment(film), ebml_reader.TRACKS, 0xAE, 0xE0)
    ids = [one.id for one in ebml_reader.elements(film, video.begin, video.end)]
    assert ids == [0xB0, 0xBA]


def test_an_index_is_read_as_it_was_written(tmp_path):
    piece = piece_at(tmp_path / "1-camera-5-000001")
    with new_clusters(piece) as writer:
        for time_ms, data, keyframe in _video(0, 375):
            writer.write(data, time_ns=time_ms * NS_PER_MS, keyframe=keyframe, splits=keyframe)
        assert not piece.payload.exists()
    index = ClusterIndex(WebmTrack("av1", "81000c00", 640, 360), tuple(writer.clusters), 15)
    index.write(piece.index)
    assert ClusterIndex.read(piece.index) == index
    assert index.bytes == piece.payload.stat().st_size
    for damage in ("", "{}", "[1]", piece.index.read_text()[:-3]):
        piece.index.write_text(damage)
        with pytest.raises(CutFailed):
            ClusterIndex.read(piece.index)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(1, 40_000), st.binary(min_size=1, max_size=300), st.booleans()),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_frames_are_found_again_with_their_times(rows):
    time_ms, sent, pieces = 0, [], []
    for row in rows:
        frames = []
        for step_ms, data, keyframe in row:
            frames.append((time_ms, data, keyframe))
            time_ms += step_ms
        pieces.append(_written(frames))
        sent += frames
    film = _film(pieces)
    found = ebml_reader.clusters(film)
    assert [block for _, _, blocks in found for block in blocks] == [
        (at_ms, key, data) for at_ms, data, key in sent
    ]
    assert ebml_reader.cues(film) == [
        (time_ms, at) for at, time_ms, blocks in found if blocks[0][1]
    ]


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_a_seek_lands_on_the_key_picture_before(codec, tmp_path):
    film = tmp_path / "film.webm"
    film.write_bytes(_film(webm_pieces(codec, 12, slice_s=3)))
    with av.open(str(film)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (320, 180)
        for wanted in (7.0, 1.3, 11.9, 0.0, 3.0, 5.97):
            file.seek(int(wanted / stream.time_base), stream=stream)
            first = next(file.demux(stream))
            assert first.is_keyframe
            assert wanted - 2 <= first.pts * stream.time_base <= wanted


def test_the_configuration_of_av1_is_what_ffmpeg_writes():
    camera = track("1", Source.CAMERA, AV1)
    first = pictures(camera, RED, start_ns=0, seconds=0.3)[0].data
    made = av1c(first.removeprefix(b"\x12\x00"))
    with av.open(io.BytesIO(first), format="obu") as bare:
        target = io.BytesIO()
        with av.open(target, "w", format="webm") as file:
            stream = file.add_stream_from_template(bare.streams.video[0], opaque=True)
            packet = next(bare.demux())
            packet.stream, packet.pts, packet.dts = stream, 0, 0
            file.mux(packet)
    film = target.getvalue()
    assert made[:3] == b"\x81" + made[1:3]
    assert made in film


@pytest.mark.parametrize("unit", [b"\x12\x00", b"\x0a\x01\x00", b"\x32\x01\x10"])
def test_av1_without_a_readable_sequence_header_is_refused(unit):
    with pytest.raises(BadPacket):
        av1c(unit)


def test_sound_begins_at_zero_and_nothing_is_skipped():
    frames = tone(track("1", Source.MICROPHONE, OPUS), 500, start_ns=0, seconds=2)
    rows = [(frame.time_ns // NS_PER_MS, frame.data, True) for frame in frames]
    with av.open(io.BytesIO(_film([_written(rows, "opus", 2000, channels=1)]))) as file:
        decoded = list(file.decode(audio=0))
    assert decoded[0].pts == 0
    assert sum(frame.samples for frame in decoded) == 2 * 48_000
