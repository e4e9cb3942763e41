"""A part as a pcapng file (draft-ietf-opsawg-pcapng): its blocks, made and read.

Interface 0 carries the events as JSON; each track has an interface of its own, with its id as
name and its description as JSON.  Packets stand behind the 12-byte "exported PDU" header that
lets Wireshark call its RTP or RTCP dissector by name.  Little-endian, nanoseconds.
"""

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from media.errors import TapeDamaged
from media.tape.checks import check_event, check_track
from media.tape.model import TapeEvent, Track

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
PACKET: Final = 6

BYTE_ORDER: Final = 0x1A2B3C4D
EVENTS_LINK: Final = 147  # LINKTYPE_USER0
PACKETS_LINK: Final = 252  # LINKTYPE_WIRESHARK_UPPER_PDU
MAX_BLOCK: Final = 1 << 20  # nothing we write comes near; a longer one is a damaged length

PDU_SIZE: Final = 12
RTP_PDU: Final = b"\x00\x0c\x00\x04rtp\x00\x00\x00\x00\x00"
RTCP_PDU: Final = b"\x00\x0c\x00\x04rtcp\x00\x00\x00\x00"

_COMMENT, _IF_NAME, _IF_DESCRIPTION, _USER_APPLICATION, _IF_TSRESOL = 1, 2, 3, 4, 9
_OPTION = struct.Struct("<HH")
_WORD = struct.Struct("<I")
_PREFIX = struct.Struct("<II")
_SECTION_FIELDS = struct.Struct("<IHHq")
_INTERFACE_FIELDS = struct.Struct("<HHI")
PACKET_HEAD: Final = struct.Struct("<IIIIIII12s")
_PACKET_FIELDS = struct.Struct("<IIIII")
_OVERHEAD = 12  # type, length, and the length again
_EVENT_HEAD = struct.Struct("<IIIIIII")
_encode = json.JSONEncoder(separators=(",", ":")).encode
SIZES: Final[dict[int, tuple[int, int, bytes]]] = {}  # see sizes(); at most 65536 short rows


@dataclass(frozen=True, slots=True)
class PartHead:
    """Who wrote a part, and since when: the section header's comment."""

    fence: int
    number: int
    from_ns: int

    @property
    def name(self) -> str:
        """File name of the part without its ending."""
        return part_name(self.fence, self.number)


@dataclass(frozen=True, slots=True)
class Taped:
    """One packet as it lies on the tape."""

    arrival_ns: int
    track: Track
    data: bytes
    rtcp: bool


def part_name(fence: int, number: int) -> str:
    """``"0001-000042"``: sorts by fence, then by number."""
    return f"{fence:04d}-{number:06d}"


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + _OVERHEAD
    return _PREFIX.pack(kind, size) + body + _WORD.pack(size)


def section_block(head: PartHead) -> bytes:
    """The first block of a part."""
    comment = json.dumps(
        {"fence": head.fence, "number": head.number, "from_ns": head.from_ns},
        separators=(",", ":"),
    )
    return _block(
        SECTION,
        _SECTION_FIELDS.pack(BYTE_ORDER, 1, 0, -1)
        + _option(_COMMENT, comment.encode())
        + _option(_USER_APPLICATION, b"tapefarm")
        + _option(0, b""),
    )


def _interface_block(link: int, name: str, description: str) -> bytes:
    return _block(
        INTERFACE,
        _INTERFACE_FIELDS.pack(link, 0, 0)
        + _option(_IF_NAME, name.encode())
        + _option(_IF_DESCRIPTION, description.encode())
        + _option(_IF_TSRESOL, b"\x09")
        + _option(0, b""),
    )


def events_interface_block() -> bytes:
    """Interface 0."""
    return _interface_block(EVENTS_LINK, "events", "")


def track_interface_block(track: Track) -> bytes:
    """The interface of a track."""
    row = _encode(track.to_json())
    return _interface_block(PACKETS_LINK, track.id, row)


def event_block(event: TapeEvent) -> bytes:
    """One event, on interface 0."""
    data = _encode(event.to_json()).encode()
    size = 32 + len(data) + -len(data) % 4
    at_ns = event.at_ns
    head = _EVENT_HEAD.pack(PACKET, size, 0, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), len(data))
    return head + data + bytes(-len(data) % 4) + _WORD.pack(size)


def sizes(size: int) -> tuple[int, int, bytes]:
    """For a packet of ``size`` bytes: its block's length, what is captured, and what follows it."""
    block, captured = packet_block_size(size), size + PDU_SIZE
    found = SIZES[size] = block, captured, bytes(-size % 4) + _WORD.pack(block)
    return found


def packet_block_size(size: int) -> int:
    """How long the block of a packet of ``size`` bytes is."""
    return 32 + PDU_SIZE + size + -size % 4


class PartReader:
    """One pass over the bytes of a part; tolerant of a torn end, not of a damaged middle."""

    def __init__(
        self,
        data: bytes,
        *,
        wants: Callable[[Track], bool] | None = None,
        events: bool = True,
    ) -> None:
        """``wants`` chooses tracks (None: all); ``events=False`` leaves events unparsed."""
        self.data = data
        self._wants = wants
        self._parse_events = events
        self._interfaces: list[Track | None] = []  # by number; None for events and the unwanted
        self.head: PartHead | None = None
        self.tracks: list[Track] = []  # all, wanted or not
        self.events: list[TapeEvent] = []
        self.good = 0  # the end of the last whole block
        self.whole = False  # the pass reached the end, and no block was torn there

    def packets(self) -> Iterator[Taped]:
        """The packets of the wanted tracks in the order written.

        Ends quietly before a torn last block.  Raises TapeDamaged, after all that can be read,
        when a block in the middle makes no sense.
        """
        for arrival_ns, track, start, end, rtcp in self.spans():
            yield Taped(arrival_ns, track, self.data[start:end], rtcp)

    def spans(self) -> Iterator[tuple[int, Track, int, int, bool]]:
        """Like :meth:`packets`, as (arrival_ns, track, start, end, rtcp) in the part's bytes."""
        data, total, pos = self.data, len(self.data), 0
        prefix, fields = _PREFIX.unpack_from, _PACKET_FIELDS.unpack_from
        word, interfaces = _WORD.unpack_from, self._interfaces
        while total - pos >= _OVERHEAD:
            kind, size = prefix(data, pos)
            end = pos + size
            if end > total or size < _OVERHEAD or size > MAX_BLOCK:
                break
            if word(data, end - 4)[0] != size or size & 3:
                raise self._damaged(pos, "a block's two lengths disagree")
            if kind == PACKET and self.head is not None and size >= 32:
                number, high, low, captured, _ = fields(data, pos + 8)
                if captured > size - 32 or number >= len(interfaces):
                    raise self._damaged(pos, "a packet does not fit its block or interface")
                track = interfaces[number]
                if number and captured < PDU_SIZE:  # whoever wants it: all see the same damage
                    raise self._damaged(pos, "a packet lacks its header")
                if track is not None:
                    start = pos + 28 + PDU_SIZE
                    rtcp = data[pos + 34] == 0x63  # "rtcp", not "rtp"
                    yield high << 32 | low, track, start, pos + 28 + captured, rtcp
                elif number == 0 and self._parse_events:
                    self.events.append(self._event(pos, data[pos + 28 : pos + 28 + captured]))
            else:
                self._other_block(kind, pos, end)
            pos = self.good = end
        self._end(pos)

    def read(self) -> "PartReader":
        """Go through the part without keeping packets; for its head, tracks and events."""
        for _ in self.spans():
            pass
        return self

    def _end(self, pos: int) -> None:
        """Decide what stands where reading stopped: nothing, a torn block, or damage."""
        rest = len(self.data) - pos
        self.whole = rest == 0 and self.head is not None
        if rest < _OVERHEAD:
            return
        _, size = _PREFIX.unpack_from(self.data, pos)
        if _OVERHEAD <= size <= MAX_BLOCK and size % 4 == 0:
            return  # torn: the block goes on behind the end
        # After a power cut some file systems leave the length without the bytes.
        if self.data.count(0, pos) != rest:
            raise self._damaged(pos, "a block's length makes no sense")

    def _other_block(self, kind: int, pos: int, end: int) -> None:
        if pos == 0:
            if kind != SECTION:
                raise self._damaged(pos, "not a pcapng file")
            self._section(pos, end)
        elif kind == INTERFACE:
            self._interface(pos, end)
        elif kind in (PACKET, SECTION):
            raise self._damaged(pos, "a block is too short or out of place")
        # Other kinds are for other readers; the format says to skip them.

    def _section(self, pos: int, end: int) -> None:
        if end - pos < 28 or _WORD.unpack_from(self.data, pos + 8)[0] != BYTE_ORDER:
            raise self._damaged(pos, "not a little-endian pcapng section")
        row = self._json(pos, self._options(pos + 24, end - 4).get(_COMMENT, b""))
        try:
            self.head = PartHead(int(row["fence"]), int(row["number"]), int(row["from_ns"]))
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise self._damaged(pos, "not a part of a tape") from exc

    def _interface(self, pos: int, end: int) -> None:
        if end - pos < 20:
            raise self._damaged(pos, "an interface block is too short")
        if not self._interfaces:
            self._interfaces.append(None)
            return
        row = self._json(pos, self._options(pos + 16, end - 4).get(_IF_DESCRIPTION, b""))
        try:
            track = Track.from_json(row)
            check_track(track)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._damaged(pos, "an interface is not a track") from exc
        self.tracks.append(track)
        self._interfaces.append(track if self._wants is None or self._wants(track) else None)

    def _event(self, pos: int, data: bytes) -> TapeEvent:
        try:
            event = TapeEvent.from_json(self._json(pos, data))
            check_event(event)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._damaged(pos, "an event makes no sense") from exc
        return event

    def _options(self, pos: int, end: int) -> dict[int, bytes]:
        options: dict[int, bytes] = {}
        while end - pos >= 4:
            code, size = _OPTION.unpack_from(self.data, pos)
            if code == 0 or pos + 4 + size > end:
                break
            options[code] = self.data[pos + 4 : pos + 4 + size]
            pos += 4 + size + -size % 4
        return options

    def _json(self, pos: int, data: bytes) -> dict[str, Any]:
        try:
            row = json.loads(data)
        except (ValueError, RecursionError) as exc:
            raise self._damaged(pos, "not JSON") from exc
        if not isinstance(row, dict):
            raise self._damaged(pos, "not a JSON object")
        return row

    def _damaged(self, pos: int, why: str) -> TapeDamaged:
        return TapeDamaged(f"{why} (at byte {pos} of {len(self.data)})")
