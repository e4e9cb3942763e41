"""How many datagrams a round of the drain takes from one socket."""

import asyncio
import socket

from media.rtc.counters import Counters
from media.rtc.landing import landing
from media.rtc.sweep import sweep
from media.rtc.wire import Wire

SMALL, LARGE = bytes([0x80]) + bytes(99), bytes([0x80]) + bytes(999)


class FakeInbound:
    """Counts what comes; whatever is refused comes here too."""

    srtp = None

    def __init__(self) -> None:
        self.refused = 0

    def refuse(self, result: int) -> None:
        self.refused += 1


def swept(monkeypatch, datagrams, *, everything=False, greedy=False):
    """How many of these one sweep reads, how many the next ones, and the wire."""
    monkeypatch.setattr("media.rtc.sweep._unprotect", lambda *_: 1)

    async def run():
        wire = Wire(
            "127.0.0.1", receive_buffer_bytes=1 << 20, counters=Counters(), on_dtls=lambda _: None
        )
        inbound = wire.inbound = FakeInbound()
        wire.greedy = greedy
        number = wire.fileno()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, wire.get_extra_info("sockname"))
        counts = []
        for _ in range(3):
            sweep({number: wire}, [(number, 1)], landing(), 1, everything=everything)
            counts.append(inbound.refused - sum(counts))
        sweep({}, [(number, 1)], landing(), 1, everything=everything)  # closed meanwhile
        wire.close()
        await asyncio.sleep(0)
        return counts, wire

    return asyncio.run(run())


def test_of_sound_one_packet_is_read_at_a_time(monkeypatch):
    counts, wire = swept(monkeypatch, [SMALL] * 5)
    assert counts == [1, 1, 1]
    assert not wire.greedy


def test_pieces_of_a_picture_are_read_together(monkeypatch):
    assert swept(monkeypatch, [LARGE] * 4 + [SMALL] * 2)[0] == [5, 1, 0]


def test_now_and_then_everything_is_read_and_shows_that_many_come_at_a_time(monkeypatch):
    counts, _ = swept(monkeypatch, [SMALL] * 5, everything=True)
    assert counts == [5, 0, 0]


def test_a_socket_with_many_packets_at_a_time_is_emptied_each_time(monkeypatch):
    counts, wire = swept(monkeypatch, [SMALL] * 5, greedy=True)
    assert counts == [5, 0, 0]
    assert not wire.greedy  # nothing came in the rounds after


def test_a_flood_ends_with_a_batch(monkeypatch):
    monkeypatch.setattr("media.rtc.sweep._ATTEMPTS", range(4))
    assert swept(monkeypatch, [SMALL] * 10, everything=True)[0] == [4, 4, 2]
