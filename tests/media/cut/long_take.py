"""A take of any length with four publishers whose clocks drift, made cheaply.

Pictures repeat every 16 s, which is no multiple of a slice; sound is encoded in one go.  Each
publisher hums one tone all the time, and beeps another one for 100 ms whenever a picture with a
number that is a multiple of 15 was taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from media.cut.composite import cut_composite
from media.cut.look import Look
from media.cut.model import CompositeSpec, Segment, Slice
from media.mux import m3u8
from media.tape.model import NS, EventType, Frame, Source, TapeEvent, Track
from media.tape.reader import Tape
from tests.media.cut.look import START_S, Shot
from tests.media.cut.scene import (
    BLUE,
    GREEN,
    H264,
    OPUS,
    ORIGIN_NS,
    RED,
    VP8,
    YELLOW,
    pictures,
    presence,
    track,
)
from tests.media.cut.tapes import on_tape

RATE = 48_000
FPS = 15
SLICE_S = 15
LOOP = 240  # pictures
SIZE = (320, 180)
SPEC = CompositeSpec(look=Look(layout=1), audio_profile=1)  # a codec that adds little noise
_BEFORE_S = 1.0  # everybody was there before the recording began
_AFTER_S = 2.0
_HOP = 1024  # samples that one phase is measured on


@dataclass(frozen=True, slots=True)
class Publisher:
    uid: str
    codec: object
    colour: object
    hum_hz: float
    beep_hz: float
    drift: float  # how much faster than the wall clock the sender counts
    phase: float  # of the camera against the canvas, in pictures

    @property
    def camera(self) -> Track:
        return track(self.uid, Source.CAMERA, self.codec)

    @property
    def microphone(self) -> Track:
        return track(self.uid, Source.MICROPHONE, OPUS)

    @property
    def corner(self) -> tuple[int, int]:
        """Of its region on the canvas."""
        number = int(self.uid) - 1
        return number % 2 * 180, number // 2 * 320

    def taken_s(self, n: int | NDArray[np.int64]) -> float | NDArray[np.float64]:
        """When picture ``n`` was taken, since the recording's start; jitter aside."""
        return (n + self.phase) / FPS / (1 + self.drift) - _BEFORE_S


PUBLISHERS = (
    Publisher("1", VP8, RED, 523.0, 7010.0, 50e-6, 0.05),
    Publisher("2", H264, BLUE, 877.0, 8230.0, -50e-6, 0.5),
    Publisher("3", VP8, GREEN, 1307.0, 9470.0, 20e-6, 0.3),
    Publisher("4", H264, YELLOW, 1811.0, 10730.0, -35e-6, 0.8),
)


@dataclass(frozen=True)
class Take:
    """What was cut, slice by slice, each one by somebody who knows nothing of the others."""

    tape: Path
    segments: list[Segment]
    joined: Path

    @property
    def seams_s(self) -> NDArray[np.float64]:
        return SLICE_S * np.arange(1.0, len(self.segments))

    def playlist(self) -> str:
        entries = [
            m3u8.Entry(one.path.name, one.duration_s, one.discontinuity) for one in self.segments
        ]
        return m3u8.render(m3u8.Playlist(tuple(entries), ended=True))


def take(directory: Path, seconds: int) -> Take:
    """Record and cut; ``seconds`` is a multiple of a slice."""
    begin = ORIGIN_NS - int(_BEFORE_S * NS)
    length_s = seconds + _BEFORE_S + _AFTER_S
    tracks, events = [], []
    for i, one in enumerate(PUBLISHERS):
        tracks += [_camera(one, begin, length_s), _microphone(one, begin, length_s)]
        events += presence(one.camera, begin + 2 * i)
        events += [TapeEvent(EventType.TRACK_ADDED, begin + 2 * i + 1, track=one.microphone.id)]
    on_tape(directory / "tape", tracks, events, jitter_ns=6_000_000)
    segments = [cut(directory / "tape", n, directory) for n in range(seconds // SLICE_S)]
    joined = directory / "joined.ts"
    joined.write_bytes(b"".join(one.path.read_bytes() for one in segments))
    return Take(directory / "tape", segments, joined)


def cut(tape: Path, number: int, out: Path) -> Segment:
    start_ns = ORIGIN_NS + number * SLICE_S * NS
    part = Slice(number, start_ns, start_ns + SLICE_S * NS)
    result = cut_composite(Tape(tape), SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out)
    return result.segments[0]


def _camera(one: Publisher, begin: int, seconds: float) -> list[Frame]:
    loop = pictures(one.camera, one.colour, start_ns=0, seconds=LOOP / FPS, size=SIZE)
    dice = np.random.default_rng(int(one.uid))
    frames = []
    for n in range(int(seconds * FPS)):
        like = loop[n % LOOP]
        at_s = (n + one.phase) / FPS / (1 + one.drift) + dice.uniform(-0.003, 0.003)
        rtp = 100_000 + round(at_s * (1 + one.drift) * 90_000)
        place = begin + round(at_s * NS), rtp
        frames.append(
            Frame(
                one.camera,
                one.codec,
                *place,
                like.data,
                like.keyframe,
                True,
                like.width,
                like.height,
            )
        )
    return frames


def _microphone(one: Publisher, begin: int, seconds: float) -> list[Frame]:
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    encoder.bit_rate = 96_000
    encoder.options = {"frame_duration": "20", "application": "lowdelay"}
    frames = []
    for i in range(int(seconds * 50)):
        at = np.arange(i * 960, (i + 1) * 960) / RATE  # by the sender's clock
        beeps = (at * FPS - one.phase) % FPS < 0.1 * FPS
        wave = 0.1 * np.sin(2 * np.pi * one.hum_hz * at)
        wave += 0.07 * beeps * np.sin(2 * np.pi * one.beep_hz * at)
        block = (wave * 32767).astype(np.int16).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        sound.sample_rate, sound.pts = RATE, i * 960
        for packet in encoder.encode(sound):
            time_ns = begin + round(len(frames) * 960 * NS / (RATE * (1 + one.drift)))
            rtp = 7000 + len(frames) * 960
            frames.append(Frame(one.microphone, OPUS, time_ns, rtp, bytes(packet), True, True))
    return frames


def shown(path: Path) -> Iterator[tuple[float, list[int]]]:
    """Each picture's time since the recording's start, and the number in each region."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            plane = frame.planes[0]
            luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            shot = Shot(
                float(frame.time) - START_S, luma[: frame.height, : frame.width], luma, luma
            )
            numbers = [shot.number(*one.corner, 180, 320, SIZE) for one in PUBLISHERS]
            yield shot.time_s, numbers


def heard(path: Path) -> tuple[float, NDArray[np.float32]]:
    """When the first sample is heard, and all of them; frames follow each other without a hole."""
    with av.open(str(path)) as file:
        frames = list(file.decode(audio=0))
    for before, after in pairwise(frames):
        assert after.pts - before.pts == 1920
    pcm = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return float(frames[0].time) - START_S, pcm


def wander(pcm: NDArray[np.float32], hz: float) -> NDArray[np.float64]:
    """How many samples a tone moves from each 1024 samples to the next against a tone at rest."""
    count = len(pcm) // _HOP
    at = np.arange(count * _HOP) / RATE
    turned = (pcm[: count * _HOP] * np.exp(-2j * np.pi * hz * at)).reshape(count, _HOP)
    phases = (turned * np.hanning(_HOP)).sum(axis=1)
    return np.angle(phases[1:] / phases[:-1]) / (2 * np.pi * hz) * RATE


def onsets(pcm: NDArray[np.float32], hz: float) -> NDArray[np.float64]:
    """When a beep begins, seconds from the first sample."""
    step = 48
    count = len(pcm) // step
    at = np.arange(count * step) / RATE
    slow = (pcm[: count * step] * np.exp(-2j * np.pi * hz * at)).reshape(count, step).sum(axis=1)
    level = np.abs(np.convolve(slow, np.ones(5), "same"))
    loud = level > level.max() / 2
    return np.flatnonzero(loud[1:] & ~loud[:-1]) * step / RATE
