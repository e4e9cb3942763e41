"""Draws the canvas tick by tick: who is where, and what has changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import av

from media.cut.canvas import Canvas, Planes, Scaler
from media.cut.layouts import Rect, arrange
from media.cut.lines import Line
from media.cut.model import CompositeSpec
from media.cut.picture import LinePictures
from media.cut.presence import Occupant, State


@dataclass(slots=True)
class _Spot:
    """One occupant's region, bottom of the stack first."""

    occupant: Occupant
    rect: Rect
    scaler: Scaler
    whole: bool  # the picture may leave borders
    scaled: Planes | None = None


class Stage:
    """One slice's canvas."""

    def __init__(self, spec: CompositeSpec, lines: Mapping[Line, LinePictures]) -> None:
        self._spec = spec
        self._lines = lines
        # 4:2:0 has no odd sides.
        width, height = spec.width // 2 * 2, spec.height // 2 * 2
        self._canvas = Canvas(width, height, spec.background_color)
        self._spots: list[_Spot] = []

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._canvas.width, self._canvas.height

    def arrange(self, occupants: Sequence[Occupant]) -> None:
        """Give everybody a region anew; pictures stay what they were."""
        spec = self._spec
        uids = [one.uid for one in occupants]
        regions = arrange(spec.layout, uids, largest=spec.max_resolution_uid)
        self._spots = [
            self._spot(occupant, region.pixels(*self.size), whole=region.whole)
            for occupant, region in zip(occupants, regions, strict=True)
            if region is not None
        ]
        self._canvas.clear()

    def _spot(self, occupant: Occupant, rect: Rect, *, whole: bool) -> _Spot:
        for old in self._spots:
            if old.occupant.line == occupant.line and old.rect == rect:
                old.occupant = occupant
                return old
        return _Spot(occupant, rect, Scaler(rect, whole=whole), whole)

    def draw(self, tick: int, *, everything: bool) -> av.VideoFrame:
        """The canvas at a tick, repainting what changed, or everything."""
        dirty: list[Rect] = []
        for spot in self._spots:
            fresh = self._advance(spot, tick, everything=everything)
            covered = any(rect.overlaps(spot.rect) for rect in dirty)
            if spot.scaled is not None and (fresh or everything or covered):
                if spot.whole:
                    self._canvas.fill(spot.rect)
                self._canvas.paste(spot.rect, spot.scaled)
                dirty.append(spot.rect)
        return self._canvas.frame()

    def _advance(self, spot: _Spot, tick: int, *, everything: bool) -> bool:
        """Bring a spot's picture up to date; whether it is a new one."""
        line = self._lines.get(spot.occupant.line)
        if line is None:
            return False
        changed = line.advance(tick)
        if line.picture is None or line.track not in spot.occupant.tracks:
            spot.scaled = None  # nothing yet, or from before the publisher left
            return False
        if changed or spot.scaled is None:
            spot.scaled = spot.scaler.scale(line.picture)
            return True
        return False


def scenes(
    states: Sequence[State], ticks: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, tuple[Occupant, ...] | None]]:
    """For each (tick, time) the occupants, if they changed since the tick before."""
    state = -1
    for tick, at_ns in ticks:
        latest = state
        while latest + 1 < len(states) and states[latest + 1][0] <= at_ns:
            latest += 1
        yield tick, states[latest][1] if latest != state else None
        state = latest
