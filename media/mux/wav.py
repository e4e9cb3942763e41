"""WAV files of G.711 and G.722 as they were sent."""

from fractions import Fraction
from pathlib import Path

import av

from media.mux.muxer import Muxer

_TICK = Fraction(1, 8000)  # one byte and channel of each of these codecs (RFC 3551 §4.5)
_BLOCK = 8000  # bytes
# As FFmpeg names it, the rate of its samples, and the byte that means silence.
_CODECS = {
    "pcmu": ("pcm_mulaw", 8000, b"\xff"),
    "pcma": ("pcm_alaw", 8000, b"\xd5"),
    "g722": ("g722", 16_000, b"\xfc"),
}


class WavFile(Muxer):
    """One WAV file.  It knows no times, so holes must be filled with silence."""

    def __init__(self, path: Path, codec: str, channels: int) -> None:
        """``codec``: ``"pcmu"``, ``"pcma"`` or ``"g722"``."""
        name, rate, silence = _CODECS[codec]
        self._silence = silence * channels
        self._channels = channels
        super().__init__(path, "wav")
        self._stream = self._container.add_stream(
            name, rate=rate, layout="stereo" if channels == 2 else "mono"
        )
        self._written = 0

    def write(self, data: bytes) -> None:
        """Append encoded sound."""
        for at in range(0, len(data), _BLOCK):
            unit = av.Packet(data[at : at + _BLOCK])
            unit.stream = self._stream
            unit.time_base = _TICK
            unit.pts = unit.dts = (self._written + at) // self._channels
            self._container.mux(unit)
        self._written += len(data)

    def rest(self, ticks: int) -> None:
        """Append so many ticks, of 125 microseconds, of silence."""
        self.write(self._silence * ticks)
