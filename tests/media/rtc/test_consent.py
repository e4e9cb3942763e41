"""Consent to send: asked for and given without aioice."""

import secrets
from functools import partial

import aioice.ice
import pytest

from media.rtc import consent
from tests.media.rtc.sides import Pair, connected, run, until


def spied(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What aioice had to read."""
    read: list[bytes] = []
    whole = aioice.ice.StunProtocol.datagram_received

    def datagram_received(self, data, addr):
        read.append(bytes(data))
        whole(self, data, addr)

    monkeypatch.setattr(aioice.ice.StunProtocol, "datagram_received", datagram_received)
    return read


def asked_by(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the offering side sends; all of it is STUN after the handshake."""
    link = pair.offering.peer._ice.selected.protocol.transport
    sent: list[bytes] = []
    send = link.sendto

    def sendto(data, addr=None):
        sent.append(bytes(data))
        send(data, addr)

    monkeypatch.setattr(link, "sendto", sendto)
    return sent


def test_sides_that_answer_keep_consent_and_aioice_reads_no_request_twice(monkeypatch):
    monkeypatch.setattr(consent, "EVERY_S", 0.01)
    read = spied(monkeypatch)

    async def scenario(pair: Pair) -> None:
        sent = asked_by(pair, monkeypatch)
        await until(lambda: len(sent) > 20)  # requests of its own, and responses
        assert not pair.offering.closed
        assert not pair.answering.closed
        asked = [each for each in sent if each[:2] == b"\x00\x01"]
        assert len({each[8:20] for each in asked}) == len(asked)
        assert len({consent.attributes_of(each) for each in asked}) == 1
        del read[:]
        there = len(sent)
        await until(lambda: len(sent) > there + 10)
        assert not [each for each in read if each[:2] == b"\x00\x01"]

    run(partial(connected, then=scenario))


def changed(request: bytes, at: int) -> bytes:
    return request[:at] + bytes([request[at] ^ 1]) + request[at + 1 :]


@pytest.mark.parametrize("at", [0, 3, 4, 12, 24, -30, -20])
def test_a_request_that_is_not_quite_the_same_is_for_aioice(at, monkeypatch):
    monkeypatch.setattr(consent, "EVERY_S", 0.01)

    async def scenario(pair: Pair) -> None:
        sent = asked_by(pair, monkeypatch)
        await until(lambda: sum(each[:2] == b"\x00\x01" for each in sent) > 3)
        request = next(each for each in reversed(sent) if each[:2] == b"\x00\x01")
        ice = pair.answering.peer._ice
        chosen = ice.selected
        answers: list[bytes] = []
        monkeypatch.setattr(
            chosen.protocol.transport, "sendto", lambda data, addr: answers.append(bytes(data))
        )
        take = partial(ice.consent.take, stun=chosen.protocol)
        assert take(request, chosen.remote_addr)
        assert aioice.stun.parse_message(answers[0], ice.local_password.encode()).attributes[
            "XOR-MAPPED-ADDRESS"
        ] == (chosen.remote_addr)
        assert not take(changed(request, at), chosen.remote_addr)
        assert not take(request + b"\0", chosen.remote_addr)
        assert not take(request[:-1], chosen.remote_addr)
        assert not take(request, ("192.0.2.1", 9))
        ice.consent.forget()
        assert not take(request, chosen.remote_addr)
        assert len(answers) == 1

    run(partial(connected, then=scenario))


def test_a_forged_response_is_no_consent(monkeypatch):
    monkeypatch.setattr(consent, "EVERY_S", 0.01)
    monkeypatch.setattr(consent, "UNANSWERED", 2)

    async def scenario(pair: Pair) -> None:
        ice = pair.answering.peer._ice
        link = ice.selected.protocol.transport

        def sendto(data, addr=None):
            forged = consent.sealed(0x0101, bytes(data)[8:20], b"", secrets.token_bytes(20))
            pair.offering.peer._ice.consent.take(forged, addr, ice.selected.protocol)

        monkeypatch.setattr(link, "sendto", sendto)
        await until(lambda: pair.offering.closed)
        assert pair.offering.closed == ["consent lost"]

    run(partial(connected, then=scenario))


def test_messages_that_end_early_are_nobodys():
    for size in range(60):
        assert not consent.is_sealed(bytes(size), b"key")
