"""Draws the canvas tick by tick: who is where, and what has changed."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import av

from media.cut.backdrop import Backdrop
from media.cut.canvas import Canvas, Planes, solid, yuv
from media.cut.layer import Layer, Sources
from media.cut.layouts import Fit, Rect, arrange
from media.cut.lines import Line
from media.cut.look import Look
from media.cut.model import CompositeSpec
from media.cut.picture import LinePictures
from media.cut.scaler import Scaler
from media.cut.scenes import Scene


class Stage:
    """One slice's canvas."""

    def __init__(
        self,
        spec: CompositeSpec,
        lines: Mapping[Line, LinePictures],
        images: Mapping[str, Path],
    ) -> None:
        # 4:2:0 has no odd sides.
        self._canvas = Canvas(spec.width // 2 * 2, spec.height // 2 * 2)
        self._whole = Rect(0, 0, *self.size)
        self._lines = lines
        self._scaler = Scaler()
        self._backdrop = Backdrop(images, self._scaler)
        self._layers: list[Layer] = []  # bottom of the stack first
        self._piles = Piles(())
        self._anew = True  # nothing on the canvas is as it should be
        self._drawn: av.VideoFrame | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._canvas.width, self._canvas.height

    def arrange(self, scene: Scene) -> None:
        """Give everybody a region anew; pictures stay what they were.  Raises LayoutUnknown."""
        look, occupants = scene.look, scene.occupants
        sources = self._sources(look)
        uids = [one.uid for one in occupants]
        regions = arrange(look.layout, uids, largest=look.max_resolution_uid, places=look.places)
        before = {layer.line: layer for layer in self._layers}
        self._layers = []
        for occupant, region in zip(occupants, regions, strict=True):
            if region is None or region.alpha <= 0:
                continue
            layer = Layer(occupant, region, region.pixels(*self.size), sources)
            if layer.rect.empty:
                continue
            if layer.line in before:
                layer.adopt(before[layer.line])
            self._layers.append(layer)
        self._layers.sort(key=lambda layer: layer.depth)
        self._piles = Piles([layer.rect for layer in self._layers])
        self._anew = True

    def _sources(self, look: Look) -> Sources:
        image = self._backdrop.fitted(look.background_image, self._whole, Fit.FILL)
        background: Planes = image or solid(*self.size, yuv(look.background_color))
        self._canvas.set_background(background)
        return Sources(look, self._lines, self._scaler, self._backdrop, image is not None)

    def draw(self, tick: int) -> av.VideoFrame:
        """The canvas at a tick, to be used before the next one is drawn.

        If nothing has changed it is the frame of the tick before.
        """
        hidden, changed = self._refresh(tick)
        if self._anew:
            self._canvas.restore(self._whole)
            changed = set(range(len(self._layers)))
        if not changed and not self._anew and self._drawn is not None:
            return self._drawn
        self._paint(changed, hidden)
        self._anew = False
        self._drawn = self._canvas.frame()
        return self._drawn

    def _refresh(self, tick: int) -> tuple[set[int], set[int]]:
        """Bring layers up to date, from the top; those covered by others are left alone.

        Returns which are covered, and which of the rest changed.
        """
        hidden: set[int] = set()
        changed: set[int] = set()
        opaque: list[int] = []
        for i in reversed(range(len(self._layers))):
            layer = self._layers[i]
            if self._piles.covered(i, opaque):
                hidden.add(i)
                continue
            if layer.refresh(tick):
                changed.add(i)
            if layer.opaque:
                opaque.append(i)
        return hidden, changed

    def _paint(self, changed: Iterable[int], hidden: set[int]) -> None:
        see_through = {i for i, layer in enumerate(self._layers) if not layer.opaque}
        dirty = self._piles.spread(changed, see_through, hidden)
        for i in dirty & see_through:
            self._canvas.restore(self._layers[i].rect)
        for i in sorted(dirty):
            layer = self._layers[i]
            if layer.shown is not None:
                self._canvas.paste(layer.rect, layer.shown, layer.alpha)


class Piles:
    """Which regions lie on which, by their numbers from the bottom."""

    def __init__(self, rects: Sequence[Rect]) -> None:
        self._rects = rects
        numbers = range(len(rects))
        self._touching = [
            [k for k in numbers if k != i and rects[k].overlaps(rects[i])] for i in numbers
        ]
        self._known: dict[tuple[int, tuple[int, ...]], bool] = {}

    def covered(self, i: int, opaque: Iterable[int]) -> bool:
        """Whether opaque regions above hide all of a region."""
        above = tuple(k for k in opaque if k > i and k in self._touching[i])
        if not above:
            return False
        key = i, above
        if key not in self._known:
            self._known[key] = _covered(self._rects[i], [self._rects[k] for k in above])
        return self._known[key]

    def spread(self, changed: Iterable[int], see_through: set[int], hidden: set[int]) -> set[int]:
        """What must be painted again when some regions changed.

        All that lies on a painted region; and under one that does not cover it, everything.
        What is hidden is never painted.
        """
        found: set[int] = set()
        todo = list(changed)
        while todo:
            i = todo.pop()
            if i not in found and i not in hidden:
                found.add(i)
                todo += (k for k in self._touching[i] if k > i or i in see_through)
        return found


def _covered(rect: Rect, covers: Sequence[Rect]) -> bool:
    rest = [rect]
    for cover in covers:
        rest = [part for one in rest for part in _without(one, cover)]
    return not rest


def _without(rect: Rect, cover: Rect) -> list[Rect]:
    """What a cover leaves of a rectangle."""
    if not rect.overlaps(cover):
        return [rect]
    right, bottom = rect.x + rect.w, rect.y + rect.h
    top, low = max(rect.y, cover.y), min(bottom, cover.y + cover.h)
    parts = (
        Rect(rect.x, rect.y, rect.w, top - rect.y),
        Rect(rect.x, low, rect.w, bottom - low),
        Rect(rect.x, top, cover.x - rect.x, low - top),
        Rect(cover.x + cover.w, top, right - cover.x - cover.w, low - top),
    )
    return [part for part in parts if not part.empty]
