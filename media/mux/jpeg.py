"""JPEG files of decoded pictures."""

from fractions import Fraction

import av
from av.codec.context import Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange

from media.errors import CutFailed

_QUALITY = 3  # FFmpeg's scale: 1 is best, 31 worst
_TURNS = {0: (), 90: ("clock",), 180: ("clock", "clock"), 270: ("cclock",)}


def encode(picture: av.VideoFrame, rotation: int = 0) -> bytes:
    """A picture as a JPEG file, turned clockwise by 0, 90, 180 or 270 degrees.

    In its own size; the same picture always gives the same bytes.  Raises CutFailed.
    """
    try:
        upright = _upright(picture, rotation)
        encoder = _encoder(upright.width, upright.height)
        upright.pts = 0
        data = b"".join(bytes(packet) for packet in [*encoder.encode(upright), *encoder.encode()])
    except (av.FFmpegError, KeyError, ValueError) as exc:
        raise CutFailed(f"a picture cannot be made a JPEG: {exc}") from exc
    if not data:
        raise CutFailed("the JPEG encoder gave nothing")
    return data


def _upright(picture: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """The picture turned, in the full range that JPEG has."""
    full = picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")
    size = f"{picture.width}x{picture.height}"
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add(
            "buffer",
            f"video_size={size}:pix_fmt={picture.format.name}:time_base=1/1000:pixel_aspect=1/1",
        ),
        *(graph.add("transpose", turn) for turn in _TURNS[rotation]),
        graph.add("scale", f"in_range={'pc' if full else 'tv'}:out_range=pc:flags=bilinear"),
        graph.add("format", "pix_fmts=yuvj420p"),
        graph.add("buffersink"),
    )
    graph.configure()
    graph.vpush(picture)
    return graph.vpull()


def _encoder(width: int, height: int) -> VideoCodecContext:
    encoder = VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 1000)
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = _QUALITY
    encoder.flags |= Flags.qscale | Flags.bitexact  # the same bytes, without a version in them
    return encoder
