"""A canvas of few pictures a second: the last slice may be too short for one, and has its sound."""

from dataclasses import replace

import av
import pytest

from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Slice
from media.mux import mp4
from media.mux.piece import Index
from media.tape.model import NS, EventType, Source, TapeEvent
from tests.media.cut.look import assert_plays, concatenated, like, shots, sound
from tests.media.cut.scene import OPUS, ORIGIN_NS, RED, VP8, pictures, presence, tone, track
from tests.media.cut.tapes import on_tape

CAM, MIC = track("1", Source.CAMERA, VP8), track("1", Source.MICROPHONE, OPUS)
SPEC = CompositeSpec(320, 180, fps=1, bitrate=300, look=Look(1), mp4=True)
# Between two pictures of the canvas, as the range of a cut may be.
ENDS_S = (0.0, 4.3, 4.9)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    begin = ORIGIN_NS - NS
    tracks = [
        pictures(CAM, RED, start_ns=begin, seconds=8),
        tone(MIC, 500, start_ns=begin, seconds=8),
    ]
    added = TapeEvent(EventType.TRACK_ADDED, begin + 2, track=MIC.id)
    return on_tape(tmp_path_factory.mktemp("tape"), tracks, [*presence(CAM, begin), added])


def _cut(tape, out, spec):
    parts = [
        Slice(number, *(ORIGIN_NS + round(at_s * NS) for at_s in ENDS_S[number : number + 2]))
        for number in range(len(ENDS_S) - 1)
    ]
    return [
        cut_composite(tape, spec, origin_ns=ORIGIN_NS, slice=part, out_dir=out) for part in parts
    ]


@pytest.mark.parametrize("video", [True, False])
def test_a_slice_shorter_than_a_picture_keeps_its_sound(tape, tmp_path, video):
    cuts = _cut(tape, tmp_path, replace(SPEC, video=video))
    joined = concatenated([cut.segments[0].path for cut in cuts], tmp_path / "joined.ts")
    assert_plays(joined)
    heard = sound(joined)
    assert heard.start_s + heard.pcm.shape[1] / 48_000 >= 4.9
    for at_s in (0.5, 2.0, 4.2, 4.5, 4.8):
        assert heard.level(500, at_s - 0.05, at_s + 0.05) == pytest.approx(0.25, abs=0.03)
    assert cuts[1].segments[0].duration_s == pytest.approx(1 if video else 0.6, abs=0.03)


def test_its_picture_is_the_next_one_and_only_there(tape, tmp_path):
    joined = concatenated(
        [cut.segments[0].path for cut in _cut(tape, tmp_path, SPEC)], tmp_path / "joined.ts"
    )
    seen = shots(joined)
    assert [shot.time_s for shot in seen] == pytest.approx([0, 1, 2, 3, 4, 5])
    assert all(like(shot.colour(0.1, 0.1), RED) for shot in seen)


def test_the_mp4_has_that_sound_too(tape, tmp_path):
    pieces = [piece for cut in _cut(tape, tmp_path, SPEC) for piece in cut.pieces]
    film = tmp_path / "film.mp4"
    head = mp4.head([Index.read(piece.index) for piece in pieces])
    film.write_bytes(head + b"".join(piece.payload.read_bytes() for piece in pieces))
    assert_plays(film)
    assert len(shots(film)) == 6
    with av.open(str(film)) as file:
        last = max(packet.pts * packet.time_base for packet in file.demux(audio=0) if packet.size)
    assert float(last) >= 4.85
