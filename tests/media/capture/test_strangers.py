"""Datagrams of nobody we know, at every port there is: the recording goes on undisturbed."""

import os
import random
import socket

import psutil
from aioice import stun
from recorder import Recording, heard, settled, taped
from whip import Publisher

from media.tape.model import Kind

FLOOD = 12_000  # datagrams
BATCH = 40


def garbage(dice: random.Random) -> bytes:
    """Something that looks like STUN, DTLS, RTP or RTCP, and is nobody's."""
    noise = dice.randbytes(dice.choice((0, 1, 11, 12, 13, 40, 300, 1400)))
    match dice.randrange(7):
        case 0:
            return noise
        case 1:
            return _binding(dice)
        case 2:
            broken = bytearray(_binding(dice))
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
            return bytes(broken)[: dice.randrange(len(broken) + 1)]
        case 3:  # a DTLS record: alert, handshake or application data, of any epoch
            kind = dice.choice((20, 21, 22, 23, 25))
            head = bytes((kind, 0xFE, 0xFD, 0, dice.randrange(2))) + dice.randbytes(6)
            return head + len(noise).to_bytes(2, "big") + noise
        case 4:  # a fatal alert in the clear
            return b"\x15\xfe\xfd\x00\x00" + dice.randbytes(6) + b"\x00\x02\x02\x28"
        case 5:
            return b"\x80" + bytes((dice.choice((96, 111, 224)),)) + noise
        case _:
            return b"\x81" + bytes((dice.choice((200, 201, 203, 205, 206)),)) + noise


def _binding(dice: random.Random) -> bytes:
    kind = dice.choice(list(stun.Class))
    message = stun.Message(message_method=stun.Method.BINDING, message_class=kind)
    if dice.random() < 0.7:
        message.attributes["USERNAME"] = f"{dice.randrange(1 << 30)}:x"
        message.attributes["PRIORITY"] = dice.randrange(1 << 32)
        message.attributes["ICE-CONTROLLED"] = dice.randrange(1 << 63)
        message.attributes["USE-CANDIDATE"] = None
    if dice.random() < 0.5:
        message.add_message_integrity(dice.randbytes(20))
    return bytes(message)


def ports() -> list[tuple[str, int]]:
    """Every UDP socket of this process: both ends of each connection."""
    return [tuple(each.laddr) for each in psutil.Process(os.getpid()).net_connections("udp")]


def test_a_flood_of_strangers_disturbs_no_recording(go) -> None:
    async def story(rec: Recording) -> None:
        nonlocal publisher
        publisher = Publisher(rec.address, "c", "alice", rec.drain)
        await publisher.join()
        await heard(rec, publisher)
        dice, targets = random.Random(5), ports()
        assert len(targets) >= 4
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            for _ in range(FLOOD // BATCH):
                for _ in range(BATCH):
                    stranger.sendto(garbage(dice), dice.choice(targets))
                await publisher.send(1, pace=0.002)
        await publisher.send(100)
        await settled(rec)
        await publisher.leave()

    publisher: Publisher
    rec = go(story)
    assert rec.reason == "stopped"
    for kind in Kind:
        line, track = publisher.lines[kind.value], rec.track("alice", kind)
        assert len([one for one in rec.tracks if one.kind is kind]) == 1
        packets = taped(rec, track)
        assert set(packets) <= set(line.sent)
        for seq in list(line.sent)[-300:]:
            assert packets[seq] == line.sent[seq]
    assert rec.seen.missing == 0
