"""What is sent: Opus and VP8, encoded once and repeated."""

from fractions import Fraction

import av
import numpy as np

from media.publish.packetize import Vp8Packetizer

OPUS_SAMPLES = 960  # of 48 kHz, 20 ms
VIDEO_FPS = 15
VIDEO_BITRATE = 600_000  # bit/s; with pieces of up to 1180 bytes some 65 packets per second
_WIDTH, _HEIGHT = 640, 360
_REPEAT_S = 4


def opus_packets(count: int = 250) -> list[bytes]:
    """Some seconds of a tone with noise, 32 kbit/s."""
    encoder = av.CodecContext.create("libopus", "w")
    if not isinstance(encoder, av.AudioCodecContext):
        raise TypeError("libopus is not an audio codec")
    encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16", "mono"
    encoder.bit_rate, encoder.time_base = 32_000, Fraction(1, 48_000)
    noise, packets = np.random.default_rng(1), []
    for number in range(count):
        at = np.arange(number * OPUS_SAMPLES, (number + 1) * OPUS_SAMPLES)
        wave = 6000 * np.sin(at * 0.05) + noise.normal(0, 800, OPUS_SAMPLES)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, number * OPUS_SAMPLES
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def vp8_payloads() -> list[list[bytes]]:
    """The RTP payloads of each frame; the first frame is a key frame, so they may be repeated."""
    encoder = av.CodecContext.create("libvpx", "w")
    if not isinstance(encoder, av.VideoCodecContext):
        raise TypeError("libvpx is not a video codec")
    encoder.width, encoder.height, encoder.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, VIDEO_FPS), Fraction(VIDEO_FPS)
    encoder.bit_rate, encoder.gop_size = VIDEO_BITRATE, VIDEO_FPS * _REPEAT_S
    rate = str(VIDEO_BITRATE)
    encoder.options = {
        "deadline": "realtime",
        "cpu-used": "-8",
        "lag-in-frames": "0",
        "minrate": rate,
        "maxrate": rate,
    }
    packetizer, frames = Vp8Packetizer(), []
    for number in range(VIDEO_FPS * _REPEAT_S):
        frame = av.VideoFrame.from_ndarray(_picture(number), "yuv420p")
        frame.pts, frame.time_base = number, encoder.time_base
        frames += [
            packetizer.payloads(bytes(packet), keyframe=packet.is_keyframe)
            for packet in encoder.encode(frame)
        ]
    return frames


def _picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A moving wave with some noise, which takes the bits that it gets."""
    noise = np.random.default_rng(number)
    across, down = np.arange(_WIDTH)[None, :], np.arange(_HEIGHT)[:, None]
    wave = 110 + 60 * np.sin((across + 9 * number) / 17) + 40 * np.sin((down - 5 * number) / 11)
    planes = np.full((_HEIGHT * 3 // 2, _WIDTH), 128.0)
    planes[:_HEIGHT] = wave + noise.normal(0, 3, (_HEIGHT, _WIDTH))
    return planes.clip(0, 255).astype(np.uint8)
