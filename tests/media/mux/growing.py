"""Growing files made with real encoders: slices of a mix, and stretches of one camera."""

import heapq
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from media.cut import aac, h264
from media.cut.model import CompositeSpec
from media.cut.pieces import Sound, mix_piece
from media.mux import adts, mp4
from media.mux.av1c import av1c
from media.mux.clusters import ClusterIndex, ClusterWriter, WebmTrack
from media.mux.mpegts import CLOCK_HZ, START_TICKS, TransportStream, TsPacket
from media.mux.piece import Index, Piece
from media.mux.piece_writer import piece_at
from media.publish.open_encoder import open_encoder
from media.publish.pattern import PatternPicture
from tests.elsewhere import elsewhere

HZ = 440


@dataclass(frozen=True)
class Part:
    """One slice."""

    ts: Path
    piece: Piece


def slice_of(spec: CompositeSpec, begin_s: float, end_s: float, folder: Path) -> Part:
    """``[begin_s, end_s)`` of a timeline: pictures that show their tick's number, and a tone."""
    path = folder / f"{spec.fps}-{begin_s:09.3f}.ts"
    size = spec.width, spec.height
    with mix_piece(spec, path, size) as piece, TransportStream(path) as stream:
        sources = []
        if spec.video:
            sources.append(_video(spec, begin_s, end_s, stream.add_h264(*size)))
        if spec.audio:
            sources.append(_audio(spec, begin_s, end_s, stream.add_aac()))
        for packet, unit in heapq.merge(*sources, key=lambda one: one[0].time):
            stream.write(packet)
            piece.write(unit)
    return Part(path, piece_at(path.with_suffix("")))


def _video(spec: CompositeSpec, begin_s: float, end_s: float, stream: int) -> Iterator:
    first, last = (-int(-at * spec.fps // 1) for at in (begin_s, end_s))
    pattern = PatternPicture("7", width=spec.width, height=spec.height, fps=spec.fps)
    drawn = (
        (tick, av.VideoFrame.from_ndarray(pattern.draw(tick), format="yuv420p"))
        for tick in range(first, last)
    )
    how = {"width": spec.width, "height": spec.height, "fps": spec.fps, "bitrate": spec.bitrate}
    for picture in h264.encode(drawn, **how):
        time = picture.tick * CLOCK_HZ // spec.fps + START_TICKS
        yield TsPacket(stream, time, picture.data, picture.keyframe), picture


def _audio(spec: CompositeSpec, begin_s: float, end_s: float, stream: int) -> Iterator:
    profile = aac.PROFILES[spec.audio_profile]
    span = aac.Span(*(aac.frame_at(round(at * 1e9), 0) for at in (begin_s, end_s)))
    at = np.arange(span.sample, span.sample + span.samples)
    wave = (0.25 * np.sin(2 * np.pi * HZ * at / 48_000)).astype(np.float32)
    pcm = np.tile(wave, (profile.channels, 1))
    for i, payload in enumerate(aac.encode(pcm, span, profile)):
        frame, data = span.first + i, adts.frame(payload, profile.channels)
        yield TsPacket(stream, aac.frame_ticks(frame), data), Sound(frame, payload)


def finished(parts: Sequence[Part], path: Path) -> Path:
    """The MP4 of some slices: head and payloads."""
    head = mp4.head([Index.read(part.piece.index) for part in parts])
    path.write_bytes(head + b"".join(part.piece.payload.read_bytes() for part in parts))
    return path


_REALTIME = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
_WEBM = {
    "vp8": ("libvpx", _REALTIME),
    "vp9": ("libvpx-vp9", _REALTIME),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:rc=2:rtc=1:lp=1"}),
}
_WEBM_FPS = 15
_DELIMITER = b"\x12\x00"  # of AV1: files have none


def webm_pieces(codec: str, seconds: int, *, slice_s: int) -> list[tuple[bytes, ClusterIndex]]:
    """Payload and index of each slice of one stretch: pictures with their number in them."""
    size = 320, 180
    frames = elsewhere(_webm_frames, codec, seconds, size)
    config = av1c(frames[0][0]).hex() if codec == "av1" else ""
    pieces = []
    for first in range(0, seconds * _WEBM_FPS, slice_s * _WEBM_FPS):
        payload = io.BytesIO()
        writer = ClusterWriter(payload)
        for n, (data, keyframe) in enumerate(frames[first : first + slice_s * _WEBM_FPS], first):
            time_ns = n * 10**9 // _WEBM_FPS
            writer.write(data, time_ns=time_ns, keyframe=keyframe, splits=keyframe)
        writer.flush()
        end_ns = min(first // _WEBM_FPS + slice_s, seconds) * 10**9
        index = ClusterIndex(WebmTrack(codec, config, *size), tuple(writer.clusters), end_ns)
        pieces.append((payload.getvalue(), index))
    return pieces


def _webm_frames(codec: str, seconds: int, size: tuple[int, int]) -> list[tuple[bytes, bool]]:
    name, options = _WEBM[codec]
    encoder = VideoCodecContext.create(name, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, _WEBM_FPS)
    encoder.framerate = Fraction(_WEBM_FPS)
    encoder.bit_rate = 300_000
    encoder.gop_size = 2 * _WEBM_FPS - 3  # so that slices do not begin with key pictures
    encoder.thread_count = 1
    encoder.options = options
    open_encoder(encoder)
    pattern = PatternPicture("7", width=size[0], height=size[1], fps=_WEBM_FPS)
    frames = []
    for n in range(seconds * _WEBM_FPS):
        frame = av.VideoFrame.from_ndarray(pattern.draw(n), format="yuv420p")
        frame.pts = n
        frames += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]
    return [(data.removeprefix(_DELIMITER), keyframe) for data, keyframe in frames]
