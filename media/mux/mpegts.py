"""MPEG transport streams of already encoded media, with absolute timestamps."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream

from media.mux.muxer import Muxer

CLOCK_HZ = 90_000
# Recordings begin at this timestamp, so that decode times and clock references stay positive.
START_TICKS = 10 * CLOCK_HZ
_TIME_BASE = Fraction(1, CLOCK_HZ)
_OPTIONS = {
    "mpegts_copyts": "1",  # our timestamps are the file's timestamps
    # Each file counts its packets from 0.  Without this mark a player that reads one file after
    # the other takes the jump of the counter for a lost packet.
    "mpegts_flags": "+initial_discontinuity",
    # AAC frames share a PES packet as long as the first of them waits no longer than half of this
    # (microseconds).  The clock references run twice this early, so that sound is there in time.
    "max_delay": "700000",
    # Seconds between repetitions of the tables.  Every file begins with them, and nobody tunes
    # in to the middle of one: ten a second, as in broadcasts, are 30 kbit/s for nothing.
    "pat_period": "1",
    "sdt_period": "5",
}


# FFmpeg is sure of a transport stream from eleven of its packets on.  Of a shorter one, such as
# half a second of silence, it may see the sound's headers only and read the file as AAC or MP3.
_LEAST_PACKETS = 12
_NULL_PACKET = bytes((0x47, 0x1F, 0xFF, 0x10)).ljust(188, b"\xff")  # ISO/IEC 13818-1 §2.4.3.3


@dataclass(frozen=True, slots=True)
class TsPacket:
    """One access unit with its decode time (equal to its presentation time)."""

    stream: int  # as add_*() returned it
    time: int  # 90 kHz, START_TICKS included
    data: bytes
    keyframe: bool = True


class TransportStream(Muxer):
    """One TS file.  Add the streams, write packets in order of time, close.

    With ``timed_audio`` every audio packet carries its own timestamp, so that holes stay holes;
    without it neighbours share one, which is smaller, and must follow each other without holes.
    """

    def __init__(self, path: Path, *, timed_audio: bool = False) -> None:
        options = _OPTIONS | ({"pes_payload_size": "0"} if timed_audio else {})
        super().__init__(path, "mpegts", **options)
        self._path = path
        self._last: dict[int, int] = {}

    def add_h264(self, width: int, height: int) -> int:
        """A video stream in Annex B form."""
        return self._added(self._container.add_mux_stream("h264", width=width, height=height))

    def add_aac(self) -> int:
        """An audio stream of ADTS frames, see :func:`media.mux.adts.frame`."""
        return self._added(self._container.add_mux_stream("aac", rate=48_000))

    def add_opus(self, channels: int) -> int:
        """An audio stream of Opus packets, see :func:`media.mux.opus_ts.unit`."""
        layout = "stereo" if channels == 2 else "mono"
        # Only a stream made with an encoder gets the channel count that the table needs.
        return self._added(self._container.add_stream("libopus", rate=48_000, layout=layout))

    def _added(self, stream: Stream) -> int:
        stream.time_base = _TIME_BASE
        return stream.index

    def write(self, packet: TsPacket) -> None:
        """Append one access unit.  Times that do not grow are moved on by one tick."""
        time = max(packet.time, self._last.get(packet.stream, packet.time - 1) + 1)
        self._last[packet.stream] = time
        unit = av.Packet(packet.data)
        unit.stream = self._container.streams[packet.stream]
        unit.time_base = _TIME_BASE
        unit.pts = unit.dts = time
        unit.is_keyframe = packet.keyframe
        self._container.mux(unit)

    def close(self) -> None:
        """Idempotent.  What is very short is filled up with null packets."""
        super().close()
        if not self._path.exists():
            return  # nothing was written
        missing = _LEAST_PACKETS - self._path.stat().st_size // len(_NULL_PACKET)
        if missing > 0:
            with self._path.open("ab") as file:
                file.write(_NULL_PACKET * missing)


def ticks(at_ns: int, origin_ns: int) -> int:
    """A wall-clock time as a timestamp of a recording's files."""
    return (at_ns - origin_ns) * CLOCK_HZ // 1_000_000_000 + START_TICKS
