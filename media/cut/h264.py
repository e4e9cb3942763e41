"""The composite's H.264: each slice begins with an IDR picture and stands alone.

Every IDR picture carries its parameter sets, so slices of different encoders may follow each
other: a decoder takes the new ones up there (H.264 §7.4.1.2.1), and no player is told of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
import structlog
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from media.cut.encoder import SOFTWARE, Encoder
from media.errors import CutFailed

_log = structlog.get_logger(__name__)

_KEYFRAME_S = 5  # a player's seek decodes this much at most
_PEAK = 1.5  # times the bitrate, over a window of a second or so
# The first picture is encoded a few times before it counts, as if it had stood so many seconds.
# Rate control that has nothing behind it but the cost of a key frame starves the pictures after
# it, and all slices would pulse.  Where a pixel has many bits a key frame costs less of a second.
_WARM_S, _LEAST_S = 2.0, 0.8
_WARM_PICTURES = 4
_FEW_BITS, _LESS_S = 0.15, 2.5  # a pixel; so much less for each bit more
_PROBE = 256  # pixels; hardware has a smallest size

_known: dict[Encoder, bool] = {}  # whether they work in this process


class EncoderFailed(CutFailed):
    """An encoder cannot be opened, or gave up."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture; decode order is display order."""

    tick: int
    data: bytes
    keyframe: bool


def working(encoder: Encoder) -> Encoder:
    """The encoder itself if it works on this host, otherwise the one in software.

    Tried once in a process, with one picture.
    """
    if encoder not in _known:
        _known[encoder] = encoder.codec == SOFTWARE.codec or _works(encoder)
    return encoder if _known[encoder] else SOFTWARE


def give_up(encoder: Encoder, why: EncoderFailed) -> None:
    """Not to be used again in this process."""
    _known[encoder] = False
    _log.warning("encoder failed, going on in software", error=str(why))


def _works(encoder: Encoder) -> bool:
    black = av.VideoFrame(_PROBE, _PROBE, "yuv420p")
    size = {"width": _PROBE, "height": _PROBE}
    try:
        made = list(encode([(0, black)], **size, fps=15, bitrate=500, encoder=encoder))
    except EncoderFailed as error:
        _log.warning(
            "encoder not usable, mixing in software", codec=encoder.codec, error=str(error)
        )
        return False
    _log.info("encoder works", codec=encoder.codec, preset=encoder.speed)
    return bool(made)


def encode(
    frames: Iterable[tuple[int, av.VideoFrame]],
    *,
    width: int,
    height: int,
    fps: int,
    bitrate: int,
    encoder: Encoder = SOFTWARE,
) -> Iterator[Picture]:
    """Encode (tick, frame) pairs; ``bitrate`` in kbit/s.  Raises EncoderFailed.

    In software the same input gives the same bytes.
    """
    context = _context(encoder, width, height, fps, bitrate)
    ahead = 0  # of the encoder's time against the canvas' ticks
    start = 0
    for number, (tick, frame) in enumerate(frames):
        if number == 0:
            start = _warm_up(context, frame, fps, bitrate)
            ahead = start - tick
        pictures = _encoded(context, frame, tick + ahead, begins=number == 0)
        yield from _placed(pictures, start, ahead)
    yield from _placed(_encoded(context, None), start, ahead)


def _warm_up(context: VideoCodecContext, frame: av.VideoFrame, fps: int, bitrate: int) -> int:
    """How many ticks it lasted."""
    bits = bitrate * 1000 / (frame.width * frame.height * fps)
    seconds = min(_WARM_S, max(_LEAST_S, _WARM_S - (bits - _FEW_BITS) * _LESS_S))
    ticks = round(seconds * fps)
    for tick in range(0, ticks, max(1, ticks // _WARM_PICTURES)):
        _encoded(context, frame, tick)
    return ticks


def _placed(pictures: Iterable[Picture], start: int, ahead: int) -> Iterator[Picture]:
    """Without those of the warm-up, at their ticks."""
    for picture in pictures:
        if picture.tick >= start:
            yield replace(picture, tick=picture.tick - ahead)


def _encoded(
    context: VideoCodecContext, frame: av.VideoFrame | None, tick: int = 0, *, begins: bool = False
) -> list[Picture]:
    if frame is not None:
        frame.pts, frame.time_base = tick, context.time_base
        frame.pict_type = PictureType.I if begins else PictureType.NONE
    try:
        packets: list[av.Packet[Any]] = context.encode(frame)
    except av.FFmpegError as error:
        raise EncoderFailed(f"{context.name}: {error.strerror}") from error
    return [Picture(p.pts, bytes(p), p.is_keyframe) for p in packets if p.pts is not None]


def _context(
    encoder: Encoder, width: int, height: int, fps: int, bitrate: int
) -> VideoCodecContext:
    try:
        context = cast("VideoCodecContext", VideoCodecContext.create(encoder.codec, "w"))
    except (av.FFmpegError, ValueError) as error:  # this FFmpeg was built without it
        raise EncoderFailed(f"{encoder.codec}: {error}") from error
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(fps)
    context.time_base = Fraction(1, fps)
    context.bit_rate = bitrate * 1000
    context.gop_size = fps * _KEYFRAME_S
    # As the canvas is painted; players take what says nothing for BT.709 when it is large.
    context.color_range = ColorRange.MPEG
    context.colorspace = Colorspace.ITU601
    context.color_primaries = ColorPrimaries.SMPTE170M
    context.color_trc = ColorTrc.SMPTE170M
    context.thread_count = 1
    own = _nvenc() if encoder.codec == "h264_nvenc" else _x264()
    context.options = own | {
        "preset": encoder.speed,
        "forced-idr": "1",
        "bf": "0",  # no reordering: decode times equal presentation times over every seam
        "maxrate": f"{round(bitrate * _PEAK)}k",
        "bufsize": f"{round(bitrate * _PEAK)}k",
    }
    return context


def _x264() -> dict[str, str]:
    return {"x264-params": "open-gop=0:threads=1:lookahead-threads=1"}


def _nvenc() -> dict[str, str]:
    return {"rc": "vbr", "no-scenecut": "1", "strict_gop": "1"}
