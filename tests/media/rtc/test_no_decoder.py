"""A recorder decodes nothing: proven in an interpreter of its own."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, gc, os, threading
from media.rtp import packet
from tests.media.rtc.sides import connected, run, until
from functools import partial

async def scenario(pair):
    for seq in range(50):
        pair.offering.peer.send_rtp(
            packet.build(pt=96, seq=seq, timestamp=seq * 960, ssrc=1, payload=os.urandom(80))
        )
    await until(lambda: len(pair.answering.rtp) == 50)
    from aiortc.codecs.base import Decoder, Encoder
    from aiortc.rtcpeerconnection import RTCPeerConnection
    from aiortc.rtcrtpreceiver import RTCRtpReceiver
    import av
    forbidden = (Decoder, Encoder, RTCPeerConnection, RTCRtpReceiver, av.CodecContext)
    found = [each for each in gc.get_objects() if isinstance(each, forbidden)]
    assert not found, found
    assert not [each for each in threading.enumerate() if "decoder" in each.name]

run(partial(connected, then=scenario))
print("nothing was decoded")
"""


def test_no_decoder_is_ever_constructed():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "nothing was decoded\n", done.stderr
