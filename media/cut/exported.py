"""One exported file, in the container that takes its codec as it is."""

from pathlib import Path
from typing import Protocol

from media.cut import sound_packet
from media.mux.mpegts import TransportStream, TsPacket, ticks
from media.mux.opus_webm import OpusFile
from media.mux.wav import WavFile
from media.mux.webm import WebmFile
from media.tape.model import NS, Frame


class Writer(Protocol):
    """Writes the frames of one codec in their order."""

    def write(self, frame: Frame, duration_ns: int) -> None:
        """Append a frame."""
        ...

    def close(self) -> None:
        """The file is complete."""
        ...


def suffix_of(frame: Frame) -> str:
    """The ending of a file for this codec."""
    codec = frame.codec.key
    return ".ts" if codec == "h264" else ".wav" if _is_wav(codec) else ".webm"


def writer_for(path: Path, first: Frame) -> Writer:
    """A file that begins with this frame, at zero."""
    codec = first.codec.key
    if codec == "opus":
        return _Opus(path, first)
    if codec == "h264":
        return _H264(path, first)
    return _Wav(path, first) if _is_wav(codec) else _Webm(path, first)


def _is_wav(codec: str) -> bool:
    return codec in sound_packet.BYTE_PER_TICK


class _Webm:
    def __init__(self, path: Path, first: Frame) -> None:
        self._start_ns = first.time_ns
        self._file = WebmFile(path, first.codec.key, first.width, first.height, first.data)

    def write(self, frame: Frame, duration_ns: int) -> None:
        self._file.write(
            frame.data,
            time_ns=frame.time_ns - self._start_ns,
            duration_ns=duration_ns,
            keyframe=frame.keyframe,
        )

    def close(self) -> None:
        self._file.close()


class _Opus:
    def __init__(self, path: Path, first: Frame) -> None:
        self._start_ns = first.time_ns
        # A mono packet may come first and a stereo one later; what was agreed on covers both.
        self._file = OpusFile(path, first.codec.channels)

    def write(self, frame: Frame, duration_ns: int) -> None:
        self._file.write(frame.data, time_ns=frame.time_ns - self._start_ns)

    def close(self) -> None:
        self._file.close()


class _H264:
    def __init__(self, path: Path, first: Frame) -> None:
        self._start_ns = first.time_ns
        self._file = TransportStream(path)
        self._stream = self._file.add_h264(first.width, first.height)

    def write(self, frame: Frame, duration_ns: int) -> None:
        time = ticks(frame.time_ns, self._start_ns)
        self._file.write(TsPacket(self._stream, time, frame.data, frame.keyframe))

    def close(self) -> None:
        self._file.close()


class _Wav:
    def __init__(self, path: Path, first: Frame) -> None:
        self._start_ns = first.time_ns
        self._rate = first.codec.clock_rate * first.codec.channels  # bytes per second
        self._channels = first.codec.channels
        self._file = WavFile(path, first.codec.key, self._channels)
        self._written = 0

    def write(self, frame: Frame, duration_ns: int) -> None:
        due = (frame.time_ns - self._start_ns) * self._rate // NS
        # Jitter of the clock map is no hole, half a packet is.
        missing = (due - self._written) // self._channels
        if missing * self._channels > len(frame.data) // 2:
            self._file.rest(missing)
            self._written += missing * self._channels
        self._file.write(frame.data)
        self._written += len(frame.data)

    def close(self) -> None:
        self._file.close()
