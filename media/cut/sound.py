"""Decodes lines of sound onto the recording's sample grid and mixes them."""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from media.cut import limiter
from media.cut.limiter import Pcm
from media.cut.sound_clock import Placed, place
from media.cut.sound_decoder import SoundDecoder, sound_decoder
from media.tape.model import Frame

PREROLL = 4800  # samples a decoder is warmed up for; RFC 7845 §4.6 asks for 80 ms
_FADE = 120  # samples: 2.5 ms at the edges of a hole, against clicks


class TrackSound:
    """The sound of one track inside a window of the sample grid."""

    def __init__(self, first: int, count: int, channels: int) -> None:
        self.pcm: Pcm = np.zeros((channels, count), np.float32)
        self._first = first
        self._channels = channels
        self._decoder: SoundDecoder | None = None
        self._decodes = ""  # Codec.key
        self._end: int | None = None  # grid position after the last sample written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish()

    def add(self, placed: Placed) -> None:
        """Decode the next packet into its place."""
        decoder = self._decoder_for(placed.frame)
        sound = decoder.decode(placed.frame.data)
        if sound is None:
            return
        sound = _stretched(sound, placed.length)
        if not placed.joined or self._end is None:
            self.finish()
            sound[:, :_FADE] *= _ramp(min(_FADE, sound.shape[1]))
        self._write(sound, placed.start - decoder.delay)

    def _decoder_for(self, frame: Frame) -> SoundDecoder:
        if self._decoder is None or self._decodes != frame.codec.key:
            self._decoder = sound_decoder(frame.codec, self._channels)
            self._decodes = frame.codec.key
        return self._decoder

    def finish(self) -> None:
        """Let the sound end softly here; more may follow."""
        if self._end is not None:
            until = self._end - self._first
            tail = self.pcm[:, max(0, until - _FADE) : max(0, until)]
            tail *= _ramp(tail.shape[1])[::-1]
        self._end = None

    def _write(self, sound: Pcm, start: int) -> None:
        at = start - self._first
        skip = max(0, -at)
        room = max(0, min(sound.shape[1], self.pcm.shape[1] - at))
        if skip < room:
            self.pcm[:, at + skip : at + room] = sound[:, skip:room]
        self._end = start + sound.shape[1]


def render(
    tracks: Iterable[Sequence[Frame]], origin_ns: int, *, first: int, count: int, channels: int
) -> Pcm:
    """Everybody's sound, mixed, for ``count`` samples from grid position ``first``.

    ``tracks`` holds each track's frames in order, from ``sound_clock.LEAD_NS`` before the range.
    """
    begin = first - limiter.LEAD
    length = count + limiter.LEAD + limiter.LOOK_AHEAD
    total: Pcm = np.zeros((channels, length), np.float32)
    for frames in tracks:
        total += _render_track(frames, origin_ns, begin, length, channels)
    limited = limiter.limit(total, begin)
    return limited[:, limiter.LEAD : limiter.LEAD + count]


def _render_track(
    frames: Sequence[Frame], origin_ns: int, begin: int, length: int, channels: int
) -> Pcm:
    with TrackSound(begin, length, channels) as sound:
        for placed in _within(place(frames, origin_ns), begin - PREROLL, begin + length):
            sound.add(placed)
    return sound.pcm


def _within(placed: Iterable[Placed], begin: int, end: int) -> Iterator[Placed]:
    return (one for one in placed if one.start + one.length > begin and one.start < end)


def _stretched(sound: Pcm, length: int) -> Pcm:
    """The same sound in ``length`` samples; they differ by the drift of a clock at most."""
    own = sound.shape[1]
    if own == length:
        return sound
    at = np.arange(length) * (own / length)
    return np.stack([np.interp(at, np.arange(own), channel) for channel in sound]).astype(
        np.float32
    )


def _ramp(count: int) -> Pcm:
    return np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
