"""A planar 4:2:0 canvas that is painted over and over."""

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from media.cut.layouts import Rect
from media.errors import CutFailed

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
BLACK = (16, 128, 128)

_OPAQUE = 256


class Canvas:
    """One picture; what lies under everything is its background."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._memory = np.empty((height * 3 // 2, width), np.uint8)
        self._planes = _plane_views(self._memory, width, height)
        self._background: Planes = solid(width, height, BLACK)

    def set_background(self, background: Planes) -> None:
        """What :meth:`restore` brings back; planes of the canvas' size."""
        self._background = background

    def restore(self, rect: Rect) -> None:
        """Paint a region as the background is there."""
        for plane, under, half in zip(self._planes, self._background, (1, 2, 2), strict=True):
            _part(plane, rect, half)[:] = _part(under, rect, half)

    def paste(self, rect: Rect, picture: Planes, alpha: float = 1.0) -> None:
        """Put a picture into the middle of a region; it must not be larger.

        ``alpha`` mixes it with what is there: 0 leaves that, 1 covers it.
        """
        weight = round(alpha * _OPAQUE)
        for part, new in self._under(rect, picture):
            if weight >= _OPAQUE:
                part[:] = new
            else:
                mixed = new.astype(np.uint16) * weight
                mixed += part.astype(np.uint16) * (_OPAQUE - weight) + _OPAQUE // 2
                part[:] = mixed >> 8

    def _under(self, rect: Rect, picture: Planes) -> Iterator[tuple[Plane, Plane]]:
        """For each plane the part of the canvas that a picture falls on, and the picture's."""
        high, wide = picture[0].shape
        x, y = rect.x + (rect.w - wide) // 4 * 2, rect.y + (rect.h - high) // 4 * 2
        inner = Rect(x, y, wide, high)
        for plane, new, half in zip(self._planes, picture, (1, 2, 2), strict=True):
            yield _part(plane, inner, half), new

    def frame(self) -> av.VideoFrame:
        """As it is now, without copying: it changes with the next stroke.

        Encoders copy what they are given before they return.
        """
        return av.VideoFrame.from_numpy_buffer(self._memory, format="yuv420p")


def solid(width: int, height: int, colour: tuple[int, int, int]) -> Planes:
    """A picture of one colour (Y, U, V), of even size; it takes no memory and is read-only."""
    y, u, v = (
        np.broadcast_to(np.uint8(value), (height // half, width // half))
        for value, half in zip(colour, (1, 2, 2), strict=True)
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


def _part(plane: Plane, rect: Rect, half: int) -> Plane:
    x, y = rect.x // half, rect.y // half
    return plane[y : y + rect.h // half, x : x + rect.w // half]


def _plane_views(memory: Plane, width: int, height: int) -> Planes:
    """Y, U and V inside one buffer laid out as ``VideoFrame.from_numpy_buffer`` expects it."""
    flat = memory.reshape(-1)
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )
