"""Writes the segments of individual lines."""

from collections.abc import Sequence
from pathlib import Path

from media.cut import aac, sound_packet
from media.cut.copying import Run
from media.cut.lines import Line
from media.cut.model import Container, Segment
from media.cut.sound import render
from media.cut.transcoding import AacSegment
from media.mux import adts, opus_ts
from media.mux.codec_name import codec_name
from media.mux.mpegts import TransportStream, TsPacket, ticks
from media.mux.opus_webm import OpusFile
from media.mux.output import complete
from media.mux.wav import WavFile
from media.mux.webm import WebmFile
from media.tape.model import NS, Frame, Kind

_TS = frozenset(("h264", "opus"))  # the others cannot be put into a transport stream
_RESET_NS = NS // 10  # clocks that part by more were set anew


def copied(
    line: Line, run: Run, origin_ns: int, out_dir: Path, *, on_grid: bool = False
) -> Segment:
    """A segment whose packets are the publisher's own.

    WebM files begin at zero; ``on_grid`` they have the recording's time, as transport streams do.
    """
    codec = run.frames[0].codec.key
    container: Container = "webm" if line.kind is Kind.VIDEO else "wav"
    if codec in _TS:
        container = "ts"
    path = _path(line, run.start_ns, container, out_dir)
    with complete(path) as part:
        if container == "webm":
            _write_webm(run, part, origin_ns if on_grid else run.start_ns)
        elif container == "wav":
            _write_wav(run, part)
        elif line.kind is Kind.VIDEO:
            _write_h264(run, part, origin_ns)
        else:
            _write_opus(run, part, origin_ns)
    return Segment(
        uid=line.uid,
        kind="video" if line.kind is Kind.VIDEO else "audio",
        source=line.source,
        container=container,
        path=path,
        start_ns=run.start_ns,
        duration_s=run.duration_s,
        discontinuity=run.discontinuity,
        width=run.width,
        height=run.height,
        codec=codec,
        resumed=run.resumed,
        rotation=run.rotation,
        turns=tuple(run.turns),
        profile=codec_name(codec, run.frames[0].data),
    )


def opus_webm(line: Line, run: Run, origin_ns: int, out_dir: Path) -> Segment:
    """A segment of Opus packets as they came, in WebM with the recording's time."""
    path = _path(line, run.start_ns, "webm", out_dir)
    channels = max(map(sound_packet.channels, run.frames))
    with complete(path) as part, OpusFile(part, channels) as file:
        for frame in run.frames:
            file.write(frame.data, time_ns=frame.time_ns - origin_ns)
    return Segment(
        uid=line.uid,
        kind="audio",
        source=line.source,
        container="webm",
        path=path,
        start_ns=run.start_ns,
        duration_s=run.duration_s,
        discontinuity=run.discontinuity,
        codec="opus",
        resumed=run.resumed,
        profile=codec_name("opus", b""),
        listed=False,
    )


def transcoded(
    line: Line, one: AacSegment, tracks: Sequence[Sequence[Frame]], origin_ns: int, out_dir: Path
) -> Segment:
    """A segment of AAC made of a line's sound."""
    span, profile = one.span, aac.PROFILES[0]
    pcm = render(
        tracks, origin_ns, first=span.sample, count=span.samples, channels=profile.channels
    )
    start_ns = aac.frame_ns(span.first, origin_ns)
    path = _path(line, start_ns, "ts", out_dir)
    with complete(path) as part, TransportStream(part) as stream:
        index = stream.add_aac()
        for i, payload in enumerate(aac.encode(pcm, span, profile)):
            data = adts.frame(payload, profile.channels)
            stream.write(TsPacket(index, aac.frame_ticks(span.first + i), data))
    return Segment(
        uid=line.uid,
        kind="audio",
        source=line.source,
        container="ts",
        path=path,
        start_ns=start_ns,
        duration_s=span.seconds,
        discontinuity=one.resumed,
        codec="aac",
        resumed=one.resumed,
        profile=codec_name("aac", b""),
    )


def _path(line: Line, start_ns: int, container: Container, out_dir: Path) -> Path:
    return out_dir / f"{line.stem}-{start_ns}.{container}"


def _write_opus(run: Run, path: Path, origin_ns: int) -> None:
    with TransportStream(path, timed_audio=True) as stream:
        index = stream.add_opus(max(map(sound_packet.channels, run.frames)))
        for frame in run.frames:
            time = ticks(frame.time_ns, origin_ns)
            stream.write(TsPacket(index, time, opus_ts.unit(frame.data)))


def _write_h264(run: Run, path: Path, origin_ns: int) -> None:
    with TransportStream(path) as stream:
        index = stream.add_h264(run.width, run.height)
        for frame in run.frames:
            time = ticks(frame.time_ns, origin_ns)
            stream.write(TsPacket(index, time, frame.data, frame.keyframe))


def _write_webm(run: Run, path: Path, zero_ns: int) -> None:
    ends = [frame.time_ns for frame in run.frames[1:]] + [run.end_ns]
    first = run.frames[0]
    with WebmFile(path, first.codec.key, run.width, run.height, first.data) as file:
        for frame, end_ns in zip(run.frames, ends, strict=True):
            file.write(
                frame.data,
                time_ns=frame.time_ns - zero_ns,
                duration_ns=end_ns - frame.time_ns,
                keyframe=frame.keyframe,
            )


def _write_wav(run: Run, path: Path) -> None:
    before: Frame | None = None
    codec = run.frames[0].codec
    with WavFile(path, codec.key, codec.channels) as file:
        for frame in run.frames:
            if before is not None:
                file.rest(_missing_ticks(before, frame))
            file.write(frame.data)
            before = frame


def _missing_ticks(before: Frame, after: Frame) -> int:
    """The hole between two packets, by RTP time unless that was set anew."""
    rate = after.codec.clock_rate
    by_rtp = after.rtp_time - before.rtp_time
    by_wall = (after.time_ns - before.time_ns) * rate // NS
    elapsed = by_rtp if abs(by_rtp - by_wall) * NS <= _RESET_NS * rate else by_wall
    return max(0, elapsed - len(before.data) // before.codec.channels)
