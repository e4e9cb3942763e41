"""Where a publisher's encoded media comes from."""

from dataclasses import dataclass
from typing import Protocol

from media.publish.encoders import (
    AUDIO_RATE,
    OPUS_SAMPLES,
    VIDEO_RATE,
    OpusEncoder,
    SoundEncoder,
    TelephoneEncoder,
    VideoEncoder,
)
from media.publish.pattern import PatternPicture
from media.publish.tones import PatternSound
from media.tape.model import Kind

# Of units; a codec's RTP clock may be slower.
CLOCK_RATES = {Kind.AUDIO: AUDIO_RATE, Kind.VIDEO: VIDEO_RATE}
_AUDIO_STEP_S = 0.1  # how much sound is made at a time when there is no picture
_KEYFRAME_S = 10.0
CONSTRAINED_BASELINE = "42e01f"


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded picture or one packet of sound."""

    kind: Kind
    time: int  # in units of CLOCK_RATES since the start, without wrapping
    data: bytes
    keyframe: bool

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return self.time / CLOCK_RATES[self.kind]


class MediaSource(Protocol):
    """Endless encoded media in order of time; used by one worker thread at a time."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it yields."""
        ...

    @property
    def video(self) -> str | None:
        """Name of the video codec: ``"vp8"``, ``"vp9"``, ``"h264"``, ``"av1"``."""
        ...

    @property
    def audio(self) -> str:
        """Name of the audio codec: ``"opus"``, ``"pcmu"``, ``"pcma"``, ``"g722"``."""
        ...

    @property
    def channels(self) -> int:
        """Of the sound: 1 or 2."""
        ...

    @property
    def profile_level_id(self) -> str:
        """Of H.264, six hex digits (RFC 6184 §8.1)."""
        ...

    def step(self, *, keyframe: bool) -> list[Unit]:
        """The next little piece; with ``keyframe`` its picture is one, where that is possible."""
        ...

    def close(self) -> None:
        """Free everything; idempotent."""
        ...


class PatternSource:
    """The test pattern, drawn and encoded as it is asked for."""

    def __init__(
        self,
        uid: str,
        *,
        video: str | None,
        audio: str | None,
        size: tuple[int, int],
        fps: int,
        bitrate: int,
    ) -> None:
        self._fps = fps
        self._frames = self._samples = 0
        self._picture: PatternPicture | None = None
        if video is not None:
            width, height = size
            self._picture = PatternPicture(uid, width=width, height=height, fps=fps)
            self._encoder = VideoEncoder(
                video,
                width=width,
                height=height,
                fps=fps,
                bitrate=bitrate,
                keyframe_s=_KEYFRAME_S,
            )
        self._sound = PatternSound(uid) if audio else None
        self.video, self.audio = video, audio or "opus"
        self._voice: SoundEncoder = (
            OpusEncoder() if self.audio == "opus" else TelephoneEncoder(self.audio)
        )
        self.channels = 1
        self.profile_level_id = CONSTRAINED_BASELINE
        wanted = ((Kind.VIDEO, self._picture), (Kind.AUDIO, self._sound))
        self.kinds = frozenset(kind for kind, made in wanted if made is not None)

    def step(self, *, keyframe: bool) -> list[Unit]:
        """One picture with the sound that begins while it is shown, or 100 ms of sound alone."""
        if self._picture is None:
            return self._audio(self._samples + int(_AUDIO_STEP_S * AUDIO_RATE))
        picture = self._video(self._picture, keyframe=keyframe)
        return [picture, *self._audio(self._frames * AUDIO_RATE // self._fps)]

    def close(self) -> None:
        """Nothing is held that the garbage collector would not free."""

    def _video(self, picture: PatternPicture, *, keyframe: bool) -> Unit:
        time = self._frames * VIDEO_RATE // self._fps
        data, is_key = self._encoder.encode(picture.draw(self._frames), time, force_key=keyframe)
        self._frames += 1
        return Unit(Kind.VIDEO, time, data, is_key)

    def _audio(self, until: int) -> list[Unit]:
        """Packets that begin before sample ``until``.

        The encoder is fed ahead by its own delay, so that what a decoder puts out for an RTP
        time is the sound of that very moment.
        """
        units = []
        while self._sound is not None and self._samples < until:
            samples = self._sound.samples(self._samples + self._voice.delay, OPUS_SAMPLES)
            data = self._voice.encode(samples, self._samples)
            units.append(Unit(Kind.AUDIO, self._samples, data, keyframe=True))
            self._samples += OPUS_SAMPLES
        return units
