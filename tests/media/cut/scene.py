"""Publishers made with real encoders, as frames with known pictures, tones and times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from media.publish.open_encoder import open_encoder
from media.rtp.codec import Codec
from media.tape.model import NS, EventType, Frame, Kind, Source, TapeEvent, Track
from tests.elsewhere import elsewhere

# A frame's number stands in the middle of its picture: bright and dark cells, 4 columns, 3 rows.
CELL = 10  # pixels
BITS = [(column - 1.5, row - 1) for row in range(3) for column in range(4)]

ORIGIN_NS = 1_790_000_000 * NS + 123_456_789

VP8 = Codec("VP8", 96, 90_000)
H264 = Codec("H264", 102, 90_000, fmtp="packetization-mode=1;profile-level-id=42e01f")
VP9 = Codec("VP9", 98, 90_000, fmtp="profile-id=0")
AV1 = Codec("AV1", 45, 90_000, fmtp="profile=0")
OPUS = Codec("opus", 111, 48_000, 2)
PCMU = Codec("PCMU", 0, 8000)
PCMA = Codec("PCMA", 8, 8000)
G722 = Codec("G722", 9, 8000)

_ENCODERS = {
    VP8: ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    H264: ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}),
    AV1: ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1"}),
}
_TELEPHONE = {PCMU: ("pcm_mulaw", 8000), PCMA: ("pcm_alaw", 8000), G722: ("g722", 16_000)}


def track(uid: str, source: Source, codec: Codec, number: int = 1) -> Track:
    kind = Kind.VIDEO if source in (Source.CAMERA, Source.SCREEN) else Kind.AUDIO
    name = f"1.{uid}-{source.value}-{number}"
    return Track(name, uid, kind, source, hash(name) & 0xFFFFFFFF, (codec,), f"c{uid}")


@dataclass(frozen=True)
class Colour:
    """A still of one colour; ``u`` and ``v`` tell publishers apart."""

    y: int
    u: int
    v: int


RED = Colour(80, 90, 240)
GREEN = Colour(145, 54, 34)
BLUE = Colour(41, 240, 110)
YELLOW = Colour(210, 16, 146)


def _picture(colour: Colour, number: int, width: int, height: int) -> av.VideoFrame:
    frame = np.empty((height * 3 // 2, width), np.uint8)
    frame[:height] = colour.y
    chroma = frame[height:].reshape(-1)
    chroma[: chroma.size // 2], chroma[chroma.size // 2 :] = colour.u, colour.v
    for bit, (x, y) in enumerate(BITS):
        top, left = round(height / 2 + (y - 0.5) * CELL), round(width / 2 + (x - 0.5) * CELL)
        frame[top : top + CELL, left : left + CELL] = 235 if number >> bit & 1 else 16
    return av.VideoFrame.from_ndarray(frame, format="yuv420p")


def pictures(of: Track, colour: Colour, **how: Any) -> list[Frame]:
    """An encoded video track; frame ``n`` shows the number ``n``.  See :func:`_encoded`."""
    if of.codecs[0] == AV1:
        return elsewhere(_encoded, of, colour, **how)
    return _encoded(of, colour, **how)


def _encoded(
    of: Track,
    colour: Colour,
    *,
    start_ns: int,
    seconds: float,
    fps: int = 15,
    size: tuple[int, int] = (320, 180),
    gop_s: float = 2,
    jitter_ns: int = 0,
    seed: int = 1,
) -> list[Frame]:
    codec = of.codecs[0]
    name, options = _ENCODERS[codec]
    encoder = VideoCodecContext.create(name, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, fps)
    encoder.framerate = Fraction(fps)
    encoder.bit_rate = 800_000
    encoder.gop_size = int(fps * gop_s)
    encoder.thread_count = 1
    encoder.options = options
    open_encoder(encoder)
    rng = np.random.default_rng(seed)
    frames = []
    for n in range(int(seconds * fps)):
        frame = _picture(colour, n, *size)
        frame.pts = n
        for packet in encoder.encode(frame):
            late = int(rng.uniform(-jitter_ns, jitter_ns)) if jitter_ns else 0
            since_ns = n * NS // fps + late
            frames.append(
                Frame(
                    of,
                    codec,
                    start_ns + since_ns,
                    1000 + since_ns * 90_000 // NS,
                    bytes(packet),
                    packet.is_keyframe,
                    intact=True,
                    width=size[0] if packet.is_keyframe else 0,
                    height=size[1] if packet.is_keyframe else 0,
                )
            )
    return frames


def tone(
    of: Track,
    hz: float,
    *,
    start_ns: int,
    seconds: float,
    ms: float = 20,
    channels: int = 1,
    level: float = 0.25,
    jitter_ns: int = 0,
    drift: float = 0.0,
    seed: int = 1,
) -> list[Frame]:
    """An encoded sine; ``drift`` is how much faster than the wall clock the sender counts."""
    encoder = AudioCodecContext.create("libopus", "w")
    encoder.sample_rate = 48_000
    encoder.layout = "stereo" if channels == 2 else "mono"
    encoder.format = "s16"
    encoder.bit_rate = 64_000
    encoder.options = {"frame_duration": f"{ms:g}", "application": "lowdelay"}
    step = int(ms * 48)
    rng = np.random.default_rng(seed)
    frames = []
    for i in range(int(seconds * 48_000) // step):
        at = np.arange(i * step, (i + 1) * step)
        wave = (level * 32767 * np.sin(2 * np.pi * hz * at / 48_000)).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(
            np.repeat(wave, channels).reshape(1, -1), format="s16", layout=encoder.layout.name
        )
        sound.sample_rate, sound.pts = 48_000, i * step
        for packet in encoder.encode(sound):
            late = int(rng.uniform(-jitter_ns, jitter_ns)) if jitter_ns else 0
            rtp = 7000 + i * step
            time_ns = start_ns + int(i * step * NS / (48_000 * (1 + drift))) + late
            frames.append(Frame(of, OPUS, time_ns, rtp, bytes(packet), True, intact=True))
    return frames


def telephone_tone(
    of: Track, hz: float, *, start_ns: int, seconds: float, ms: float = 20, level: float = 0.25
) -> list[Frame]:
    """An encoded sine in G.711 or G.722."""
    codec = of.codecs[0]
    name, rate = _TELEPHONE[codec]
    encoder = AudioCodecContext.create(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    wave = level * 32767 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    data = b""
    for at in range(0, len(wave), rate // 50):
        block = wave[at : at + rate // 50].astype(np.int16).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        sound.sample_rate, sound.pts = rate, at
        data += b"".join(bytes(packet) for packet in encoder.encode(sound))
    step = int(ms * 8)  # bytes: one is one tick of the RTP clock
    return [
        Frame(of, codec, start_ns + at * NS // 8000, 7000 + at, data[at : at + step], True, True)
        for at in range(0, len(data), step)
    ]


def presence(of: Track, at_ns: int) -> Iterator[TapeEvent]:
    """The events of a publisher who joins with a track."""
    yield TapeEvent(EventType.JOINED, at_ns, uid=of.uid)
    yield TapeEvent(EventType.TRACK_ADDED, at_ns, track=of.id)


def moved(frames: list[Frame], **changes: object) -> list[Frame]:
    return [frame._replace(**changes) for frame in frames]  # type: ignore[arg-type]
