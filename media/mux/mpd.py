"""DASH manifests (ISO/IEC 23009-1) over WebM files, with Agora's elements: text from values.

One period, and in it one set of files per medium and codec, placed by the recording's time: holes
stay holes.  Each file is a segment that initializes itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from media.mux.m3u8 import utc17

_NS_PER_MS = 1_000_000
_EXTENSION = "urn:agora:cloud-recording"  # a name for elements that DASH does not know
_MEDIA_TYPES = {"video": "video/webm", "audio": "audio/webm"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is to be shown from a time on."""

    at_ns: int  # Unix nanoseconds
    width: int  # pixels
    height: int
    degrees: int = 0  # anticlockwise: 0, 90, 180, 270


@dataclass(frozen=True, slots=True)
class Piece:
    """One WebM file, whose timestamps count from the recording's origin."""

    name: str  # bare file name, as a URI
    start_ns: int  # Unix nanoseconds
    duration_s: float
    resumed: bool = False  # it comes after an interruption, or is the first
    looks: tuple[Look, ...] = ()  # of video: at its beginning, and where that changes


@dataclass(frozen=True, slots=True)
class Stream:
    """The files of one medium and codec, in order of time."""

    kind: str  # "video" or "audio"
    codec: str  # RFC 6381
    bandwidth: int  # bit/s
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest at one moment."""

    origin_ns: int  # Unix nanoseconds: time zero of the files
    streams: tuple[Stream, ...]
    ended: bool = False


def render(manifest: Manifest) -> str:
    """The text of a manifest; ends with a newline.

    Readers of Agora's go line by line: a line names no more than one file, and what is told of it.
    """
    return "".join(f"{line}\n" for line in _lines(manifest))


def _lines(manifest: Manifest) -> Iterator[str]:
    pieces = [piece for stream in manifest.streams for piece in stream.pieces]
    length_ms = max((sum(_times(piece, manifest.origin_ns)) for piece in pieces), default=0)
    longest_s = max((piece.duration_s for piece in pieces), default=1.0)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:full:2011"'
        f' minBufferTime="{_duration(round(longest_s * 1000))}"'
    )
    if manifest.ended:
        yield f'     type="static" mediaPresentationDuration="{_duration(length_ms)}">'
    else:
        until_ns = manifest.origin_ns + length_ms * _NS_PER_MS
        yield (
            f'     type="dynamic" availabilityStartTime="{_moment(manifest.origin_ns)}"'
            f' publishTime="{_moment(until_ns)}" minimumUpdatePeriod="PT5S">'
        )
    yield '  <Period id="0" start="PT0S">'
    for number, stream in enumerate(manifest.streams):
        yield from _stream(stream, number, manifest.origin_ns)
    yield "  </Period>"
    yield "</MPD>"


def _stream(stream: Stream, number: int, origin_ns: int) -> Iterator[str]:
    kind, looks = stream.kind, [look for piece in stream.pieces for look in piece.looks]
    yield (
        f'    <AdaptationSet id="{number}" contentType="{kind}" mimeType="{_MEDIA_TYPES[kind]}"'
        f' codecs="{stream.codec}" segmentAlignment="true" startWithSAP="1">'
    )
    size = ' audioSamplingRate="48000"' if kind == "audio" else ""
    if looks:
        width, height = max(look.width for look in looks), max(look.height for look in looks)
        size = f' width="{width}" height="{height}"'
    yield f'      <Representation id="{kind}{number}" bandwidth="{stream.bandwidth}"{size}>'
    for piece in stream.pieces:
        yield from _extensions(piece)
    yield '        <SegmentList timescale="1000">'
    yield "          <SegmentTimeline>"
    for piece in stream.pieces:
        start_ms, duration_ms = _times(piece, origin_ns)
        yield f'            <S t="{start_ms}" d="{duration_ms}"/>'
    yield "          </SegmentTimeline>"
    for piece in stream.pieces:
        yield f"          <SegmentURL media={quoteattr(piece.name)}/>"
    yield "        </SegmentList>"
    yield "      </Representation>"
    yield "    </AdaptationSet>"


def _extensions(piece: Piece) -> Iterator[str]:
    own = f'xmlns="{_EXTENSION}"'
    for look in piece.looks:
        yield (
            f'        <ExtVideo width="{look.width}" height="{look.height}"'
            f' rotate="{look.degrees}" time="{utc17(look.at_ns)}" {own}/>'
        )
    if piece.resumed:
        yield f'        <ExtDiscontinuity time="{utc17(piece.start_ns)}" {own}/>'


def _times(piece: Piece, origin_ns: int) -> tuple[int, int]:
    """Start, counted as the files count it, and duration; milliseconds."""
    start_ns = piece.start_ns - origin_ns
    end_ns = start_ns + round(piece.duration_s * 1e9)
    start_ms = start_ns // _NS_PER_MS
    return start_ms, max(1, end_ns // _NS_PER_MS - start_ms)


def _duration(milliseconds: int) -> str:
    return f"PT{milliseconds // 1000}.{milliseconds % 1000:03}S"


def _moment(at_ns: int) -> str:
    when = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{at_ns // _NS_PER_MS % 1000:03}Z"
