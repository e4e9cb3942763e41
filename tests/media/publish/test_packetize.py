"""Payloads are put together again by somebody else's depacketizer: aiortc's."""

import av
import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from media.publish.encoders import VideoEncoder
from media.publish.packetize import (
    MAX_PAYLOAD,
    H264Packetizer,
    SoundPacketizer,
    Vp8Packetizer,
    Vp9Packetizer,
    nal_units,
)
from media.publish.pattern import PatternPicture

nal_unit = st.builds(
    lambda kind, body, end: bytes([kind]) + body.replace(b"\0", b"\1") + bytes([end]),
    st.sampled_from([0x67, 0x68, 0x65, 0x41, 0x06, 0x01]),
    st.binary(max_size=4000),
    st.integers(1, 255),
)


@given(frame=st.binary(min_size=1, max_size=5000), first=st.integers(0, 1 << 15))
def test_a_vp8_frame_comes_back(frame, first):
    payloads = Vp8Packetizer(first).payloads(frame, keyframe=True)
    parsed = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    assert b"".join(rest for _, rest in parsed) == frame
    assert [d.partition_start for d, _ in parsed] == [1] + [0] * (len(payloads) - 1)
    assert {d.picture_id for d, _ in parsed} == {first % (1 << 15)}
    assert max(len(payload) for payload in payloads) <= MAX_PAYLOAD


def test_picture_ids_count_on_and_wrap():
    packetizer = Vp8Packetizer((1 << 15) - 1)
    ids = [
        VpxPayloadDescriptor.parse(packetizer.payloads(b"x", keyframe=False)[0])[0].picture_id
        for _ in range(3)
    ]
    assert ids == [(1 << 15) - 1, 0, 1]


@given(units=st.lists(nal_unit, min_size=1, max_size=6))
def test_h264_nal_units_come_back(units):
    frame = b"".join(b"\0\0\0\1" + unit for unit in units)
    payloads = H264Packetizer().payloads(frame, keyframe=True)
    again = b"".join(H264PayloadDescriptor.parse(payload)[1] for payload in payloads)
    assert list(nal_units(again)) == units
    assert max(len(payload) for payload in payloads) <= MAX_PAYLOAD


def test_h264_parameter_sets_travel_together():
    frame = b"".join(b"\0\0\0\1" + unit for unit in (b"\x67ab", b"\x68c", b"\x65" + b"d" * 5000))
    payloads = H264Packetizer().payloads(frame, keyframe=True)
    assert payloads[0] == b"\x78\0\3\x67ab\0\2\x68c"
    assert [payload[0] & 0x1F for payload in payloads[1:]] == [28] * (len(payloads) - 1)


def test_a_vp9_frame_has_its_beginning_and_end_marked():
    payloads = Vp9Packetizer(5).payloads(b"x" * 3000, keyframe=False)
    assert [payload[0] for payload in payloads] == [0xC8, 0xC0, 0xC4]
    assert b"".join(payload[3:] for payload in payloads) == b"x" * 3000


def test_an_opus_packet_is_its_own_payload():
    assert SoundPacketizer().payloads(b"abc", keyframe=True) == [b"abc"]


@pytest.mark.parametrize(
    ("codec", "packetizer", "parse"),
    [
        ("vp8", Vp8Packetizer(), VpxPayloadDescriptor.parse),
        ("h264", H264Packetizer(), H264PayloadDescriptor.parse),
    ],
)
def test_real_frames_decode_after_the_journey(codec, packetizer, parse):
    drawn = PatternPicture("1", width=640, height=360, fps=15)
    encoder = VideoEncoder(codec, width=640, height=360, fps=15, bitrate=900_000, keyframe_s=10)
    decoder = av.CodecContext.create(codec, "r")
    keys = []
    for number in range(12):
        data, key = encoder.encode(drawn.draw(number), number * 6000, force_key=number == 7)
        payloads = packetizer.payloads(data, keyframe=key)
        keys += [number] if key else []
        frames = decoder.decode(av.Packet(b"".join(parse(payload)[1] for payload in payloads)))
        assert len(frames) == 1
    assert keys == [0, 7]
