"""Decodes lines of sound onto the recording's sample grid and mixes them."""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from media.cut import comfort, limiter, opus
from media.cut.concealment import concealed
from media.cut.limiter import Pcm
from media.cut.resampling import resampled
from media.cut.sound_clock import Placed, place
from media.cut.sound_decoder import SoundDecoder, sound_decoder
from media.tape.model import Frame

# Samples a decoder is warmed up for: RFC 7845 §4.6 asks for 80 ms, and what conceals a loss at the
# beginning was decoded before it.
PREROLL = 14_400
_PREROLL_OF_RESTS = comfort.LONGEST + comfort.ANEW + comfort.MEMORY
# Samples.  Behind the end of a slice no more is read: both slices that a longer loss reaches into
# must make the same of it.
_LONGEST = opus.RATE // 5
_STEP = 120  # samples: decoders conceal multiples of 2.5 ms
_FADE = 240  # samples: 5 ms at the edges of a hole, against clicks


class TrackSound:
    """The sound of one track inside a window of the sample grid."""

    def __init__(self, first: int, count: int, channels: int) -> None:
        self.pcm: Pcm = np.zeros((channels, count), np.float32)
        self._first = first
        self._channels = channels
        self._decoder: SoundDecoder | None = None
        self._decodes = ""  # Codec.key
        self._end: int | None = None  # grid position after the last sample written
        self._gain = 1.0  # that concealed sound has faded to
        self._rest = comfort.Rest(channels)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rest.begun:
            self._be_at_rest(self._first + self.pcm.shape[1])
        self.finish()

    def add(self, placed: Placed) -> None:
        """Decode the next packet into its place, and conceal what is lost before it."""
        if self._rest.begun and not placed.joined:
            self._be_at_rest(placed.start)
        decoder = self._decoder_for(placed.frame)
        if placed.gap and self._end is not None and not self._rest.begun:
            self._bridge(decoder, placed)
        if self._rest.begins(placed.frame):
            self._decoder = decoder = self._rest.decoder(placed.frame)
        sound = decoder.decode(placed.frame.data)
        if sound is None:
            self._conceal(decoder, placed)
            return
        self._rest.heard(placed.frame)
        if self._end is None or not (placed.joined or placed.gap):
            self.finish()
            self._gain = 0.0
        self._write(resampled(sound, placed.length), placed.start - decoder.delay)

    def _decoder_for(self, frame: Frame) -> SoundDecoder:
        if self._decoder is None or self._decodes != frame.codec.key:
            self.finish()
            self._decoder = sound_decoder(frame.codec, self._channels)
            self._decodes = frame.codec.key
        return self._decoder

    def _be_at_rest(self, until: int) -> None:
        """Comfort noise up to a grid position; what rests for too long is over."""
        if self._decoder is None or self._end is None or until <= self._end:
            return
        length = min(until - self._end, comfort.LONGEST)
        # It gives a little less than it is asked for; nothing of it is stretched, for that would
        # depend on where it ends.
        noise = self._decoder.conceal(length + _STEP)[:, :length]
        self._write(noise, self._end)
        if self._end < until:
            self.finish()

    def _bridge(self, decoder: SoundDecoder, placed: Placed) -> None:
        """Fill the hole before a packet, if its sound was lost."""
        if placed.frame.intact or placed.gap > _LONGEST:
            self.finish()  # nothing was sent: muted, for example
        else:
            until = placed.start - decoder.delay
            self._fill(*concealed(decoder, placed.gap, placed.frame.data), until)

    def _conceal(self, decoder: SoundDecoder, placed: Placed) -> None:
        """In place of a damaged packet."""
        if self._end is not None:
            sound, gain = concealed(decoder, placed.length, b"")
            self._fill(sound, gain, placed.start + placed.length - decoder.delay)

    def _fill(self, sound: Pcm, gain: float, until: int) -> None:
        """Put sound between the end of what is written and a grid position."""
        if self._end is None or until <= self._end or not sound.shape[1]:
            return
        self._write(resampled(sound, until - self._end), self._end)
        self._gain = gain

    def finish(self) -> None:
        """Let the sound end softly here; more may follow."""
        if self._end is not None:
            until = self._end - self._first
            tail = self.pcm[:, max(0, until - _FADE) : max(0, until)]
            tail *= _ramp(tail.shape[1])[::-1]
        self._end = None

    def _write(self, sound: Pcm, start: int) -> None:
        if self._gain < 1.0:
            rise = self._gain + (1.0 - self._gain) * _ramp(min(_FADE, sound.shape[1]))
            sound[:, :_FADE] *= rise.astype(np.float32)
            self._gain = 1.0
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
    preroll = _PREROLL_OF_RESTS if any(map(comfort.rests, frames)) else PREROLL
    with TrackSound(begin, length, channels) as sound:
        for placed in _within(place(frames, origin_ns), begin - preroll, begin + length):
            sound.add(placed)
    return sound.pcm


def _within(placed: Iterable[Placed], begin: int, end: int) -> Iterator[Placed]:
    """Those in a window, and the first after it: what it tells of a loss before it is heard."""
    for one in placed:
        if one.start + one.length > begin:
            yield one
        if one.start >= end:
            return


def _ramp(count: int) -> Pcm:
    """From 0 to 1, without a corner at either end."""
    steps = (np.arange(count) + 0.5) / max(1, count)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * steps), np.float32)
