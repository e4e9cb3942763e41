"""One row of the measurement: what is mixed, where everybody is, and what it took."""

import math
from dataclasses import dataclass

from media.cut.layouts import Rect, arrange
from media.cut.look import BEST_FIT

OURS, FFMPEG, CUTTERS = "tapefarm", "ffmpeg", "cutters"
NAMES = (OURS, FFMPEG, CUTTERS)


@dataclass(frozen=True, slots=True)
class Row:
    """One mix; its publishers send the size that the canvas has."""

    publishers: int  # 2 to 17
    size: tuple[int, int]
    codec: str  # of the publishers: "vp8", "h264"
    fps: int  # of the canvas

    @property
    def bitrate(self) -> int:
        """Of the mix, kbit/s: what Agora's table of profiles says, as a formula."""
        width, height = self.size
        pixels = width * height / (640 * 360)
        return round(400 * math.pow(pixels, 0.75) * math.pow(self.fps / 15, 0.585))


@dataclass(frozen=True, slots=True)
class Used:
    """What one mix took."""

    cpu_s: float  # user and system
    wall_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """A region and the part of a publisher's picture that it shows."""

    rect: Rect
    crop: tuple[int, int, int, int]  # w, h, x, y; even


def placed(row: Row) -> list[Place]:
    """Everybody's place, in the layout of best fit."""
    width, height = row.size
    regions = arrange(BEST_FIT, [str(i) for i in range(row.publishers)])
    rects = [region.pixels(width, height) for region in regions if region is not None]
    return [Place(rect, _middle(width, height, rect)) for rect in rects]


def _middle(width: int, height: int, rect: Rect) -> tuple[int, int, int, int]:
    """The largest part of the region's shape."""
    w = min(width, round(height * rect.w / rect.h / 2) * 2)
    h = min(height, round(width * rect.h / rect.w / 2) * 2)
    return w, h, (width - w) // 4 * 2, (height - h) // 4 * 2
