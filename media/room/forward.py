"""Which bytes go where: payload types, RTCP, retransmissions, keyframe requests.  Pure."""

from collections.abc import Callable, Iterable, Iterator

from media.rtp.packet import with_payload_type

Send = Callable[[bytes], None]

NS_PER_MS = 1_000_000
_SENDER_REPORT, _SOURCE_DESCRIPTION = 200, 202
_WITHHELD = b""  # came while its track was muted: neither sent on nor asked for again


def split(compound: bytes) -> Iterator[bytes]:
    """The packets of a compound RTCP packet (RFC 3550, section 6.1); a torn rest is left out."""
    at = 0
    while at + 4 <= len(compound):
        end = at + 4 * (1 + int.from_bytes(compound[at + 2 : at + 4], "big"))
        if end > len(compound):
            return
        yield compound[at:end]
        at = end


def reports(compound: bytes) -> Iterator[tuple[int, bytes]]:
    """What subscribers get of a publisher's RTCP: (ssrc, sender report and its descriptions).

    The bytes are the publisher's own: clocks are read from them and must not pass through us.
    """
    ssrc, report = 0, b""
    for packet in split(compound):
        if packet[1] == _SENDER_REPORT and len(packet) >= 28:
            if report:
                yield ssrc, report
            ssrc, report = int.from_bytes(packet[4:8], "big"), packet
        elif packet[1] == _SOURCE_DESCRIPTION and report:
            report += packet
    if report:
        yield ssrc, report


class Outlets:
    """The subscribers of one track, grouped by the payload type each of them wants."""

    def __init__(self, payload_type: int) -> None:
        self._payload_type = payload_type
        self._groups: dict[int, list[Send]] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, payload_type: int, send: Send) -> None:
        """Send every packet from now on to one more subscriber."""
        self._groups.setdefault(payload_type, []).append(send)

    def remove(self, payload_type: int, send: Send) -> None:
        """The inverse of :meth:`add`; harmless when not there."""
        group = self._groups.get(payload_type, [])
        if send in group:
            group.remove(send)
        if not group:
            self._groups.pop(payload_type, None)

    def send(self, packet: bytes) -> None:
        """To everybody: the same bytes, rewritten once for each foreign payload type."""
        for payload_type, group in self._groups.items():
            out = packet
            if payload_type != self._payload_type:
                out = with_payload_type(packet, payload_type)
            for send in group:
                send(out)


class History:
    """The latest packets of a track, for subscribers who lost some on their own way.

    A publisher cannot help those: SRTP (RFC 3711, section 3.3.2) refuses here, as a replay, every
    packet that we have had already.
    """

    def __init__(self, length: int) -> None:
        self._packets: list[bytes] = [b"\0\0\0\0"] * length
        self._sequences: list[int] = [-1] * length
        self._length = length

    def keep(self, sequence: int, packet: bytes) -> None:
        """Remember a packet; ``withhold`` for one that was not sent on."""
        at = sequence % self._length
        self._packets[at] = packet
        self._sequences[at] = sequence

    def withhold(self, sequence: int) -> None:
        """Remember that a packet came and stays with us."""
        self.keep(sequence, _WITHHELD)

    def find(self, sequence: int) -> bytes | None:
        """The packet, empty if it was withheld, None if we do not have it."""
        at = sequence % self._length
        return self._packets[at] if self._sequences[at] == sequence else None


class LossRequests:
    """Lets each lost packet be asked for once in a while, however many subscribers miss it."""

    def __init__(self, pause_ns: int = 20 * NS_PER_MS, remembered: int = 1024) -> None:
        self._pause_ns = pause_ns
        self._remembered = remembered
        self._asked_ns: dict[int, int] = {}

    def due(self, sequences: Iterable[int], now_ns: int) -> list[int]:
        """Those that nobody asked for lately; they count as asked for now."""
        asked, latest = self._asked_ns, now_ns - self._pause_ns
        due = [seq for seq in sequences if seq not in asked or asked[seq] <= latest]
        for sequence in due:
            asked.pop(sequence, None)
            asked[sequence] = now_ns
        while len(asked) > self._remembered:
            del asked[next(iter(asked))]
        return due


class KeyframeRequests:
    """At most one keyframe request per interval and track, and none is forgotten.

    A request within the interval is put off to its end: the keyframe on its way may be too early
    for the one who asks now.
    """

    def __init__(self, interval_ns: int = 500 * NS_PER_MS) -> None:
        self._interval_ns = interval_ns
        self._next_ns = 0

    def wait_ns(self, now_ns: int) -> int | None:
        """When to ask: nanoseconds from now, None if a request is waiting already."""
        if self._next_ns > now_ns + self._interval_ns:
            return None
        at_ns = max(now_ns, self._next_ns)
        self._next_ns = at_ns + self._interval_ns
        return at_ns - now_ns
