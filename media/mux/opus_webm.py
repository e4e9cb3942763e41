"""WebM files of Opus packets as they were sent, from zero; pauses stay pauses."""

from fractions import Fraction
from pathlib import Path

import av

from media.mux.muxer import Muxer

_MILLISECONDS = Fraction(1, 1000)


class OpusFile(Muxer):
    """One WebM file with a single Opus stream."""

    def __init__(self, path: Path, channels: int) -> None:
        super().__init__(path, "webm")
        # Only a stream made with an encoder gets the header that players ask for (RFC 7845 §5.1).
        self._stream = self._container.add_stream(
            "libopus", rate=48_000, layout="stereo" if channels == 2 else "mono"
        )
        self._last_ms = -1

    def write(self, data: bytes, *, time_ns: int) -> None:
        """Append a packet.  Times count from the start of the file and must grow."""
        self._last_ms = max(time_ns // 1_000_000, self._last_ms + 1)
        unit = av.Packet(data)
        unit.stream = self._stream
        unit.time_base = _MILLISECONDS
        unit.pts = unit.dts = self._last_ms
        self._container.mux(unit)
