"""What a mix should look like, and how near to it a file is.

The reference is composed of the publishers' decoded pictures by matrices of Lanczos weights in
single precision, without FFmpeg's scaler, and never encoded.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from media.bench.errors import BenchFailed
from media.bench.mix_media import FPS, Media, decoded
from media.bench.mix_row import Place, Row, placed

Plane = npt.NDArray[np.float32]
Planes = tuple[Plane, Plane, Plane]

EVERY = (
    4  # of the canvas' pictures are compared; 4 shares no factor with the distance of key frames
)
_LOBES = 3  # of the Lanczos kernel
_BLACK = (16.0, 128.0, 128.0)


def reference(row: Row, publishers: Sequence[Media]) -> Iterator[Planes]:
    """Each ``EVERY``-th picture of the canvas, as it should be."""
    step = EVERY * FPS // row.fps
    different = {id(media): media for media in publishers}
    streams = {key: islice(decoded(media), 0, None, step) for key, media in different.items()}
    scalers = [_Scaler(place) for place in placed(row)]
    for pictures in zip(*streams.values(), strict=True):
        now = dict(zip(streams, pictures, strict=True))
        canvas = _canvas(row)
        scaled: dict[tuple[int, int, int], Planes] = {}
        for media, scaler in zip(publishers, scalers, strict=True):
            key = (id(media), scaler.place.rect.w, scaler.place.rect.h)
            if key not in scaled:
                scaled[key] = scaler.scaled(_split(now[id(media)]))
            scaler.put(scaled[key], canvas)
        yield canvas


def pictures_of(path: Path) -> Iterator[Planes]:
    """All pictures of a file.  Raises BenchFailed."""
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield _split(np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8))
    except av.FFmpegError as exc:
        raise BenchFailed(f"{path.name}: {exc}") from exc


def similarity(row: Row, publishers: Sequence[Media], path: Path) -> tuple[float, float]:
    """SSIM of a file and the reference, of luma and of all planes.  Raises BenchFailed."""
    shown = islice(pictures_of(path), 0, None, EVERY)
    rows = [
        [ssim(*planes) for planes in zip(one, other, strict=True)]
        for one, other in zip(reference(row, publishers), shown, strict=True)
    ]
    luma, *chroma = np.mean(rows, axis=0)
    return float(luma), float(luma * 4 + sum(chroma)) / 6


def ssim(one: Plane, other: Plane) -> float:
    """As FFmpeg's filter of that name: windows of 8x8 pixels, every 4 pixels."""
    a, b = (_windows(plane) for plane in (one, other))
    squares, products = _windows(one * one + other * other), _windows(one * other)
    spread = squares * 64 - a * a - b * b
    together = products * 64 - a * b
    c1, c2 = 0.01**2 * 255**2 * 64, 0.03**2 * 255**2 * 64 * 63
    windows = (2 * a * b + c1) * (2 * together + c2) / ((a * a + b * b + c1) * (spread + c2))
    return float(windows.mean())


def _windows(plane: Plane) -> npt.NDArray[np.float64]:
    high, wide = plane.shape[0] // 4, plane.shape[1] // 4
    blocks = plane[: high * 4, : wide * 4].reshape(high, 4, wide, 4).sum((1, 3), np.float64)
    return np.asarray(blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:])


class _Scaler:
    """Brings a publisher's picture into its region."""

    def __init__(self, place: Place) -> None:
        self.place = place
        w, h, _, _ = place.crop
        self._across = [_lanczos(w // half, place.rect.w // half) for half in (1, 2)]
        self._down = [_lanczos(h // half, place.rect.h // half) for half in (1, 2)]

    def scaled(self, picture: Planes) -> Planes:
        """The part that the region shows, in its size, rounded as pixels are."""
        y, u, v = (self._plane(i > 0, plane) for i, plane in enumerate(picture))
        return y, u, v

    def _plane(self, chroma: bool, plane: Plane) -> Plane:
        w, h, x, y = (edge // (1 + chroma) for edge in self.place.crop)
        part = self._down[chroma] @ plane[y : y + h, x : x + w] @ self._across[chroma].T
        return np.asarray(part.round().clip(0, 255))

    def put(self, picture: Planes, canvas: Planes) -> None:
        """Paste."""
        rect = self.place.rect
        for half, part, plane in zip((1, 2, 2), picture, canvas, strict=True):
            high, wide = part.shape
            plane[rect.y // half :, rect.x // half :][:high, :wide] = part


def _lanczos(count: int, wanted: int) -> Plane:
    """Weights (wanted, count) that make ``wanted`` samples of ``count``; edges are repeated."""
    scale = max(1.0, count / wanted)
    centres = (np.arange(wanted) + 0.5) * count / wanted - 0.5
    reach = int(np.ceil(_LOBES * scale)) + 1
    near = np.floor(centres)[:, None].astype(int) + np.arange(-reach, reach + 1)
    at = (near - centres[:, None]) / scale
    weights = np.where(np.abs(at) < _LOBES, np.sinc(at) * np.sinc(at / _LOBES), 0.0)
    matrix = np.zeros((wanted, count))
    np.add.at(matrix, (np.arange(wanted)[:, None], near.clip(0, count - 1)), weights)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)


def _canvas(row: Row) -> Planes:
    width, height = row.size
    y, u, v = (
        np.full((height // half, width // half), value, np.float32)
        for half, value in zip((1, 2, 2), _BLACK, strict=True)
    )
    return y, u, v


def _split(picture: npt.NDArray[np.uint8]) -> Planes:
    """Planar YUV 4:2:0 as three planes."""
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    flat = picture.reshape(-1).astype(np.float32)
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )
