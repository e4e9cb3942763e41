"""Decodes one publisher's video line, picture by picture, as far as the canvas asks."""

from collections.abc import Sequence
from typing import cast

import av
import structlog
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from media.tape.model import Frame

_log = structlog.get_logger(__name__)

_DECODERS = {"vp8": "vp8", "vp9": "vp9", "h264": "h264", "av1": "libdav1d"}
_MAX_PIXELS = 4096 * 2304  # a header that claims more is damage, or an attack


def decodable(frames: Sequence[Frame], *, usable: bool = False) -> list[Frame]:
    """The frames that can be decoded whole: from a key frame on, up to the next damage.

    ``usable`` says that what precedes the first frame is there.
    """
    good: list[Frame] = []
    for frame in frames:
        continues = not good or _same_stream(good[-1], frame)
        begins = frame.keyframe and frame.width > 0  # without a size it lacks its headers
        usable = begins or (usable and frame.intact and continues)
        if usable and frame.codec.key in _DECODERS:
            good.append(frame)
    return good


def _same_stream(one: Frame, other: Frame) -> bool:
    return one.track.id == other.track.id and one.codec.key == other.codec.key


class LinePictures:
    """The pictures of one line over time; decodes forward only, on demand.

    ``ticks[i]`` is the first canvas tick of ``frames[i]``.
    """

    def __init__(self, frames: Sequence[Frame], ticks: Sequence[int]) -> None:
        self.picture: av.VideoFrame | None = None
        self.track = ""  # Track.id that the picture came from
        self._frames = frames
        self._ticks = ticks
        self._next = 0
        self._decoder: VideoCodecContext | None = None
        self._decoder_of: tuple[str, str] = ("", "")
        self._broken = False

    def advance(self, tick: int) -> bool:
        """Decode up to what is shown at ``tick``; whether ``picture`` changed."""
        before = self.picture
        while self._next < len(self._frames) and self._ticks[self._next] <= tick:
            shown = self._shown_until(self._next) > tick
            self._decode(self._frames[self._next], self._next, shown=shown)
            self._next += 1
        return self.picture is not before

    def _shown_until(self, i: int) -> float:
        return self._ticks[i + 1] if i + 1 < len(self._ticks) else float("inf")

    def _decode(self, frame: Frame, number: int, *, shown: bool) -> None:
        if frame.keyframe:
            self._broken = False
        if self._broken:
            return
        decoder = self._decoder_for(frame)
        # What nobody sees and nothing refers to need not be decoded.
        decoder.skip_frame = "DEFAULT" if shown else "NONREF"
        packet = av.Packet(frame.data)
        packet.pts = number
        try:
            pictures = decoder.decode(packet)
        except av.FFmpegError as error:
            # The last good picture stays until the next key frame.
            self._broken = True
            _log.debug("A picture could not be decoded.", uid=frame.track.uid, error=str(error))
            return
        if pictures:
            self.picture = pictures[-1]
            self.track = frame.track.id

    def _decoder_for(self, frame: Frame) -> VideoCodecContext:
        wanted = (frame.track.id, frame.codec.key)
        if self._decoder is None or self._decoder_of != wanted:
            self._decoder = _open_decoder(frame.codec.key)
            self._decoder_of = wanted
        return self._decoder


def _open_decoder(codec: str) -> VideoCodecContext:
    decoder = cast("VideoCodecContext", VideoCodecContext.create(_DECODERS[codec], "r"))
    decoder.thread_count = 1
    decoder.flags |= Flags.low_delay  # one picture out for each one in
    decoder.options = {"max_pixels": str(_MAX_PIXELS)}
    decoder.open()  # now: libdav1d leaves out for ever what skip_frame says when it is opened
    return decoder
