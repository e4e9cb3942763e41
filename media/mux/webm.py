"""WebM files of already encoded video, seekable, each from zero."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av

_MILLISECONDS = Fraction(1, 1000)
# Without bitexact the muxer writes random ids, and a file made twice would differ.
_OPTIONS = {"fflags": "+bitexact"}


class WebmFile:
    """One WebM file with a single VP8 or VP9 stream.  Closing writes duration and cues."""

    def __init__(self, path: Path, codec: str, width: int, height: int) -> None:
        self._container = av.open(str(path), "w", format="webm", container_options=_OPTIONS)
        self._stream = self._container.add_mux_stream(codec, width=width, height=height)
        self._last_ms = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, data: bytes, *, time_ns: int, duration_ns: int, keyframe: bool) -> None:
        """Append a picture.  Times count from the start of the file and must grow."""
        self._last_ms = max(time_ns // 1_000_000, self._last_ms + 1)
        unit = av.Packet(data)
        unit.stream = self._stream
        unit.time_base = _MILLISECONDS
        unit.pts = unit.dts = self._last_ms
        unit.duration = max(1, duration_ns // 1_000_000)
        unit.is_keyframe = keyframe
        self._container.mux(unit)

    def close(self) -> None:
        """Idempotent."""
        self._container.close()
