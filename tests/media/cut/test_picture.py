import pytest

from media.cut.picture import LinePictures
from media.publish.encoders import VIDEO_RATE, VideoEncoder
from media.publish.pattern import PatternPicture
from media.tape.model import NS, Frame, Source
from tests.elsewhere import elsewhere
from tests.media.cut.scene import AV1, H264, ORIGIN_NS, VP8, VP9, track

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
