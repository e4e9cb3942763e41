"""What one region of the canvas shows, tick by tick (reference §3.1, §3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import av
import structlog

from media.cut.backdrop import Backdrop
from media.cut.canvas import BLACK, Planes, solid
from media.cut.layouts import Fit, Rect, Region
from media.cut.lines import Line
from media.cut.look import Look
from media.cut.picture import LinePictures
from media.cut.presence import Occupant
from media.cut.scaler import Scaler

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where pictures come from, as long as a look lasts."""

    look: Look
    lines: Mapping[Line, LinePictures]
    scaler: Scaler
    backdrop: Backdrop
    has_background: bool  # an image lies under everything


class Layer:
    """One occupant's region."""

    def __init__(self, occupant: Occupant, region: Region, rect: Rect, sources: Sources) -> None:
        self.rect = rect
        self.alpha = region.alpha
        self.depth = region.depth
        self.shown: Planes | None = None  # None: what lies under it
        self.line = occupant.line  # whose pictures it shows
        self._occupant = occupant
        self._fit = region.fit
        self._sources = sources
        self._black = solid(rect.w, rect.h, BLACK)
        self._scaled: Planes | None = None
        self._scaled_of: av.VideoFrame | None = None

    @property
    def opaque(self) -> bool:
        """Whether nothing under it can be seen."""
        if self.shown is None or self.alpha < 1:
            return False
        return self.shown[0].shape == (self.rect.h, self.rect.w)

    def adopt(self, before: "Layer") -> None:
        """Take over the picture of a layer that showed the same line, if it fits."""
        if (before.rect.w, before.rect.h, before._fit) == (self.rect.w, self.rect.h, self._fit):
            self._scaled, self._scaled_of = before._scaled, before._scaled_of

    def refresh(self, tick: int) -> bool:
        """Bring ``shown`` up to date; whether it changed."""
        before = self.shown
        self.shown = self._stand_in() if self._occupant.stopped else None
        gives_way = self._occupant.stopped and self._sources.has_background
        if self.shown is None and not gives_way:
            self.shown = self._picture(tick)
        return self.shown is not before

    def _stand_in(self) -> Planes | None:
        """The image of somebody without video; None if there is none."""
        for image in self._sources.look.stand_ins(self._occupant.uid):
            fit = Fit.FRAMED if image.whole else Fit.FILL
            fitted = self._sources.backdrop.fitted(image.url, self.rect, fit)
            if fitted is not None:
                return fitted
        return None

    def _picture(self, tick: int) -> Planes | None:
        """The line's picture; black before the first one of a publisher who sends video."""
        line = self._sources.lines.get(self.line)
        if line is not None:
            line.advance(tick)
            if line.picture is not None and line.track in self._occupant.tracks:
                return self._fitted(line.picture, line.rotation)
        return self._black if self._occupant.tracks else None

    def _fitted(self, picture: av.VideoFrame, rotation: int) -> Planes:
        if self._scaled_of is not picture:
            self._scaled_of = picture
            try:
                self._scaled = self._sources.scaler.scale(picture, self.rect, self._fit, rotation)
            except av.FFmpegError as error:  # the slice is worth more than one picture in it
                log.warning("a picture cannot be scaled", uid=self.line.uid, error=str(error))
        return self._scaled or self._black
