"""The head of a fast-start MP4 whose media is already elsewhere (ISO/IEC 14496-12).

Muxers of libraries write the head of media that they write themselves.  Here the media is in the
bucket before the head is known; so it is made from the indices of its pieces alone.
"""

import struct
from collections.abc import Sequence
from fractions import Fraction

from media.mux.boxes import U32, box, full, matrix
from media.mux.piece import Index
from media.mux.sample_table import TrackTable, stbl, tables

TIMESCALE = 48_000  # units of the movie: exact for AAC frames and for usual picture rates
_EPOCH = 2_082_844_800  # seconds from 1904 to 1970
_UNDETERMINED = 0x55C4  # the language "und", five bits per letter
_ENABLED_IN_MOVIE = 3
_HANDLERS = {"video": ("vide", "VideoHandler"), "audio": ("soun", "SoundHandler")}
_MEDIA_HEADERS = {
    "video": full("vmhd", bytes(8), flags=1),
    "audio": full("smhd", bytes(4)),
}


def head(indices: Sequence[Index], *, created_ns: int = 0) -> bytes:
    """``ftyp``, ``moov`` and the header of ``mdat``, such that head + payloads is the file.

    ``indices`` are those of all pieces of the file, in order.  ``created_ns`` is what the file
    says of its creation, Unix nanoseconds; 0 says nothing.  The same arguments give the same
    bytes.  Raises CutFailed when there is no sample, or pieces are not in order.
    """
    tracks = tables(indices)
    created = created_ns // 1_000_000_000 + _EPOCH if created_ns else 0
    payload = sum(index.bytes for index in indices)
    ftyp = box("ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    mdat = _mdat(payload)
    before = len(ftyp) + len(mdat)
    # Only the kind of the offsets tells how long the moov is, not their values.
    large = False
    length = before + len(_moov(tracks, created, 0, large=large))
    if length + payload > U32:
        large = True
        length = before + len(_moov(tracks, created, 0, large=large))
    return b"".join((ftyp, _moov(tracks, created, length, large=large), mdat))


def _mdat(payload: int) -> bytes:
    """The header of the media data; its size has 64 bits where 32 do not do."""
    if payload + 8 <= U32:
        return struct.pack(">I4s", payload + 8, b"mdat")
    return struct.pack(">I4sQ", 1, b"mdat", payload + 16)


def _moov(tracks: Sequence[TrackTable], created: int, base: int, *, large: bool) -> bytes:
    zero = min(_starts(track) for track in tracks)
    timelines = [_Timeline(track, zero) for track in tracks]
    mvhd = _timed(
        "mvhd",
        created,
        TIMESCALE,
        max(timeline.duration for timeline in timelines),
        struct.pack(">IH10x", 1 << 16, 1 << 8),  # rate and volume: normal
        matrix(),
        struct.pack(">24xI", len(tracks) + 1),
    )
    traks = [
        _trak(number, track, timeline, created, stbl(track, base, large=large))
        for number, (track, timeline) in enumerate(zip(tracks, timelines, strict=True), 1)
    ]
    return box("moov", mvhd, *traks)


def _starts(track: TrackTable) -> Fraction:
    return Fraction(int(track.times[0]), track.timescale)


class _Timeline:
    """Where a track stands in the movie, which begins with the first sample of any track."""

    def __init__(self, track: TrackTable, zero: Fraction) -> None:
        self.delay = round((_starts(track) - zero) * TIMESCALE)
        # Rounded up: an edit that ends too early hides the last sample.
        self.media = -(-track.duration * TIMESCALE // track.timescale)
        self.duration = self.delay + self.media

    def edits(self) -> bytes:
        """The edit list (§8.6.6).

        It is there even if it says nothing: some players take an AAC track without one for one
        that begins with 2112 samples of an encoder's delay.
        """
        rows = [(self.delay, -1)] if self.delay else []
        rows.append((self.media, 0))
        wide = self.duration > U32
        entry = struct.Struct(">Qqhh" if wide else ">Iihh")
        packed = [entry.pack(length, at, 1, 0) for length, at in rows]
        count = struct.pack(">I", len(rows))
        return box("edts", full("elst", count, *packed, version=int(wide)))


def _trak(
    number: int, track: TrackTable, timeline: _Timeline, created: int, samples: bytes
) -> bytes:
    sounds = track.kind == "audio"
    shape = track.formats[0]
    tkhd = _timed(
        "tkhd",
        created,
        number,
        timeline.duration,
        # Layer, alternate group, volume.
        struct.pack(">8xhhHxx", 0, int(sounds), int(sounds) << 8),
        matrix(shape.rotation),
        struct.pack(">II", shape.width << 16, shape.height << 16),
        flags=_ENABLED_IN_MOVIE,
        gap=4,
    )
    mdhd = _timed(
        "mdhd",
        created,
        track.timescale,
        track.duration,
        struct.pack(">HH", _UNDETERMINED, 0),
    )
    handler, name = _HANDLERS[track.kind]
    hdlr = full("hdlr", struct.pack(">4x4s12x", handler.encode()), name.encode() + b"\x00")
    here = full("dref", struct.pack(">I", 1), full("url ", flags=1))  # the media is in this file
    minf = box("minf", _MEDIA_HEADERS[track.kind], box("dinf", here), samples)
    return box("trak", tkhd, timeline.edits(), box("mdia", mdhd, hdlr, minf))


def _timed(
    name: str,
    created: int,
    scale_or_id: int,
    duration: int,
    *rest: bytes,
    flags: int = 0,
    gap: int = 0,
) -> bytes:
    """A header of times: 32 bits each where they fit, else 64."""
    wide = max(created, duration) > U32
    layout = f">QQI{gap}xQ" if wide else f">III{gap}xI"
    times = struct.pack(layout, created, created, scale_or_id, duration)
    return full(name, times, *rest, version=int(wide), flags=flags)
