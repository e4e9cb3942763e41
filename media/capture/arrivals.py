"""When the packets of a connection came, told to a sender that adapts by it.

Only for senders that know no other estimate: see :func:`media.capture.offers.answer_to`.
"""

from collections.abc import Callable

from media.capture.nack import NS
from media.errors import BadPacket
from media.rtp import twcc
from media.rtp.packet import Unwrapper, find_extension

EVERY_NS = NS // 10
REMEMBERED = 2000  # packets; a late one is told of together with its neighbours

Write = Callable[[str, bytes, int], None]


class Arrivals:
    """Collects packets while they come, and reads their transport-wide numbers later."""

    def __init__(self, extension: int) -> None:
        self._extension = extension  # id of the header extension with the number
        self._packets: list[tuple[bytes, int]] = []
        self._unwrapper = Unwrapper(16)
        self._times: dict[int, int] = {}  # number: arrival in ns
        self._next = 0  # after the highest number
        self._from: int | None = None  # the first to tell of; None: nothing new came
        self._number = 0  # of the feedback

    def tee(self, write: Write) -> Write:
        """The same as ``write``, for packets that are to be told of."""
        keep = self._packets.append

        def both(track_id: str, packet: bytes, arrival_ns: int) -> None:
            keep((packet, arrival_ns))
            write(track_id, packet, arrival_ns)

        return both

    def note(self, packet: bytes, arrival_ns: int) -> None:
        """A packet that is not written."""
        self._packets.append((packet, arrival_ns))

    def feedback(self, our_ssrc: int, media_ssrc: int) -> list[bytes]:
        """What to tell of the packets since the last call."""
        packets, self._packets[:] = self._packets[:], ()
        for packet, arrival_ns in packets:
            self._take(packet, arrival_ns)
        out: list[bytes] = []
        last = self._next - 1
        first = self._next if self._from is None else max(self._from, last - REMEMBERED)
        while first <= last:
            told, first = twcc.feedback(
                our_ssrc, media_ssrc, self._number, first=first, last=last, arrivals=self._times
            )
            if told:
                self._number += 1
                out.append(told)
        self._from = None
        return out

    def _take(self, packet: bytes, arrival_ns: int) -> None:
        try:
            value = find_extension(packet, self._extension)
        except BadPacket:
            return
        if len(value) < 2:
            return
        number = self._unwrapper.unwrap(int.from_bytes(value[:2], "big"))
        self._times.setdefault(number, arrival_ns)
        began = len(self._times) == 1
        first = self._next if self._from is None else self._from
        self._from = number if began else min(first, number)
        self._next = number + 1 if began else max(self._next, number + 1)
        if len(self._times) > REMEMBERED:
            del self._times[next(iter(self._times))]
