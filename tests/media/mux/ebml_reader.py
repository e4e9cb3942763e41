"""Reads a WebM by the letter of RFC 8794 and RFC 9559, with nothing of what writes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

EBML, SEGMENT, SEEK_HEAD, SEEK = 0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB
INFO, TRACKS, CUES, CLUSTER = 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1F43B675
_CUE, _POSITIONS = 0xBB, 0xB7


@dataclass(frozen=True)
class Element:
    id: int
    at: int  # of its first byte
    begin: int  # of its content
    end: int


def elements(data: bytes, at: int, end: int) -> Iterator[Element]:
    """The children of an element, up to the end of the data."""
    while at < min(end, len(data)):
        id_, size_at = _vint(data, at, keep_marker=True)
        size, begin = _vint(data, size_at, keep_marker=False)
        yield Element(id_, at, begin, begin + size)
        at = begin + size


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big")
    return value if keep_marker else value & ((1 << 7 * width) - 1), at + width


def segment(data: bytes) -> Element:
    head, found = elements(data, 0, len(data))
    assert (head.id, found.id) == (EBML, SEGMENT)
    return found


def child(data: bytes, parent: Element, *path: int) -> Element:
    """The only element at a path."""
    for id_ in path:
        (parent,) = (one for one in elements(data, parent.begin, parent.end) if one.id == id_)
    return parent


def number(data: bytes, element: Element) -> int:
    return int.from_bytes(data[element.begin : element.end], "big")


def real(data: bytes, element: Element) -> float:
    return struct.unpack(">d", data[element.begin : element.end])[0]


def seeks(data: bytes) -> dict[int, int]:
    """What the SeekHead says: the place of each element in the file."""
    top = segment(data)
    head = child(data, top, SEEK_HEAD)
    rows = [one for one in elements(data, head.begin, head.end) if one.id == SEEK]
    return {
        number(data, child(data, row, 0x53AB)): top.begin + number(data, child(data, row, 0x53AC))
        for row in rows
    }


def cues(data: bytes) -> list[tuple[int, int]]:
    """The time in ms and the place in the file of each cue."""
    top = segment(data)
    table = child(data, top, CUES)
    return [
        (
            number(data, child(data, cue, 0xB3)),
            top.begin + number(data, child(data, cue, _POSITIONS, 0xF1)),
        )
        for cue in elements(data, table.begin, table.end)
        if cue.id == _CUE
    ]


def clusters(data: bytes) -> list[tuple[int, int, list[tuple[int, bool, bytes]]]]:
    """Each cluster's place, its time, and its blocks: time in ms, whether a key frame, content."""
    top, found = segment(data), []
    for cluster in elements(data, top.begin, top.end):
        if cluster.id != CLUSTER:
            continue
        time_ms = number(data, child(data, cluster, 0xE7))
        blocks = []
        for block in elements(data, cluster.begin, cluster.end):
            if block.id == 0xA3:
                track, relative, flags = struct.unpack_from(">BhB", data, block.begin)
                assert track == 0x81
                content = data[block.begin + 4 : block.end]
                blocks.append((time_ms + relative, bool(flags & 0x80), content))
        found.append((cluster.at, time_ms, blocks))
    return found
