"""What the network loses between a real Janus and a recorder comes back, sound as well."""

import asyncio
import random
import struct
from typing import Any

import pytest
from janus_guests import Publisher, visiting
from janus_stage import Recording, heard, play
from pylibsrtp._binding import ffi

from media.rtc import sweep
from media.rtc.drain import Drain
from media.tape.model import EventType, Kind

# A packet that comes again too late is given up, and counts as lost.
pytestmark = [pytest.mark.server, pytest.mark.alone]


def test_janus_sends_again_what_was_lost(tmp_path, janus, room, monkeypatch) -> None:
    chance, losing = random.Random(1), False
    lost: set[tuple[int, int]] = set()  # SSRC and sequence number
    unprotect = sweep._unprotect

    def lossy(srtp: Any, data: Any, size: Any) -> int:
        if losing and chance.random() < 0.1:
            seq, _, ssrc = struct.unpack_from("!HII", ffi.buffer(data, 12), 2)
            lost.add((ssrc, seq))
            return 1  # an error of libsrtp, which has not seen the packet
        return int(unprotect(srtp, data, size))

    monkeypatch.setattr(sweep, "_unprotect", lossy)

    async def story(made: Recording, drain: Drain) -> None:
        nonlocal losing
        publisher = Publisher(janus.url, room, "alice", drain)
        async with visiting(publisher):
            await publisher.start()
            # Janus keeps packets to be sent again from its first report on, which may take 5 s.
            await heard(made, 700)
            losing = True
            await heard(made, 1000)
            losing = False
            await asyncio.sleep(1.2)  # by then a packet is here or given up

    made = play(tmp_path, janus.url, room, story)
    assert len(lost) >= 30
    for track in made.tracks:
        tallies = [e for e in made.events if e.type is EventType.TALLY and e.track == track.id]
        counts = dict(max(tallies, key=lambda event: event.at_ns).counts)
        assert counts["recovered"] >= 10, track.kind
        assert counts["lost"] <= 2
        # Retransmissions were lost, too: in streams of their own, or under the same numbers.
        originals = sum(ssrc == track.ssrc for ssrc, _ in lost)
        assert counts["recovered"] >= originals - counts["lost"], track.kind
    assert {track.kind for track in made.tracks} == set(Kind)
