"""Coordination of video orientation: how pictures lie (3GPP TS 26.114 §7.4.5)."""

from collections.abc import Iterable

from media.errors import BadPacket
from media.rtp.packet import find_extension
from media.tape.model import Track
from media.tape.reorder import Arrived

URI = "urn:3gpp:video-orientation"


def rotations(track: Track, packets: Iterable[Arrived]) -> dict[int, int]:
    """Degrees to turn pictures clockwise by RTP timestamp (as on the wire), of those that tell.

    Senders tell with each key frame, and when it changes.  Mirroring is not told apart: nobody
    shows it.
    """
    number = next((number for number, uri in track.extensions if uri == URI), None)
    if number is None:
        return {}
    told = {}
    for _, packet in packets:
        try:
            value = find_extension(packet, number)
        except BadPacket:
            continue
        if value:
            told[int.from_bytes(packet[4:8], "big")] = (value[0] & 0x03) * 90
    return told
