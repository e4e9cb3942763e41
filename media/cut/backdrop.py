"""Images behind publishers and in their place: decoded, fitted, kept while a slice is made."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import av
import structlog
from av.video.codeccontext import VideoCodecContext

from media.cut.canvas import Planes
from media.cut.layouts import Fit, Rect
from media.cut.scaler import Scaler

log = structlog.get_logger(__name__)

_MAX_PIXELS = 40_000_000  # decoded at once, for a moment
_MAX_BYTES = 16 << 20  # far above what is fetched
_KEPT = 40  # fitted images; the largest fills a canvas
# By how a file begins.  Decoders are given the bytes themselves: no demuxer looks into them.
_DECODERS = {b"\xff\xd8\xff": "mjpeg", b"BM": "bmp", b"\x89PNG\r\n\x1a\n": "png"}


class Backdrop:
    """The images of one slice, by URL."""

    def __init__(self, images: Mapping[str, Path], scaler: Scaler) -> None:
        """``images`` are files that are there; an image that is not is treated as not asked for."""
        self._images = images
        self._scaler = scaler
        self._fitted: OrderedDict[tuple[str, int, int, Fit], Planes | None] = OrderedDict()

    def fitted(self, url: str, rect: Rect, fit: Fit) -> Planes | None:
        """An image as a region shows it; None if there is none, or it cannot be decoded."""
        if url not in self._images:
            return None
        key = url, rect.w, rect.h, fit
        if key not in self._fitted:
            self._fitted[key] = self._fit(self._images[url], rect, fit)
            if len(self._fitted) > _KEPT:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return self._fitted[key]

    def _fit(self, path: Path, rect: Rect, fit: Fit) -> Planes | None:
        picture = _decoded(path)
        try:
            return None if picture is None else self._scaler.scale(picture, rect, fit)
        except av.FFmpegError as error:
            log.warning("an image cannot be scaled", image=path.name, error=str(error))
            return None


def readable(path: Path) -> bool:
    """Whether a file holds an image that can be shown."""
    return _decoded(path) is not None


def _decoded(path: Path) -> av.VideoFrame | None:
    """The picture in a JPG, BMP or PNG file; None, and a line in the log, if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        return _decode(data)
    except (OSError, av.FFmpegError, ValueError) as error:
        log.warning("an image cannot be used", image=path.name, error=str(error))
        return None


def _decode(data: bytes) -> av.VideoFrame:
    name = next((name for head, name in _DECODERS.items() if data.startswith(head)), None)
    if name is None or len(data) > _MAX_BYTES:
        raise ValueError("neither JPG, BMP nor PNG, or too large")
    decoder = cast("VideoCodecContext", VideoCodecContext.create(name, "r"))
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(_MAX_PIXELS)}
    decoder.open()
    pictures = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    if not pictures:
        raise ValueError("there is no picture in it")
    return pictures[0]
