"""Image files as a customer's web server has them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.media.cut.look import Shot

RED, GREEN, BLUE = (200, 30, 30), (30, 180, 30), (30, 30, 200)
_FORMATS = {"jpg": ("mjpeg", "yuvj420p"), "bmp": ("bmp", "bgr24"), "png": ("png", "rgb24")}


def image(
    path: Path, rgb: tuple[int, int, int], *, size: tuple[int, int] = (64, 48), edge: Any = None
) -> Path:
    """A picture of one colour, in the format of its ending; ``edge``: its outer sixth differs."""
    array = np.empty((size[1], size[0], 3), np.uint8)
    array[:] = rgb if edge is None else edge
    high, wide = size[1] // 6, size[0] // 6
    array[high : size[1] - high, wide : size[0] - wide] = rgb
    name, pixels = _FORMATS[path.suffix[1:]]
    encoder = av.CodecContext.create(name, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base = pixels, Fraction(1)
    frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pixels)
    path.write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))
    return path


def is_rgb(shot: Shot, x: float, y: float, rgb: tuple[int, int, int], tolerance: int = 14) -> bool:
    """Whether a point of a picture has a colour, read as BT.601 studio range."""
    at = shot.colour(x, y)
    luma, u, v = (at.y - 16) * 255 / 219, (at.u - 128) * 255 / 224, (at.v - 128) * 255 / 224
    red, green, blue = luma + 1.402 * v, luma - 0.344 * u - 0.714 * v, luma + 1.772 * u
    return all(abs(a - b) <= tolerance for a, b in zip((red, green, blue), rgb, strict=True))
