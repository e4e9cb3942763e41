"""Decoders of audio packets, each to float samples at 48 kHz."""

from typing import Protocol, cast

import av
import numpy as np
import numpy.typing as npt
import structlog
from av.audio.codeccontext import AudioCodecContext

from media.cut import libopus, opus
from media.cut.limiter import Pcm
from media.cut.repetition import repeated
from media.cut.sound_packet import BYTE_PER_TICK
from media.rtp.codec import Codec

_log = structlog.get_logger(__name__)

_FULL_SCALE = np.float32(32768.0)
_REACH = 8  # samples of the slower rate that a sample of the faster one is made of, each side
_OPUS_STEP = 120  # samples: libopus conceals multiples of 2.5 ms


class SoundDecoder(Protocol):
    """Decodes one track, packet by packet, and guesses what was in those that are lost."""

    delay: int  # samples at 48 kHz: what comes out is this much late

    def decode(self, packet: bytes) -> Pcm | None:
        """The samples of one packet, full scale 1.0; None if it is damaged."""
        ...

    def conceal(self, samples: int) -> Pcm:
        """About so many samples like those before, in place of what is lost; maybe none."""
        ...

    def repeats(self, packet: bytes) -> int:
        """How many samples a packet holds of those right before it; 0 if none."""
        ...

    def recover(self, packet: bytes) -> Pcm | None:
        """What a packet, not decoded yet, repeats of those before it."""
        ...


def sound_decoder(codec: Codec, channels: int) -> SoundDecoder:
    """A decoder that gives so many channels.  Raises KeyError for codecs without one."""
    if codec.key == "opus":
        return OpusDecoder(channels)
    if codec.key in BYTE_PER_TICK:
        return TelephoneDecoder(codec, channels)
    raise KeyError(codec.key)


class OpusDecoder:
    """Opus decodes to the rate and the channels that are asked for."""

    delay = 0

    def __init__(self, channels: int) -> None:
        """Raises CutFailed."""
        self._decoder = libopus.Decoder(channels)
        self._silence: Pcm = np.zeros((channels, 0), np.float32)

    def decode(self, packet: bytes) -> Pcm | None:
        """See :class:`SoundDecoder`."""
        sound = self._decoder.decode(packet)
        if sound is None:
            _log.debug("An audio packet could not be decoded.")
        return sound

    def conceal(self, samples: int) -> Pcm:
        """See :class:`SoundDecoder`."""
        steps = range(0, samples // _OPUS_STEP * _OPUS_STEP, opus.LONGEST)
        pieces = (
            self._decoder.conceal(min(opus.LONGEST, (samples - at) // _OPUS_STEP * _OPUS_STEP))
            for at in steps
        )
        return np.concatenate([self._silence, *(one for one in pieces if one is not None)], axis=1)

    def repeats(self, packet: bytes) -> int:
        """See :class:`SoundDecoder`."""
        return opus.recoverable(packet)

    def recover(self, packet: bytes) -> Pcm | None:
        """See :class:`SoundDecoder`."""
        return self._decoder.recover(packet, opus.recoverable(packet))


class TelephoneDecoder:
    """G.711 at 8 kHz and G.722 at 16 kHz, brought to 48 kHz."""

    def __init__(self, codec: Codec, channels: int) -> None:
        name = {"pcmu": "pcm_mulaw", "pcma": "pcm_alaw", "g722": "g722"}[codec.key]
        rate = codec.clock_rate * (2 if codec.key == "g722" else 1)
        self._factor = max(1, opus.RATE // rate)
        self._own, self._channels = codec.channels, channels
        self._context = _context(name, rate, codec.channels)
        self._kernel = _kernel(self._factor)
        self._history: Pcm = np.zeros((self._own, 2 * _REACH - 1), np.float32)
        self._recent: Pcm = np.zeros((self._own, rate // 20), np.float32)  # 50 ms
        self.delay = _REACH * self._factor

    def decode(self, packet: bytes) -> Pcm | None:
        """See :class:`SoundDecoder`."""
        sound = _decoded(self._context, packet, self._own)
        return None if sound is None else self._given(sound)

    def conceal(self, samples: int) -> Pcm:
        """See :class:`SoundDecoder`."""
        count = samples // self._factor
        return self._given(np.stack([repeated(wave, count) for wave in self._recent]))

    def repeats(self, packet: bytes) -> int:
        """None: these packets know only of themselves."""
        return 0

    def recover(self, packet: bytes) -> Pcm | None:
        """Nothing."""
        return None

    def _given(self, sound: Pcm) -> Pcm:
        size = self._recent.shape[1]
        self._recent = np.concatenate((self._recent, sound), axis=1)[:, -size:]
        fast = np.stack([self._raised(i, wave) for i, wave in enumerate(sound)])
        if self._own == self._channels:
            return fast
        mixed = fast.mean(axis=0, keepdims=True, dtype=np.float32)
        return np.repeat(mixed, self._channels, axis=0)

    def _raised(self, channel: int, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        known = np.concatenate((self._history[channel], wave))
        self._history[channel] = known[-(2 * _REACH - 1) :]
        windows = np.lib.stride_tricks.sliding_window_view(known, 2 * _REACH)
        fast: npt.NDArray[np.float32] = (windows @ self._kernel).reshape(-1)
        return fast


def _kernel(factor: int) -> npt.NDArray[np.float32]:
    """A windowed sinc for each of the ``factor`` places after the middle of a window."""
    behind = np.arange(2 * _REACH)[:, None] - (_REACH - 1) - np.arange(factor)[None, :] / factor
    kernel = np.sinc(behind) * np.cos(behind * np.pi / (2 * _REACH + 1)) ** 2
    return np.asarray(kernel / kernel.sum(axis=0), np.float32)


def _context(name: str, rate: int, channels: int) -> AudioCodecContext:
    context = cast("AudioCodecContext", AudioCodecContext.create(name, "r"))
    context.sample_rate = rate
    context.layout = "stereo" if channels == 2 else "mono"
    context.thread_count = 1
    return context


def _decoded(context: AudioCodecContext, packet: bytes, channels: int) -> Pcm | None:
    try:
        frames = context.decode(av.Packet(packet))
    except av.FFmpegError as error:
        _log.debug("An audio packet could not be decoded.", error=str(error))
        return None
    pieces = [_samples(frame, channels) for frame in frames]
    return np.concatenate(pieces, axis=1) if pieces else None


def _samples(frame: av.AudioFrame, channels: int) -> Pcm:
    raw = np.frombuffer(frame.planes[0], np.int16, frame.samples * channels)  # type: ignore[call-overload]  # a plane is a buffer
    wave: Pcm = raw.reshape(-1, channels).T.astype(np.float32) / _FULL_SCALE
    return wave
