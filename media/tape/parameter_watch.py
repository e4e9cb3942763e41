"""Notes the H.264 parameter sets that go by, so that each part can begin by saying them.

Many senders say them once, at their beginning.  A slice that is cut an hour later needs them
too, and the part that held them may be deleted by then.
"""

import base64
from collections.abc import Iterator, Sequence

from media.errors import BadPacket
from media.rtp.packet import FIXED_HEADER, parse_header
from media.tape.model import EventType, TapeEvent, Track
from media.tape.part import Given
from media.tape.payload import nal
from media.tape.payload.parameter_sets import ParameterSets, from_base64, sets_in

_MAY_HOLD_SETS = nal.SETS | {nal.STAP_A, nal.STAP_B, nal.MTAP16, nal.MTAP24}


class ParameterWatch:
    """The parameter sets of every H.264 track of a tape."""

    def __init__(self) -> None:
        self._types: dict[str, frozenset[int]] = {}  # payload types of H.264, by track
        self._sets: dict[str, ParameterSets] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self._types)

    def add(self, track: Track) -> None:
        """A track began."""
        types = frozenset(codec.payload_type for codec in track.codecs if codec.key == "h264")
        if types:
            self._types[track.id] = types

    def watches(self, track_id: str) -> bool:
        """Whether a track's packets are worth looking at."""
        return track_id in self._types

    def remove(self, track_id: str) -> None:
        """A track ended; harmless when it is not watched."""
        self._types.pop(track_id, None)
        self._sets.pop(track_id, None)

    def concerned(self, track_id: str, packet: bytes) -> bool:
        """Whether a packet is worth giving to :meth:`see`.

        Most hold no sets: a look at the payload's first byte must do.
        """
        if track_id not in self._types or len(packet) <= FIXED_HEADER:
            return False
        at = FIXED_HEADER + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
        return at < len(packet) and packet[at] & 0x1F in _MAY_HOLD_SETS

    def see(self, packets: Sequence[Given]) -> Iterator[TapeEvent]:
        """What is new in packets, once for each track and in the order of the tracks' ids."""
        news = {
            track_id: arrival_ns
            for track_id, packet, arrival_ns in packets
            if self.concerned(track_id, packet) and self._learn(track_id, packet)
        }
        for track_id, at_ns in sorted(news.items()):
            sets = self._sets[track_id].units()
            texts = tuple(base64.b64encode(unit).decode("ascii") for unit in sets)
            yield TapeEvent(EventType.PARAMETERS, at_ns, track=track_id, sets=texts)

    def _learn(self, track_id: str, packet: bytes) -> bool:
        try:
            header = parse_header(packet)
        except BadPacket:
            return False
        payload = header.payload(packet)
        if header.pt not in self._types[track_id] or not payload:
            return False
        sets = self._sets.setdefault(track_id, ParameterSets())
        news = [sets.learn(unit) for unit in sets_in(payload)]
        return any(news)


def latest(events: Sequence[TapeEvent], before_ns: int) -> ParameterSets:
    """The sets of one track before a time, by its PARAMETERS events in time order."""
    said = next((event.sets for event in reversed(events) if event.at_ns < before_ns), ())
    return ParameterSets(unit for text in said if (unit := from_base64(text)))
