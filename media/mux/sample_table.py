"""The samples of a track over all pieces of an MP4, and the tables that say where they lie."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.errors import CutFailed
from media.mux.boxes import U32, avc1, box, full, mp4a
from media.mux.piece import Flags, Index, Numbers, TrackFormat, TrackIndex, TrackKind

_KINDS: tuple[TrackKind, ...] = ("video", "audio")


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """Everything about one track of a file."""

    formats: tuple[TrackFormat, ...]  # in order of their first use
    times: Numbers  # track units since the recording's origin
    end: int
    sizes: Numbers
    keyframes: Flags
    chunk_samples: Numbers
    chunk_formats: Numbers  # for each chunk the number of its format, from 0
    chunk_offsets: Numbers  # bytes from the beginning of the first payload

    @property
    def kind(self) -> TrackKind:
        """Video or audio."""
        return self.formats[0].kind

    @property
    def timescale(self) -> int:
        """Track units per second."""
        return self.formats[0].timescale

    @property
    def duration(self) -> int:
        """Track units, from the first sample to the end of the last."""
        return self.end - int(self.times[0])


def tables(indices: Sequence[Index]) -> list[TrackTable]:
    """The tracks of a file, video first.  Raises CutFailed as :func:`media.mux.mp4.head` does."""
    if not any(len(index.chunks) for index in indices):
        raise CutFailed("an MP4 without a sample")
    kinds, counts, pieces = _chunks(indices)
    found: list[tuple[Flags, list[tuple[int, TrackIndex]]]] = []
    sizes = np.zeros(len(kinds), np.int64)
    for number, kind in enumerate(_KINDS):
        own = [
            (i, one) for i, x in enumerate(indices) for one in x.tracks if one.format.kind == kind
        ]
        if own:
            mask = kinds == number
            sizes[mask] = _chunk_sizes([one for _, one in own], counts[mask])
            found.append((mask, own))
    offsets = np.cumsum(sizes) - sizes
    return [_table(own, counts[m], pieces[m], offsets[m]) for m, own in found]


def _chunks(indices: Sequence[Index]) -> tuple[Numbers, Numbers, Numbers]:
    """Of each chunk of the file: the number of its kind, its samples, and its piece."""
    kinds = [
        np.array([_KINDS.index(track.format.kind) for track in index.tracks])[index.chunks[:, 0]]
        for index in indices
        if len(index.chunks)
    ]
    counts = [index.chunks[:, 1] for index in indices]
    pieces = np.repeat(np.arange(len(indices)), [len(count) for count in counts])
    return np.concatenate(kinds), np.concatenate(counts), pieces


def _chunk_sizes(own: Sequence[TrackIndex], counts: Numbers) -> Numbers:
    sizes = np.concatenate([one.sizes for one in own])
    if counts.sum() != len(sizes):
        raise CutFailed("the index of a piece counts other samples than it has")
    return np.add.reduceat(sizes, np.cumsum(counts) - counts)


def _table(
    own: Sequence[tuple[int, TrackIndex]], counts: Numbers, pieces: Numbers, offsets: Numbers
) -> TrackTable:
    formats = tuple(dict.fromkeys(one.format for _, one in own))
    numbers = {i: formats.index(one.format) for i, one in own}
    times = np.concatenate([one.times for _, one in own])
    table = TrackTable(
        formats,
        times,
        own[-1][1].end,
        np.concatenate([one.sizes for _, one in own]),
        np.concatenate([one.keyframes for _, one in own]),
        counts,
        np.array([numbers[i] for i in pieces.tolist()], np.int64),
        offsets,
    )
    if len({one.timescale for one in formats}) > 1:
        raise CutFailed("the pieces of an MP4 count time in different units")
    if table.end <= times[-1] or (np.diff(times) <= 0).any():
        raise CutFailed("the pieces of an MP4 are not in order")
    return table


def stbl(track: TrackTable, base: int, *, large: bool) -> bytes:
    """The sample table (ISO/IEC 14496-12 §8.5.1).

    ``base`` is where the first payload begins in the file; ``large`` says that offsets have 64
    bits.
    """
    return box(
        "stbl",
        _descriptions(track),
        _counted("stts", *_runs(np.diff(track.times, append=track.end))),
        b"" if track.keyframes.all() else _counted("stss", np.flatnonzero(track.keyframes) + 1),
        _sample_to_chunk(track),
        full("stsz", struct.pack(">II", 0, len(track.sizes)), _words(track.sizes)),
        _offsets(track.chunk_offsets + base, large=large),
        _roll(len(track.sizes)) if track.kind == "audio" else b"",
    )


def _descriptions(track: TrackTable) -> bytes:
    if track.kind == "video":
        entries = [avc1(format_) for format_ in track.formats]
    else:
        bitrate, peak = _bitrates(track)
        entries = [mp4a(format_, bitrate, peak) for format_ in track.formats]
    return full("stsd", struct.pack(">I", len(entries)), *entries)


def _bitrates(track: TrackTable) -> tuple[int, int]:
    """Mean over the track, and the highest of any chunk, which is a second: bit/s."""
    mean = int(track.sizes.sum()) * 8 * track.timescale // track.duration
    starts = np.cumsum(track.chunk_samples) - track.chunk_samples
    begins = track.times[starts]
    lengths = np.diff(begins, append=track.end)
    peak = (np.add.reduceat(track.sizes, starts) * 8 * track.timescale // lengths).max()
    return min(mean, U32), min(int(peak), U32)


def _runs(values: Numbers) -> tuple[Numbers, Numbers]:
    """Equal neighbours: how many, and which value."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return np.diff(starts, append=len(values)), values[starts]


def _sample_to_chunk(track: TrackTable) -> bytes:
    """Where the number of samples per chunk or their description changes (§8.7.4)."""
    both = np.stack((track.chunk_samples, track.chunk_formats + 1), axis=1)
    changed = np.ones(len(both), np.bool_)
    changed[1:] = (both[1:] != both[:-1]).any(axis=1)
    return _counted("stsc", np.flatnonzero(changed) + 1, both[changed, 0], both[changed, 1])


def _offsets(offsets: Numbers, *, large: bool) -> bytes:
    if not large:
        return _counted("stco", offsets)
    return full("co64", struct.pack(">I", len(offsets)), offsets.astype(">u8").tobytes())


def _roll(samples: int) -> bytes:
    """Decoding from any AAC frame is right from the next one on (§10.1)."""
    groups = struct.pack(">4sIIh", b"roll", 2, 1, -1)
    members = struct.pack(">4sIII", b"roll", 1, samples, 1)
    return full("sgpd", groups, version=1) + full("sbgp", members)


def _counted(name: str, *columns: Numbers) -> bytes:
    """A table of 32-bit numbers behind their count."""
    rows = np.stack(columns, axis=1)
    return full(name, struct.pack(">I", len(rows)), _words(rows))


def _words(numbers: Numbers) -> bytes:
    return numbers.astype(">u4").tobytes()
