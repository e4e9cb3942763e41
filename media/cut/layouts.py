"""Where each publisher's picture goes on the canvas: pure geometry in fractions of the canvas."""

from collections.abc import Sequence
from dataclasses import dataclass

from media.errors import CutFailed

MAX_REGIONS = 17
FLOATING, BEST_FIT, VERTICAL = 0, 1, 2

# Floating: size of a small region, and of the gaps around it, as fractions of the canvas side.
_SMALL, _GAP = 0.235, 0.012
# Vertical, per number of small regions: their width, how many in a column, columns.
_VERTICAL_STEPS = ((4, 1 / 5, 4, 1), (6, 1 / 7, 6, 1), (8, 1 / 9, 8, 1), (16, 1 / 10, 8, 2))


class LayoutUnknown(CutFailed):
    """A layout this version cannot draw."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in fractions of the canvas; origin top-left."""

    x: float
    y: float
    w: float
    h: float
    whole: bool = False  # show the whole picture with borders; otherwise fill and crop

    def pixels(self, width: int, height: int) -> "Rect":
        """The same on a canvas.  Edges are even (4:2:0) and shared by neighbours."""
        left, top = _even(self.x * width), _even(self.y * height)
        right = min(_even((self.x + self.w) * width), width)
        bottom = min(_even((self.y + self.h) * height), height)
        return Rect(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels with even edges."""

    x: int
    y: int
    w: int
    h: int

    def overlaps(self, other: "Rect") -> bool:
        """Whether they share a pixel."""
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )


def _even(pixels: float) -> int:
    return round(pixels / 2) * 2


def arrange(layout: int, uids: Sequence[str], *, largest: str = "") -> tuple[Region | None, ...]:
    """A region for each of ``uids`` (in join order), bottom of the stack first.

    ``None`` for those who are not shown.  Raises LayoutUnknown.
    """
    shown = len(uids[:MAX_REGIONS])
    if layout == FLOATING:
        regions: tuple[Region | None, ...] = floating(shown)
    elif layout == BEST_FIT:
        regions = best_fit(shown)
    elif layout == VERTICAL:
        regions = vertical(uids, largest)
    else:
        raise LayoutUnknown(f"layout {layout} is not supported")
    return regions + (None,) * (len(uids) - len(regions))


def floating(count: int) -> tuple[Region, ...]:
    """The first fills the canvas; the others float over it, four a row, from the bottom left."""
    pitch = _SMALL + _GAP
    small = (
        Region(_GAP + pitch * (i % 4), 1 - pitch * (i // 4 + 1), _SMALL, _SMALL)
        for i in range(count - 1)
    )
    return (Region(0, 0, 1, 1), *small) if count else ()


def best_fit(count: int) -> tuple[Region, ...]:
    """The smallest of the grids that holds everybody, filled row by row."""
    if count == MAX_REGIONS:
        rows = (Region(0.1 + 0.2 * (i % 4), 0.2 * (i // 4), 0.2, 0.2) for i in range(count - 1))
        return (*rows, Region(0.4, 0.8, 0.2, 0.2))
    for most, columns, rows_count in ((1, 1, 1), (2, 2, 1), (4, 2, 2), (9, 3, 3), (16, 4, 4)):
        if count <= most:
            w, h = 1 / columns, 1 / rows_count
            cells = range(count)
            return tuple(Region(i % columns * w, i // columns * h, w, h) for i in cells)
    raise LayoutUnknown(f"{count} regions do not fit on a canvas")


def vertical(uids: Sequence[str], largest: str) -> tuple[Region | None, ...]:
    """``largest`` on the left, the others small on the right.

    While ``largest`` is absent its region shows the background.
    """
    small = [i for i, uid in enumerate(uids) if uid != largest][: MAX_REGIONS - 1]
    step = next(step for step in _VERTICAL_STEPS if len(small) <= step[0])
    _, width, per_column, columns = step
    regions: list[Region | None] = [None] * len(uids)
    for place, i in enumerate(small):
        column, row = divmod(place, per_column)
        regions[i] = Region(1 - width * (column + 1), row / per_column, width, 1 / per_column)
    if largest in uids:
        regions[uids.index(largest)] = Region(0, 0, 1 - width * columns, 1, whole=True)
    return tuple(regions)
