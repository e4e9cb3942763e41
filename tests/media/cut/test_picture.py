import pytest

from media.cut.picture import LinePictures
from media.publish.encoders import VIDEO_RATE, VideoEncoder
from media.publish.pattern import PatternPicture
from media.tape.model import NS, Frame, Source
from tests.elsewhere import elsewhere
from tests.media.cut.scene import AV1, H264, ORIGIN_NS, RED, VP8, VP9, pictures, track

FPS = 15
SIZE = (320, 180)


def published(codec) -> list[Frame]:
    """Three seconds of a pattern publisher."""
    camera = track("1", Source.CAMERA, codec)
    picture = PatternPicture("1", width=SIZE[0], height=SIZE[1], fps=FPS)
    encoder = VideoEncoder(
        codec.key, width=SIZE[0], height=SIZE[1], fps=FPS, bitrate=300_000, keyframe_s=10
    )
    frames = []
    for number in range(3 * FPS):
        time = number * VIDEO_RATE // FPS
        data, key = encoder.encode(picture.draw(number), time, force_key=number == 0)
        at_ns = ORIGIN_NS + number * NS // FPS
        frames.append(Frame(camera, codec, at_ns, time, data, key, intact=True))
    return frames


@pytest.mark.parametrize("codec", [VP8, VP9, H264, AV1], ids=lambda codec: codec.key)
def test_every_picture_is_shown_though_the_first_ones_were_only_decoded(codec) -> None:
    """As in every slice that begins behind its key frame."""
    frames = elsewhere(published, codec)
    line = LinePictures(frames, range(len(frames)))
    changed = [line.advance(tick) for tick in range(3, len(frames))]
    assert all(changed)


@pytest.mark.parametrize("codec", [VP8, VP9, H264, AV1], ids=lambda codec: codec.key)
def test_what_is_shown_does_not_depend_on_where_one_begins(codec) -> None:
    frames = elsewhere(published, codec)
    whole, late = (LinePictures(frames, range(len(frames))) for _ in range(2))
    for tick in range(len(frames)):
        whole.advance(tick)
        if tick >= 7:
            late.advance(tick)
            assert (late.picture.to_ndarray() == whole.picture.to_ndarray()).all()


def test_nothing_is_decoded_from_before_the_last_key_frame_that_is_due(monkeypatch) -> None:
    camera = track("1", Source.CAMERA, VP8)
    frames = pictures(camera, RED, start_ns=ORIGIN_NS, seconds=4, gop_s=1)
    line = LinePictures(frames, range(len(frames)))
    line.advance(3)
    decoded = []
    decode = line._decode
    monkeypatch.setattr(
        line, "_decode", lambda frame, n, shown: decoded.append(n) or decode(frame, n, shown=shown)
    )
    assert line.advance(50)  # nobody asked for a while
    assert decoded == list(range(45, 51))
    whole = LinePictures(frames, range(len(frames)))
    for tick in range(51):
        whole.advance(tick)
    assert (line.picture.to_ndarray() == whole.picture.to_ndarray()).all()
