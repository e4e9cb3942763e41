"""Looks at a media file's packets, without decoding, to see what may be sent as it is."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_LOOK_AT_S = 60.0
_KEYFRAME_EVERY_S = 5.0  # rarer ones make late joiners wait; such files are transcoded
_OPUS_20_MS = (1, 5, 9, 13, 15, 19, 23, 27, 31)  # RFC 6716 §3.1, configurations of one frame size


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What can be published of a file, and how."""

    start_s: float  # of its earliest track, on the file's own clock
    video_codec: str | None  # as FFmpeg names it
    video_fits: bool  # VP8 or H.264 without reordering, with frequent key frames
    frame_s: float  # how long a picture stays
    profile_level_id: str  # of H.264, six hex digits
    audio_codec: str | None
    opus_20_ms: bool
    channels: int


def inspect(path: Path) -> FileFacts:
    """The facts of a file; raises what PyAV raises when it cannot be read."""
    with av.open(str(path)) as container:
        video = next(iter(container.streams.video), None)
        audio = next(iter(container.streams.audio), None)
        streams = [stream for stream in (video, audio) if stream is not None]
        packets = _packets(container, streams)
        rate = float(video.average_rate or 30) if video is not None else 30.0
        return FileFacts(
            start_s=_start_s(packets),
            video_codec=video.codec_context.name if video is not None else None,
            video_fits=video is not None and _video_fits(video, packets[video.index]),
            frame_s=1 / rate,
            profile_level_id=_profile_level_id(video),
            audio_codec=audio.codec_context.name if audio is not None else None,
            opus_20_ms=audio is not None and _is_opus_20_ms(audio, packets[audio.index]),
            channels=audio.codec_context.channels if audio is not None else 0,
        )


def _packets(
    container: InputContainer, streams: list[VideoStream | AudioStream]
) -> dict[int, list["Packet[Any]"]]:
    found: dict[int, list[Packet[Any]]] = {stream.index: [] for stream in streams}
    for packet in container.demux(streams) if streams else ():
        if packet.pts is None or packet.time_base is None:
            continue
        rows = found[packet.stream_index]
        rows.append(packet)
        if _seconds(packet) - _seconds(rows[0]) > _LOOK_AT_S:
            break
    return found


def _seconds(packet: "Packet[Any]") -> float:
    return float((packet.pts or 0) * (packet.time_base or Fraction(0)))


def _start_s(packets: dict[int, list["Packet[Any]"]]) -> float:
    return min((_seconds(rows[0]) for rows in packets.values() if rows), default=0.0)


def _video_fits(stream: VideoStream, packets: list["Packet[Any]"]) -> bool:
    if stream.codec_context.name not in {"vp8", "h264"} or not packets:
        return False
    if stream.codec_context.pix_fmt not in {"yuv420p", "yuvj420p"}:
        return False
    times = [_seconds(packet) for packet in packets]
    keys = [time for time, packet in zip(times, packets, strict=True) if packet.is_keyframe]
    gaps = [b - a for a, b in zip(keys, [*keys[1:], times[-1]], strict=True)]
    return packets[0].is_keyframe and times == sorted(times) and max(gaps) <= _KEYFRAME_EVERY_S


def _is_opus_20_ms(stream: AudioStream, packets: list["Packet[Any]"]) -> bool:
    if stream.codec_context.name not in {"opus", "libopus"} or not packets:
        return False
    first_bytes = {bytes(packet)[0] for packet in packets if packet.size}
    return all(byte >> 3 in _OPUS_20_MS and byte & 3 == 0 for byte in first_bytes)


def _profile_level_id(stream: VideoStream | None) -> str:
    """From the parameter set in the file's header (avcC or Annex B)."""
    head = (stream.codec_context.extradata or b"") if stream is not None else b""
    if head[:1] == b"\1" and len(head) > 4:
        return head[1:4].hex()
    at = head.find(b"\0\0\1\x67")
    return head[at + 4 : at + 7].hex() if at >= 0 else "42e01f"
