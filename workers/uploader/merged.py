"""The merged indices of stream mode ``standard`` (reference §5.6): an audio and a video line."""

from collections.abc import Iterator, Sequence

from media.mux import m3u8, mpd
from workers.job import naming
from workers.spool.spool import SegmentFile

_Segments = Sequence[SegmentFile]


def text(name: str, segments: _Segments, origin_ns: int, *, ended: bool) -> str:
    """The index of this name over segments of both media, each in order."""
    audio = [segment for segment in segments if segment.kind == "audio"]
    video = [segment for segment in segments if segment.kind == "video"]
    if not name.endswith(".mpd"):
        return _multivariant(audio, video)
    streams = (*_streams("audio", audio), *_streams("video", video))
    return mpd.render(mpd.Manifest(origin_ns, streams, ended))


def anticlockwise(rotation: int) -> int:
    """Degrees clockwise, as tapes have them, as Agora counts them."""
    return -rotation % 360


def _multivariant(audio: _Segments, video: _Segments) -> str:
    return m3u8.render_merged(
        m3u8.Merged(
            audio=naming.uri(audio[0].playlist) if audio else "",
            video=naming.uri(video[0].playlist) if video else "",
            video_codec=video[0].profile if video else "",
            width=max((segment.width for segment in video), default=0),
            height=max((segment.height for segment in video), default=0),
            bandwidth=max(_peak(audio) + _peak(video), 1),
        )
    )


def _peak(segments: _Segments) -> int:
    """Bits per second of the dearest segment; very short ones tell nothing."""
    rates = (round(one.bytes * 8 / max(one.duration_s, 1.0)) for one in segments)
    return max(rates, default=0)


def _streams(kind: str, segments: _Segments) -> Iterator[mpd.Stream]:
    for codec in dict.fromkeys(segment.profile for segment in segments):
        own = [segment for segment in segments if segment.profile == codec]
        yield mpd.Stream(kind, codec, max(_peak(own), 1), tuple(map(_piece, own)))


def _piece(segment: SegmentFile) -> mpd.Piece:
    return mpd.Piece(
        name=naming.uri(segment.name),
        start_ns=segment.start_ns,
        duration_s=segment.duration_s,
        resumed=segment.resumed,
        looks=tuple(_looks(segment)),
    )


def _looks(segment: SegmentFile) -> Iterator[mpd.Look]:
    if segment.width:
        for at_ns, rotation in ((segment.start_ns, segment.rotation), *segment.turns):
            yield mpd.Look(at_ns, segment.width, segment.height, anticlockwise(rotation))
