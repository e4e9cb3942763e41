import base64
import contextlib
import fractions

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder, VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st
from taping import H264, MS, NS, T0, VP8, adds, clock, gives, tape, tells, track

from media.errors import BadPacket
from media.rtp.codec import Codec
from media.rtp.packet import build
from media.tape.payload import formats, nal
from media.tape.payload.parameter_sets import ParameterSets
from media.tape.reader import Tape


def depacketizer(name, fmtp=""):
    return formats.depacketizer(name, fmtp, ParameterSets())


START = b"\x00\x00\x00\x01"


def pictures(count=12, size=(320, 192)):
    """Moving noise on a gradient: key frames of many packets."""
    dice = np.random.default_rng(4)
    for i in range(count):
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        picture[:, :, 0] = np.linspace(0, 255, size[0]) + i
        picture[20 + i : 100 + i, 40:140] = dice.integers(0, 255, (80, 100, 3))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = i * 3000, fractions.Fraction(1, 90_000)
        yield frame


def decode(codec, datas):
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    shown = [frame for data in datas for frame in context.decode(av.Packet(data))]
    shown += context.decode(None)
    return [frame.to_ndarray() for frame in shown]


def encoded(encoder, monkeypatch):
    """What the encoder made of each picture, and its payloads."""
    whole = []
    for name in ("_packetize",):
        real = getattr(type(encoder), name)

        def note(first, *more, real=real):
            units = list(first) if not isinstance(first, bytes) else first
            whole.append(units if isinstance(units, bytes) else START + START.join(units))
            return real(units, *more)

        monkeypatch.setattr(encoder, name, note)
    payloads = [
        encoder.encode(frame, force_keyframe=i % 6 == 0)[0] for i, frame in enumerate(pictures())
    ]
    return whole, payloads


def taped(directory, codec, payloads):
    one, number = track("1.1", "7", codec), 65_530
    acts = [adds(one), tells(clock(one, 0, T0))]
    for i, pieces in enumerate(payloads):
        for j, piece in enumerate(pieces):
            packet = build(
                pt=codec.payload_type,
                seq=number,
                timestamp=3000 * i,
                ssrc=5,
                payload=piece,
                marker=j == len(pieces) - 1,
            )
            acts.append(gives(one, packet, T0 + i * 33 * MS))
            number += 1
    tape(directory, acts)
    return Tape(directory).frames(T0, T0 + 100 * NS)[one.id]


@pytest.mark.parametrize(
    ("encoder", "codec", "decoder"), [(Vp8Encoder, VP8, "libvpx"), (H264Encoder, H264, "h264")]
)
def test_what_others_packetize_decodes_to_the_same_pictures(
    tmp_path, monkeypatch, encoder, codec, decoder
):
    whole, payloads = encoded(encoder(), monkeypatch)
    assert max(map(len, payloads)) > 3
    frames = taped(tmp_path, codec, payloads)
    assert [frame.data for frame in frames] == whole
    keys = [i for i, frame in enumerate(frames) if frame.keyframe]
    assert keys == [0, 6]
    assert {(frames[i].width, frames[i].height) for i in keys} == {(320, 192)}
    assert all(frame.intact for frame in frames)
    ours, theirs = (decode(decoder, datas) for datas in ([f.data for f in frames], whole))
    assert len(ours) == len(whole)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@given(
    partition=st.integers(0, 7),
    picture_id=st.none() | st.integers(0, 0x7FFF),
    tl0picidx=st.none() | st.integers(0, 255),
    tid=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 1)),
    keyidx=st.none() | st.integers(0, 31),
    body=st.binary(min_size=1, max_size=40),
)
def test_every_vp8_descriptor_is_skipped(partition, picture_id, tl0picidx, tid, keyidx, body):
    vp8 = depacketizer("vp8", "")
    body = bytes([body[0] | 1]) + body[1:]  # not a key frame
    descriptor = bytes(VpxPayloadDescriptor(1, partition, picture_id, tl0picidx, tid, keyidx))
    assert vp8.join([descriptor + body]).data == body
    assert vp8.begins(descriptor) == (partition == 0)


def test_a_short_vp8_picture_id_is_skipped():
    assert depacketizer("vp8", "").join([b"\x90\x80\x05\x01rest"]).data == b"\x01rest"


def h264_keyframe():
    encoder = H264Encoder()
    units = list(encoder._encode_frame(next(pictures(1)), True))
    sps, pps = (next(bytes(unit) for unit in units if unit[0] & 0x1F == kind) for kind in (7, 8))
    return sps, pps, [bytes(unit) for unit in units if unit[0] & 0x1F == 5]


def test_parameter_sets_of_the_sdp_are_put_before_a_key_frame_that_lacks_them(tmp_path):
    sps, pps, slices = h264_keyframe()
    sets = ",".join(base64.b64encode(unit).decode() for unit in (sps, pps))
    codec = Codec("H264", 102, 90_000, 1, f"packetization-mode=1; sprop-parameter-sets={sets}")
    fragments = H264Encoder._packetize(slices)
    (frame,) = taped(tmp_path, codec, [fragments])
    assert frame.data == START + START.join((sps, pps, *slices))
    assert (frame.keyframe, frame.width, frame.height) == (True, 320, 192)
    assert len(decode("h264", [frame.data])) == 1


def test_parameter_sets_sent_apart_go_with_the_next_picture(tmp_path):
    sps, pps, slices = h264_keyframe()
    frames = taped(tmp_path, H264, [[sps], [pps], H264Encoder._packetize(slices)])
    assert [frame.data for frame in frames] == [START + START.join((sps, pps, *slices))]
    assert frames[0].keyframe
    assert frames[0].intact


@pytest.mark.parametrize("size", [(16, 16), (640, 360), (854, 480), (1280, 720), (322, 182)])
@pytest.mark.parametrize("profile", ["Baseline", "High", "High 4:4:4 Predictive"])
def test_the_picture_size_is_in_the_parameter_set(size, profile):
    pixels = "yuv444p" if "4:4:4" in profile else "yuv420p"
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = *size, pixels
    context.time_base = fractions.Fraction(1, 30)
    context.profile = profile
    frame = av.VideoFrame(*size, pixels)
    frame.pts = 0
    stream = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    (sps,) = [unit for unit in H264Encoder._split_bitstream(stream) if unit[0] & 0x1F == 7]
    assert nal.size(bytes(sps)) == size


@given(st.binary(min_size=1, max_size=60))
def test_no_parameter_set_brings_the_reader_down(noise):
    width, height = nal.size(b"\x67" + noise)
    assert 0 <= width <= 65536
    assert 0 <= height <= 65536


@given(
    name=st.sampled_from(("vp8", "h264", "opus")),
    payloads=st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4),
)
def test_noise_makes_a_picture_or_is_refused(name, payloads):
    format_ = depacketizer(name, "sprop-parameter-sets=Z0LgH5WoFAFu,###,")
    for payload in payloads:
        format_.begins(payload)
    with contextlib.suppress(BadPacket):
        format_.join(payloads)


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x7c\x05middle"],
        [b"\x7c\x85first", b"\x7c\x85first"],
        [b"\x7c\x85first", b"\x65whole"],
        [b"\x7c\x85never ends"],
        [b"\x18\x00\x09short"],
        [b"\x1auntold"],
    ],
)
def test_broken_fragments_are_refused(payloads):
    with pytest.raises(BadPacket):
        depacketizer("h264", "").join(payloads)


def test_a_slice_in_the_middle_of_a_picture_does_not_begin_one():
    format_ = depacketizer("h264", "")
    assert format_.begins(b"\x65\x88")  # first_mb_in_slice 0
    assert not format_.begins(b"\x65\x40")
    assert format_.begins(b"\x7c\x85\x88")
    assert not format_.begins(b"\x7c\x05\x88")
    assert format_.begins(b"\x18\x00\x02\x67\x42")


@pytest.mark.parametrize("name", ["cn", "telephone-event", "red", "ulpfec", "flexfec-03", "rtx"])
def test_what_is_no_media_of_its_own_has_no_frames(name):
    assert depacketizer(name) is None
