"""Decodes one publisher's video line, picture by picture, as far as the canvas asks."""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, cast

import av
import structlog
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from media.cut.darkness import Range
from media.cut.scaler import planes
from media.tape.model import Frame

_log = structlog.get_logger(__name__)

_DECODERS = {"vp8": "vp8", "vp9": "vp9", "h264": "h264", "av1": "libdav1d"}
_BLACK, _GREY = 32, 128  # luma of a black picture after lossy coding, at most; its chroma
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


class _Shown(NamedTuple):
    """A decoded picture."""

    tick: int  # from which on it is shown
    picture: av.VideoFrame
    track: str  # Track.id
    rotation: int


class LinePictures:
    """The pictures of one line over time; decodes forward only, on demand.

    ``ticks[i]`` is the first canvas tick of ``frames[i]``.  Nothing is decoded from before the last
    key frame that is due: who was not shown for a while is not decoded for that while.

    ``dark`` are times in which black pictures do not count (see :mod:`media.cut.darkness`).
    ``ahead`` ticks are decoded together: one line after the other, each finds the CPU's cache as
    it left it, and that is worth a twentieth of everything.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        ticks: Sequence[int],
        dark: Sequence[Range] = (),
        ahead: int = 1,
    ) -> None:
        self.picture: av.VideoFrame | None = None
        self.track = ""  # Track.id that the picture came from
        self.rotation = 0  # degrees, as Frame.rotation
        self._frames = frames
        self._ticks = ticks
        self._dark = dark
        self._ahead = ahead
        self._ready: deque[_Shown] = deque()  # decoded and not yet due
        self._until = -math.inf  # ticks before this one are decoded
        self._newest: _Shown | None = None
        self._next = 0
        # One in the dark may have no picture to begin with.
        self._keys = [
            i
            for i, one in enumerate(frames)
            if one.keyframe and one.width and not self._is_dark(one)
        ]
        self._decoder: VideoCodecContext | None = None
        self._decoder_of: tuple[str, str] = ("", "")
        self._broken = False
        self._turned = 0  # as the last frame that told it, decoded or not

    def advance(self, tick: int) -> bool:
        """Decode up to what is shown at ``tick``; whether ``picture`` changed."""
        if tick >= self._until:
            self._until = tick + self._ahead
            for each in range(tick, tick + self._ahead):
                self._decode_until(each)
        changed = False
        while self._ready and self._ready[0].tick <= tick:
            _, self.picture, self.track, self.rotation = self._ready.popleft()
            changed = True
        return changed

    def _decode_until(self, tick: int) -> None:
        """What is shown at a tick becomes ready, if it is something new."""
        before = self._newest
        due = bisect_right(self._keys, tick, key=lambda i: self._ticks[i])
        if due:
            self._next = max(self._next, self._keys[due - 1])
        while self._next < len(self._frames) and self._ticks[self._next] <= tick:
            shown = self._shown_until(self._next) > tick
            self._decode(self._frames[self._next], self._next, shown=shown)
            self._next += 1
        if self._newest is not None and self._newest is not before:
            self._ready.append(self._newest._replace(tick=tick))

    def _shown_until(self, i: int) -> float:
        return self._ticks[i + 1] if i + 1 < len(self._ticks) else float("inf")

    def _decode(self, frame: Frame, number: int, *, shown: bool) -> None:
        if frame.keyframe:
            self._broken = False
        if frame.keyframe or frame.tells_rotation:
            self._turned = frame.rotation
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
        if pictures and not self._is_switched_off(frame, pictures[-1]):
            self._newest = _Shown(number, pictures[-1], frame.track.id, self._turned)

    def _is_switched_off(self, frame: Frame, picture: av.VideoFrame) -> bool:
        return self._is_dark(frame) and _is_black(picture)

    def _is_dark(self, frame: Frame) -> bool:
        return any(a <= frame.time_ns < b for a, b in self._dark)

    def _decoder_for(self, frame: Frame) -> VideoCodecContext:
        wanted = (frame.track.id, frame.codec.key)
        if self._decoder is None or self._decoder_of != wanted:
            self._decoder = _open_decoder(frame.codec.key)
            self._decoder_of = wanted
        return self._decoder


def _is_black(picture: av.VideoFrame) -> bool:
    if picture.format.name not in ("yuv420p", "yuvj420p"):
        return False
    y, u, v = planes(picture)
    if y.max() > _BLACK:
        return False
    return all(abs(float(chroma.mean()) - _GREY) <= _BLACK for chroma in (u, v))


def _open_decoder(codec: str) -> VideoCodecContext:
    decoder = cast("VideoCodecContext", VideoCodecContext.create(_DECODERS[codec], "r"))
    decoder.thread_count = 1
    decoder.flags |= Flags.low_delay  # one picture out for each one in
    decoder.options = {"max_pixels": str(_MAX_PIXELS)}
    decoder.open()  # now: libdav1d leaves out for ever what skip_frame says when it is opened
    return decoder
