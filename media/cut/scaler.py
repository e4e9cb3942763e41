"""Fits pictures of any size, rotation and colour space into a region; pure libavfilter."""

from collections import OrderedDict

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import Colorspace

from media.cut.canvas import Planes
from media.cut.layouts import Fit, Rect

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_GRAPHS = 48  # kept ready; each holds a few hundred kilobytes
# How to turn a picture clockwise by so many degrees (libavfilter's names).
_TURNS = {
    0: (),
    90: (("transpose", "clock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "cclock"),),
}

# Colour spaces that are not the canvas' (BT.601), by libavfilter's names.  Who says none, or one
# that nobody knows, means BT.601.
_MATRICES: dict[int, str] = {
    Colorspace.ITU709: "bt709",
    Colorspace.SMPTE240M: "smpte240m",
    Colorspace.BT2020: "bt2020",
}

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED

# Source width, height, pixel format, colour range, matrix and rotation; region width, height and
# fit.
_Key = tuple[int, int, str, int, str, int, int, int, Fit]


class Scaler:
    """Scales by graphs that it keeps: publishers of one size share one per size of region."""

    def __init__(self) -> None:
        self._graphs: OrderedDict[_Key, Graph] = OrderedDict()

    def scale(self, picture: av.VideoFrame, rect: Rect, fit: Fit, rotation: int = 0) -> Planes:
        """The picture, turned clockwise by ``rotation`` degrees, as a region shows it.

        With Fit.WHOLE it may be smaller than the region.
        """
        graph = self._graph(picture, rect, fit, rotation)
        space = int(picture.colorspace)
        # Some values, which anybody may send, libavfilter refuses; the graph knows what to do.
        picture.colorspace = _UNSPECIFIED
        try:
            graph.vpush(picture)
        finally:
            picture.colorspace = space
        return planes(graph.vpull())

    def _graph(self, picture: av.VideoFrame, rect: Rect, fit: Fit, rotation: int) -> Graph:
        key = (
            picture.width,
            picture.height,
            picture.format.name,
            int(picture.color_range),
            _MATRICES.get(int(picture.colorspace), ""),
            rotation,
            rect.w,
            rect.h,
            fit,
        )
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _build(*key)
            if len(self._graphs) > _GRAPHS:
                self._graphs.popitem(last=False)
        else:
            self._graphs.move_to_end(key)
        return graph


def _build(
    width: int,
    height: int,
    pixels: str,
    colour_range: int,
    matrix: str,
    rotation: int,
    region_width: int,
    region_height: int,
    fit: Fit,
) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = (
        f"video_size={width}x{height}:pix_fmt={pixels}:time_base=1/1000:pixel_aspect=1/1"
        f":range={colour_range}"
    )
    steps = [("buffer", source)]
    # Turned last, when the picture is small: until then the region lies on its side.
    sideways = rotation in (90, 270)
    room = (region_height, region_width) if sideways else (region_width, region_height)
    if fit is Fit.FILL:
        w, h, x, y = crop(width, height, *room)
        # Cropping moves pointers; scaling the whole picture first would cost several times.
        steps.append(("crop", f"{w}:{h}:{x}:{y}:exact=1"))
        out_w, out_h = room
    else:
        w, h = width, height
        out_w, out_h = contained(width, height, *room)
    if (w, h, pixels) != (out_w, out_h, "yuv420p") or colour_range == _FULL_RANGE:
        # The mean of each area: sharper than bilinear where pictures get smaller, and cheaper.
        steps.append(("scale", f"{out_w}:{out_h}:flags=area:out_range=tv"))
        steps.append(("format", "pix_fmts=yuv420p"))
    if matrix:
        # The numbers alone: gamma and primaries differ by less than anybody sees.
        steps.append(("colorspace", f"iall={matrix}:all=smpte170m:fast=1"))
    steps += _TURNS[rotation]
    if fit is Fit.FRAMED:
        steps.append(("pad", f"{region_width}:{region_height}:-1:-1:black"))
    nodes = [graph.add(name, arguments) for name, arguments in steps]
    graph.link_nodes(*nodes, graph.add("buffersink"))
    graph.configure()
    return graph


def crop(width: int, height: int, wide: int, high: int) -> tuple[int, int, int, int]:
    """The middle part (w, h, x, y) of a picture that has the shape of a region."""
    w = min(width, _even(height * wide / high))
    h = min(height, _even(width * high / wide))
    return w, h, (width - w) // 4 * 2, (height - h) // 4 * 2


def contained(width: int, height: int, wide: int, high: int) -> tuple[int, int]:
    """The largest size of a picture's shape that a region can hold."""
    scale = min(wide / width, high / height)
    return min(wide, _even(width * scale)), min(high, _even(height * scale))


def planes(picture: av.VideoFrame) -> Planes:
    """The three planes of a yuv420p picture, without copying."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[  # type: ignore[call-overload]  # a plane is a buffer
            : plane.height, : plane.width
        ]
        for plane in picture.planes
    )
    return y, u, v


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)
