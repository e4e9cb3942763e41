"""Streams of retransmissions, without a network."""

from media.capture.repairs import MAX_REPAIRS, Repairs
from media.capture.sections import Section, Sections
from media.rtp.codec import Codec
from media.rtp.packet import build
from media.tape.model import Kind, Source

VP8, RTX_TYPE = Codec("VP8", 96, 90_000), 97


def test_in_a_recording_of_days_the_streams_heard_longest_ago_are_forgotten() -> None:
    section = Section(Kind.VIDEO, "0", Source.CAMERA, (VP8,), (), (), {RTX_TYPE: 96})
    sections, repairs = Sections([section]), Repairs()
    for ssrc in (*range(1, MAX_REPAIRS + 1), 1, MAX_REPAIRS + 1):
        packet = build(pt=RTX_TYPE, seq=7, timestamp=0, ssrc=ssrc, payload=bytes(9))
        assert repairs.origin(ssrc, 7, 5, packet, sections, {}) is None
    assert {block.ssrc for block in repairs.report_blocks()} == {1, *range(3, MAX_REPAIRS + 2)}
