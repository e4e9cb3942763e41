"""What happens to every datagram of media, in one function.

Calls, and attributes that have to be fetched from memory, cost more here than the work that is
done.  So the way from a socket to a decrypted packet is written out once, and everything that is
rare is elsewhere: in :class:`Wire` and :class:`Inbound`.
"""

from collections.abc import Iterable, Mapping

from pylibsrtp._binding import lib

from media.rtc.landing import Landing
from media.rtc.link import SHORTEST
from media.rtc.wire import BATCH, Wire

_LARGE = 700  # bytes: a piece of a picture, which is seldom alone

_ATTEMPTS = range(BATCH)
_unprotect = lib.srtp_unprotect


def sweep(
    wires: Mapping[int, Wire],
    ready: Iterable[tuple[int, int]],
    here: Landing,
    now_ns: int,
    *,
    everything: bool,
) -> None:
    """Read one datagram of each ready socket, and more of those that are likely to have more.

    Most sockets hold one packet of sound, and to learn from a failed read that there is no
    second one costs as much as the first.  What is overlooked waits for the next round, or for
    the next that reads ``everything``.
    """
    buffer, data, size_there, octets = here.buffer, here.data, here.size, here.bytes
    for number, _ in ready:
        wire = wires.get(number)
        if wire is None:  # a callback has closed it meanwhile
            continue
        inbound = wire.inbound
        for count in _ATTEMPTS:
            try:
                size, sender = wire.receive(buffer)
            except OSError as exc:
                wire.emptied(count, exc)
                break
            # Media begins with 128 to 191 (RFC 7983), RTCP goes on with 192 to 223 (RFC 5761).
            if inbound is None or size < SHORTEST or buffer[0] ^ 128 > 63:
                wire.sort(size, sender, now_ns)
            elif buffer[1] ^ 192 < 32:
                inbound.take(size, now_ns)
            else:
                size_there[0] = size
                result = _unprotect(inbound.srtp, data, size_there)
                if result:
                    inbound.refuse(result)
                else:
                    try:
                        inbound.on_rtp(octets[0 : size_there[0]], now_ns)
                    except Exception:  # noqa: BLE001  # logged there, with the reason
                        inbound.callback_failed()
            if size < _LARGE and not (everything or wire.greedy):
                break
