"""Encoded pictures for the depacketizers' tests."""

import fractions

import av
import numpy as np

from media.publish.open_encoder import open_encoder
from tests.elsewhere import elsewhere

RATE = 90_000
_OPTIONS = {
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"},
    "libx264": {"preset": "ultrafast", "tune": "zerolatency"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1"},
}


def pictures(count=12, size=(320, 192)):
    """Moving noise on a gradient: key frames of many packets."""
    dice = np.random.default_rng(4)
    for i in range(count):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        picture[:, :, 0] = np.linspace(0, 255, size[0]) + i % 200
        high, wide = size[1] // 2, size[0] // 3
        at = i % (size[1] - high)
        picture[at : high + at, 4 : 4 + wide] = dice.integers(0, 255, (high, wide, 3))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = i * 3000, fractions.Fraction(1, RATE)
        yield frame


def encoded(name, **how):
    """``(bytes, key)`` of each picture."""
    return elsewhere(_encoded, name, **how) if name == "libsvtav1" else _encoded(name, **how)


def _encoded(name, *, count=12, size=(320, 192), gop=6, **options):
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = fractions.Fraction(1, RATE), fractions.Fraction(30)
    context.gop_size, context.bit_rate, context.thread_count = gop, 900_000, 1
    context.options = _OPTIONS[name] | options
    open_encoder(context)
    found = []
    for picture in pictures(count, size):
        found += [(bytes(packet), packet.is_keyframe) for packet in context.encode(picture)]
    return found + [(bytes(packet), packet.is_keyframe) for packet in context.encode(None)]


def decoded(name, datas):
    """The pictures as arrays; an error of the decoder is an error."""
    context = av.CodecContext.create(name, "r")
    context.thread_count = 1
    shown = [frame for data in datas for frame in context.decode(av.Packet(data))]
    shown += context.decode(None)
    return [frame.to_ndarray(format="yuv420p") for frame in shown]
