"""The picture of the test pattern: who, when, which frame; for people and for machines."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.errors import Blame, FarmError
from media.publish import frame_code, glyphs
from media.publish.frame_code import COLUMN, ROW, ROWS, TOP, UNITS

Luma = NDArray[np.uint8]

BLACK, WHITE = 16, 235  # video range
FLASH_S = 0.13  # two frames at 15 fps
_GROUND, _BOX, _INK, _BALL = 96, 24, 220, 190


@dataclass(frozen=True, slots=True)
class _Text:
    """Where a changing text stands."""

    x: int
    y: int
    scale: int


class BadPattern(FarmError):
    """No pattern can be drawn with these numbers."""

    blame = Blame.CUSTOMER


class PatternPicture:
    """The pattern of one uid at one size; every frame is a function of its number alone.

    What never changes is drawn once; a frame is a copy of that with the code, the clock and a
    ball drawn over it.  For two frames from each full second on, the ground is white.
    """

    def __init__(self, uid: str, *, width: int, height: int, fps: int) -> None:
        if width % 2 or height % 2 or min(width, height) < 90:
            raise BadPattern(f"a pattern of {width}x{height} pixels: even sizes from 90 on, please")
        if not 1 <= fps <= 120:
            raise BadPattern(f"a pattern of {fps} frames per second: 1 to 120, please")
        self._uid = uid
        self._code = frame_code.uid_code(uid)
        self._width, self._height, self._fps = width, height, fps
        self._flash_frames = max(1, round(FLASH_S * fps))
        self._centre = width // 2
        rows = [self._px(TOP + row * ROW) for row in range(ROWS + 1)]
        columns = [self._centre + self._px(x) for x in (-COLUMN, 0, COLUMN)]
        self._strip_at = rows[0], columns[0]
        self._row_heights, self._column_widths = np.diff(rows), np.diff(columns)
        self._calm = self._ground(flash=False)
        self._bright = self._ground(flash=True)
        self._frame = np.empty_like(self._calm)
        self._under: NDArray[np.uint8] | None = None  # the ground of what was drawn last
        self._ball = (slice(0), slice(0))

    def is_flash(self, number: int) -> bool:
        """Whether the ground of a frame is white."""
        return number % self._fps < self._flash_frames

    def draw(self, number: int) -> NDArray[np.uint8]:
        """Frame ``number`` as planar YUV 4:2:0 (height * 3/2 rows); valid until the next call."""
        luma = self._frame[: self._height]
        self._lay_ground(self._bright if self.is_flash(number) else self._calm)
        self._draw_code(luma, number)
        self._draw_texts(luma, number)
        self._draw_ball(luma, number)
        return self._frame

    def _lay_ground(self, ground: NDArray[np.uint8]) -> None:
        """All of it when it changed; else only where the ball was, the rest is drawn over."""
        if ground is not self._under:
            np.copyto(self._frame, ground)
            self._under = ground
        else:
            self._frame[self._ball] = ground[self._ball]

    def _px(self, units: float) -> int:
        return round(units * self._height / UNITS)

    def _ground(self, *, flash: bool) -> NDArray[np.uint8]:
        frame = np.full((self._height * 3 // 2, self._width), 128, np.uint8)
        luma = frame[: self._height]
        luma[:] = WHITE if flash else _GROUND
        if not flash:
            self._tint(frame)
        scale = self._label_scale()
        label_width = glyphs.text_width(self._uid, scale)
        self._box(luma, self._centre - label_width // 2, self._px(3), label_width, scale)
        self._write(luma, self._uid, _Text(self._centre - label_width // 2, self._px(3), scale))
        for at, text in ((self._clock_at(), "00:00"), (self._number_at(), "000000")):
            self._box(luma, at.x, at.y, glyphs.text_width(text, at.scale), at.scale)
        self._draw_name(luma)
        return frame

    def _draw_name(self, luma: Luma) -> None:
        """The uid once more, as large as the left side allows."""
        room = self._centre - self._px(64) - 2 * self._px(16)
        scale = min(self._px(10), room // max(1, len(self._uid) * glyphs.ADVANCE))
        if scale < 1:
            return
        at = _Text(self._px(16), self._px(40), scale)
        self._box(luma, at.x, at.y, glyphs.text_width(self._uid, scale), scale)
        self._write(luma, self._uid, at)

    def _tint(self, frame: NDArray[np.uint8]) -> None:
        """A colour of the uid's own, at the sides; the middle stays grey for the code."""
        angle = zlib.crc32(self._uid.encode()) / 2**32 * 2 * np.pi
        chroma = frame[self._height :].reshape(2, self._height // 2, self._width // 2)
        side = max(0, self._centre - self._px(64)) // 2
        for plane, value in zip(chroma, (np.cos(angle), np.sin(angle)), strict=True):
            plane[:, :side] = plane[:, plane.shape[1] - side :] = int(128 + 50 * value)

    def _label_scale(self) -> int:
        """As large as fits over the strip, where every crop shows it."""
        room = self._px(96)
        largest = max(1, self._px(3))
        fitting = (s for s in range(largest, 1, -1) if glyphs.text_width(self._uid, s) <= room)
        return next(fitting, 1)

    def _clock_at(self) -> _Text:
        scale = max(1, self._px(3))
        left = self._centre - glyphs.text_width("00:00", scale) // 2
        return _Text(left, self._height - self._px(6) - glyphs.HEIGHT * scale, scale)

    def _number_at(self) -> _Text:
        scale = max(1, min(self._px(6), self._width // 90))
        return _Text(self._centre + self._px(80), self._px(40), scale)

    def _box(self, luma: Luma, x: int, y: int, width: int, scale: int) -> None:
        edge = scale
        top, left = max(0, y - edge), max(0, x - edge)
        luma[top : y + glyphs.HEIGHT * scale + edge, left : x + width + edge] = _BOX

    def _write(self, luma: Luma, text: str, at: _Text) -> None:
        glyphs.write(luma, text, x=at.x, y=at.y, scale=at.scale, dark=_BOX, light=_INK)

    def _draw_code(self, luma: Luma, number: int) -> None:
        lit = np.array(frame_code.cells(self._code, number)).reshape(ROWS, 2)
        shades = np.where(lit, WHITE, BLACK).astype(np.uint8)
        strip = shades.repeat(self._row_heights, axis=0).repeat(self._column_widths, axis=1)
        top, left = self._strip_at
        luma[top : top + strip.shape[0], left : left + strip.shape[1]] = strip

    def _draw_texts(self, luma: Luma, number: int) -> None:
        minutes, seconds = divmod(number // self._fps, 60)
        self._write(luma, f"{minutes % 100:02}:{seconds:02}", self._clock_at())
        self._write(luma, f"{number % 1_000_000:06}", self._number_at())

    def _draw_ball(self, luma: Luma, number: int) -> None:
        """A square that bounces through the left half, once there and back in four seconds."""
        size = self._px(32)
        reach = self._centre - self._px(64) - size
        if reach <= 0:
            return
        period = 4 * self._fps
        phase = number % period / (period / 2)
        left = int(reach * (phase if phase < 1 else 2 - phase))
        top = self._px(200 + 80 * abs(np.sin(2 * np.pi * phase)))
        self._ball = (slice(top, top + size), slice(left, left + size))
        luma[self._ball] = _BALL
