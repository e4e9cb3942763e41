"""What happens to every datagram of media, in one function.

Calls, and attributes that have to be fetched from memory, cost more here than the work that is
done.  So the way from where a packet landed to the decrypted one is written out once, and
everything that is rare is elsewhere: in :class:`Wire` and :class:`Inbound`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pylibsrtp._binding import lib

from media.rtc.batch import Batch
from media.rtc.landing import SLOTS, Landing
from media.rtc.link import SHORTEST
from media.rtc.wire import Wire

MANY = 16  # datagrams that wait at a socket: it should be read more often
_NS = 1_000_000_000
FAIR = 8  # calls to one socket at a time, so that a flood cannot starve the others

_unprotect = lib.srtp_unprotect


@dataclass(frozen=True, slots=True)
class Now:
    """When sockets are read.

    What waits has come between ``since_ns`` and ``at_ns``, even if somebody has set the wall
    clock meanwhile, by which the kernel stamps; ``ahead_ns`` leads from that to our clock.
    """

    since_ns: int
    at_ns: int
    ahead_ns: int


def sweep(
    wires: Mapping[int, Wire],
    numbers: Iterable[int],
    here: Landing,
    now: Now,
    *,
    calls: int = FAIR,
) -> list[int]:
    """Read sockets, by their numbers, until nothing waits; those where many datagrams did."""
    busy = []
    for number in numbers:
        for _ in range(calls):
            wire = wires.get(number)
            if wire is None or wire.batch is None:  # a callback has closed it meanwhile
                break
            try:
                count = wire.batch.receive(number)
            except OSError as exc:
                wire.failed(exc)
                break
            _land(wire, wire.batch, count, here, now)
            if count > MANY:
                busy.append(number)
            if count < SLOTS:
                break
    return busy


def _land(wire: Wire, batch: Batch, count: int, here: Landing, now: Now) -> None:
    """Handle so many datagrams of one socket."""
    since_ns, now_ns, ahead_ns = now.since_ns, now.at_ns, now.ahead_ns
    inbound, buffer, size_there = wire.inbound, here.buffer, here.size
    times = iter(batch.times(count))
    for slot, size, s, ns in zip(here.slots, batch.lengths(count), times, times, strict=False):
        arrival_ns = s * _NS + ns + ahead_ns
        if not since_ns <= arrival_ns <= now_ns:
            arrival_ns = since_ns if arrival_ns < since_ns else now_ns
        view = slot.view
        # Media begins with 128 to 191 (RFC 7983), RTCP goes on with 192 to 223 (RFC 5761).
        if inbound is None or size < SHORTEST or view[0] ^ 128 > 63:
            buffer[:size] = view[:size]
            wire.sort(size, batch.sender(slot.index), arrival_ns)
            inbound = wire.inbound
        elif view[1] ^ 192 < 32:
            buffer[:size] = view[:size]
            inbound.take(size, arrival_ns)
        else:
            size_there[0] = size
            result = _unprotect(inbound.srtp, slot.data, size_there)
            if result:
                inbound.refuse(result)
            else:
                try:
                    inbound.on_rtp(slot.bytes[0 : size_there[0]], arrival_ns)
                except Exception:  # noqa: BLE001  # logged there, with the reason
                    inbound.callback_failed()
