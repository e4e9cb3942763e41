"""Reads an MP4 by the letter of ISO/IEC 14496-12, with nothing of what writes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_CONTAINERS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl"}


@dataclass(frozen=True)
class Sample:
    offset: int
    size: int
    time: int
    duration: int
    sync: bool
    description: int  # from 1


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Name, beginning and end of the content of each box; the last may end beyond the data."""
    end = len(data) if end is None else end
    while at < end:
        size, name = struct.unpack_from(">I4s", data, at)
        begin = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        assert size >= begin - at
        yield name, begin, at + size
        at += size


def find(data: bytes, *path: bytes, at: int = 0, end: int | None = None) -> list[bytes]:
    """The contents of all boxes at a path."""
    found = []
    for name, begin, until in boxes(data, at, end):
        if name != path[0]:
            continue
        if len(path) == 1:
            found.append(data[begin:until])
        else:
            assert name in _CONTAINERS
            found += find(data, *path[1:], at=begin, end=until)
    return found


def tracks(head: bytes) -> list[bytes]:
    """The trak boxes."""
    return find(head, b"moov", b"trak")


def handler(trak: bytes) -> str:
    (hdlr,) = find(trak, b"mdia", b"hdlr")
    return hdlr[8:12].decode()


def samples(trak: bytes) -> list[Sample]:
    """Every sample, from the tables."""

    def table(name: bytes) -> bytes:
        (content,) = find(trak, b"mdia", b"minf", b"stbl", name)
        return content

    sizes = _words(table(b"stsz"))[1:]
    durations = [d for n, d in _pairs(_words(table(b"stts"))) for _ in range(n)]
    offsets = _offsets(trak)
    rows = _words(table(b"stsc"))
    runs = [tuple(rows[i : i + 3]) for i in range(0, len(rows), 3)]
    sync = find(trak, b"mdia", b"minf", b"stbl", b"stss")
    keys = set(_words(sync[0])) if sync else None
    assert len(durations) == len(sizes)
    found: list[Sample] = []
    time = 0
    for chunk, offset in enumerate(offsets, 1):
        _, count, description = [run for run in runs if run[0] <= chunk][-1]
        for _ in range(count):
            number = len(found)
            is_sync = keys is None or number + 1 in keys
            one = Sample(offset, sizes[number], time, durations[number], is_sync, description)
            found.append(one)
            offset += one.size
            time += one.duration
    assert len(found) == len(sizes)
    return found


def edits(trak: bytes) -> list[tuple[int, int]]:
    """(duration in the movie's units, media time or -1)."""
    (elst,) = find(trak, b"edts", b"elst")
    assert elst[0] == 0
    rows = [struct.unpack_from(">Iihh", elst, at) for at in range(8, len(elst), 12)]
    assert all(row[2:] == (1, 0) for row in rows)
    return [row[:2] for row in rows]


def _offsets(trak: bytes) -> list[int]:
    small = find(trak, b"mdia", b"minf", b"stbl", b"stco")
    if small:
        return _words(small[0])
    (large,) = find(trak, b"mdia", b"minf", b"stbl", b"co64")
    (count,) = struct.unpack_from(">I", large, 4)
    return list(struct.unpack_from(f">{count}Q", large, 8))


def _words(content: bytes) -> list[int]:
    """All 32-bit numbers behind version, flags and the first, which is mostly their count."""
    return list(struct.unpack_from(f">{len(content) // 4 - 2}I", content, 8))


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))
