"""Hours of a mix from two minutes of it: slices that are really cut, and stand again later.

Two minutes are the least that repeat exactly: sound lies on a grid of 1024 samples (decision 013),
eight slices of 15 s are a whole number of them, and one slice is not.  What stands later holds the
same packets with later times, in its segment and in its piece of the MP4: everything behind the cut
takes it for a slice of its own.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from media.bench.mix_media import make
from media.bench.mix_tape import record
from media.cut.composite import cut_composite
from media.cut.model import CompositeSpec, CutResult, PieceFile, Segment, Slice
from media.mux.mpegts import CLOCK_HZ, TransportStream, TsPacket
from media.mux.output import complete
from media.mux.piece import Index, TrackIndex
from media.tape.model import NS
from media.tape.reader import Tape

SLICE_S = 15
PERIOD = 8  # slices
_SIZE = (640, 360)  # of each publisher
_CODECS = ("vp8", "h264")  # one publisher each

Made = tuple[Segment, PieceFile]  # what is made of a slice


def record_and_cut(spec: CompositeSpec, folder: Path) -> list[CutResult]:
    """Two minutes of two publishers on a tape, cut slice by slice.  ``spec`` asks for an MP4."""
    medias = [make(codec, _SIZE, SLICE_S, seed) for seed, codec in enumerate(_CODECS)]
    tape = asyncio.run(record(folder, medias, seconds=SLICE_S, slices=PERIOD))
    slices = [Slice(n, tape.begin_ns(n), tape.begin_ns(n + 1)) for n in range(PERIOD)]
    return [
        cut_composite(Tape(folder), spec, origin_ns=tape.origin_ns, slice=one, out_dir=folder)
        for one in slices
    ]


class LongMix:
    """A mix of any length; the files of a slice are made when it is first asked for."""

    def __init__(self, cuts: Sequence[CutResult], folder: Path) -> None:
        """``cuts`` are the first two minutes; files that stand later go to ``folder``."""
        if len(cuts) != PERIOD:
            raise ValueError(f"{PERIOD} slices are repeated, not {len(cuts)}")
        self._cuts = cuts
        self._folder = folder

    def slice(self, number: int, origin_ns: int) -> Made:
        """One slice of a recording that begins at ``origin_ns``; its files are shared by all."""
        again, place = divmod(number, PERIOD)
        (segment,), (piece,) = self._cuts[place].segments, self._cuts[place].pieces
        later_s, start_ns = again * PERIOD * SLICE_S, origin_ns + number * SLICE_S * NS
        stream = self._folder / f"{number:06d}.ts"
        index = self._folder / f"{number:06d}.index"
        if not stream.exists():
            _write_later(segment.path, stream, later_s)
        if not index.exists():
            _index_later(Index.read(piece.index), later_s).write(index)
        return (
            replace(segment, path=stream, start_ns=start_ns, resumed=number == 0),
            replace(piece, index=index, start_ns=start_ns),
        )


def _index_later(index: Index, seconds: int) -> Index:
    return Index(tuple(_track_later(track, seconds) for track in index.tracks), index.chunks)


def _track_later(track: TrackIndex, seconds: int) -> TrackIndex:
    shift = seconds * track.format.timescale
    return replace(track, times=track.times + np.int64(shift), end=track.end + shift)


def _write_later(path: Path, target: Path, seconds: int) -> None:
    with av.open(str(path)) as source, complete(target) as part, TransportStream(part) as stream:
        video = source.streams.video[0].codec_context if source.streams.video else None
        numbers = {
            one.index: stream.add_h264(video.width, video.height)
            if video is not None and one.type == "video"
            else stream.add_aac()
            for one in source.streams
        }
        for packet in source.demux():
            if packet.size and packet.pts is not None:
                time = packet.pts + seconds * CLOCK_HZ
                number = numbers[packet.stream_index]
                stream.write(TsPacket(number, time, bytes(packet), packet.is_keyframe))
