"""A planar 4:2:0 canvas, and the scalers that fit pictures into its regions."""

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from media.cut.layouts import Rect
from media.errors import CutFailed

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]


class Canvas:
    """One picture that is painted over and over."""

    def __init__(self, width: int, height: int, background: str) -> None:
        self.width, self.height = width, height
        self._colour = yuv(background)
        self._memory = np.empty((height * 3 // 2, width), np.uint8)
        self._planes = _plane_views(self._memory, width, height)
        self.clear()

    def clear(self) -> None:
        """Paint everything in the background colour."""
        for plane, value in zip(self._planes, self._colour, strict=True):
            plane[:] = value

    def fill(self, rect: Rect) -> None:
        """Paint a region in the background colour."""
        for plane, value, half in zip(self._planes, self._colour, (1, 2, 2), strict=True):
            _part(plane, rect, half)[:] = value

    def paste(self, rect: Rect, picture: Planes) -> None:
        """Put a picture into the middle of a region; it must not be larger."""
        high, wide = picture[0].shape
        x, y = rect.x + (rect.w - wide) // 4 * 2, rect.y + (rect.h - high) // 4 * 2
        inner = Rect(x, y, wide, high)
        for plane, part, half in zip(self._planes, picture, (1, 2, 2), strict=True):
            _part(plane, inner, half)[:] = part

    def frame(self) -> av.VideoFrame:
        """A copy as it is now."""
        return av.VideoFrame.from_ndarray(self._memory, format="yuv420p")


class Scaler:
    """Scales pictures of any size to one region, by filling and cropping, or whole."""

    def __init__(self, rect: Rect, *, whole: bool) -> None:
        self._rect = rect
        self._whole = whole
        self._graph: Graph | None = None
        self._for: tuple[int, int, str] = (0, 0, "")

    def scale(self, picture: av.VideoFrame) -> Planes:
        """The picture as the region shows it."""
        wanted = (picture.width, picture.height, picture.format.name)
        if self._graph is None or self._for != wanted:
            self._graph = self._build(*wanted)
            self._for = wanted
        self._graph.vpush(picture)
        return planes(self._graph.vpull())

    def _build(self, width: int, height: int, pixels: str) -> Graph:
        graph = Graph()
        graph.threads = 1
        nodes = [
            graph.add(
                "buffer",
                f"video_size={width}x{height}:pix_fmt={pixels}:time_base=1/1000:pixel_aspect=1/1",
            )
        ]
        out_w, out_h = self._rect.w, self._rect.h
        if self._whole:
            out_w, out_h = contained(width, height, self._rect)
        else:
            w, h, x, y = crop(width, height, self._rect)
            # Cropping moves pointers; scaling the whole picture first would cost several times.
            nodes.append(graph.add("crop", f"{w}:{h}:{x}:{y}:exact=1"))
        nodes.append(graph.add("scale", f"{out_w}:{out_h}:flags=bilinear:out_range=tv"))
        nodes.append(graph.add("format", "pix_fmts=yuv420p"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes)
        graph.configure()
        return graph


def crop(width: int, height: int, rect: Rect) -> tuple[int, int, int, int]:
    """The middle part (w, h, x, y) of a picture that has the shape of a region."""
    w = min(width, _even(height * rect.w / rect.h))
    h = min(height, _even(width * rect.h / rect.w))
    return w, h, (width - w) // 4 * 2, (height - h) // 4 * 2


def contained(width: int, height: int, rect: Rect) -> tuple[int, int]:
    """The largest size of a picture's shape that a region can hold."""
    scale = min(rect.w / width, rect.h / height)
    return min(rect.w, _even(width * scale)), min(rect.h, _even(height * scale))


def planes(picture: av.VideoFrame) -> Planes:
    """The three planes of a yuv420p picture, without copying."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[  # type: ignore[call-overload]  # a plane is a buffer
            : plane.height, : plane.width
        ]
        for plane in picture.planes
    )
    return y, u, v


def yuv(colour: str) -> tuple[int, int, int]:
    """``#RRGGBB`` as BT.601 studio-range Y, U, V.  Raises CutFailed."""
    try:
        r, g, b = bytes.fromhex(colour.removeprefix("#"))
    except ValueError as error:
        raise CutFailed(f"{colour!r} is not a colour") from error
    return (
        round(16 + 0.256788 * r + 0.504129 * g + 0.097906 * b),
        round(128 - 0.148223 * r - 0.290993 * g + 0.439216 * b),
        round(128 + 0.439216 * r - 0.367788 * g - 0.071427 * b),
    )


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)


def _part(plane: Plane, rect: Rect, half: int) -> Plane:
    x, y = rect.x // half, rect.y // half
    return plane[y : y + rect.h // half, x : x + rect.w // half]


def _plane_views(memory: Plane, width: int, height: int) -> Planes:
    """Y, U and V inside one buffer laid out as ``VideoFrame.from_ndarray`` expects it."""
    flat = memory.reshape(-1)
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )
