"""WebM files of already encoded video, seekable, each from zero."""

import io
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream

from media.mux.muxer import Muxer

_MILLISECONDS = Fraction(1, 1000)
_DELIMITER = b"\x12\x00"  # an AV1 temporal delimiter; only bare streams of OBUs have them


class WebmFile(Muxer):
    """One WebM file with a single VP8, VP9 or AV1 stream.  Closing writes duration and cues."""

    def __init__(self, path: Path, codec: str, width: int, height: int, first: bytes) -> None:
        """``first`` is the picture that the file will begin with."""
        super().__init__(path, "webm")
        stream = self._with_sequence_header(first) if codec == "av1" else None
        self._stream = stream or self._container.add_mux_stream(codec, width=width, height=height)
        self._last_ms = -1

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

    def _with_sequence_header(self, first: bytes) -> Stream | None:
        """A stream that has its CodecPrivate; None if the first picture is no key frame."""
        try:
            with av.open(io.BytesIO(_DELIMITER + first), format="obu") as bare:
                template = bare.streams.video[0]
                if not template.codec_context.extradata:
                    return None
                return self._container.add_stream_from_template(template, opaque=True)
        except av.FFmpegError:
            return None
