"""Where each publisher's picture goes on the canvas: pure geometry in fractions of the canvas."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from media.cut.look import BEST_FIT, CUSTOM, FLOATING, VERTICAL, Place
from media.errors import CutFailed

MAX_REGIONS = 17

# Floating: size of a small region, and of the gaps around it, as fractions of the canvas side.
_SMALL, _GAP = 0.235, 0.012
# Vertical, per number of small regions: their width, how many in a column, columns.
_VERTICAL_STEPS = ((4, 1 / 5, 4, 1), (6, 1 / 7, 6, 1), (8, 1 / 9, 8, 1), (16, 1 / 10, 8, 2))


class LayoutUnknown(CutFailed):
    """A layout this version cannot draw."""


class Fit(Enum):
    """How a picture of another shape goes into a region."""

    FILL = auto()  # cut at the edges
    WHOLE = auto()  # with borders through which the canvas shows
    FRAMED = auto()  # with black borders


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in fractions of the canvas; origin top-left."""

    x: float
    y: float
    w: float
    h: float
    fit: Fit = Fit.FILL
    alpha: float = 1.0  # 0 transparent, 1 opaque
    depth: int = 0  # what has more lies on top; equal ones in join order

    def pixels(self, width: int, height: int) -> "Rect":
        """The same on a canvas.  Edges are even (4:2:0) and shared by neighbours."""
        left, right = (_edge(x, width) for x in (self.x, self.x + self.w))
        top, bottom = (_edge(y, height) for y in (self.y, self.y + self.h))
        return Rect(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels with even edges."""

    x: int
    y: int
    w: int
    h: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.w <= 0 or self.h <= 0

    def overlaps(self, other: "Rect") -> bool:
        """Whether they share a pixel."""
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )


def _edge(share: float, side: int) -> int:
    return min(max(round(share * side / 2) * 2, 0), side)


def arrange(
    layout: int, uids: Sequence[str], *, largest: str = "", places: Sequence[Place] = ()
) -> tuple[Region | None, ...]:
    """A region for each of ``uids`` (in join order).

    ``None`` for those who are not shown.  A uid may occur twice: camera and screen.  Raises
    LayoutUnknown.
    """
    shown = len(uids[:MAX_REGIONS])
    if layout == FLOATING:
        regions: tuple[Region | None, ...] = floating(shown)
    elif layout == BEST_FIT:
        regions = best_fit(shown)
    elif layout == VERTICAL:
        regions = vertical(uids, largest)
    elif layout == CUSTOM:
        regions = custom(uids, places)
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
    owner = uids.index(largest) if largest in uids else None
    small = [i for i in range(len(uids)) if i != owner][: MAX_REGIONS - 1]
    step = next(step for step in _VERTICAL_STEPS if len(small) <= step[0])
    _, width, per_column, columns = step
    regions: list[Region | None] = [None] * len(uids)
    for place, i in enumerate(small):
        column, row = divmod(place, per_column)
        regions[i] = Region(1 - width * (column + 1), row / per_column, width, 1 / per_column)
    if owner is not None:
        regions[owner] = Region(0, 0, 1 - width * columns, 1, fit=Fit.WHOLE)
    return tuple(regions)


def custom(uids: Sequence[str], places: Sequence[Place]) -> tuple[Region | None, ...]:
    """Reserved places for their owners, the others in join order (reference §3.6)."""
    places = places[:MAX_REGIONS]
    waiting = list(range(len(uids)))
    owners: dict[int, int] = {}  # place -> publisher
    for reserved in (True, False):
        for i, place in enumerate(places):
            if bool(place.uid) is reserved:
                fitting = (k for k in waiting if uids[k] == place.uid or not reserved)
                owner = next(fitting, None)
                if owner is not None:
                    owners[i] = owner
                    waiting.remove(owner)
    regions: list[Region | None] = [None] * len(uids)
    for i, owner in owners.items():
        place = places[i]
        fit = Fit.FRAMED if place.whole else Fit.FILL
        regions[owner] = Region(place.x, place.y, place.w, place.h, fit, place.alpha, depth=i)
    return tuple(regions)
