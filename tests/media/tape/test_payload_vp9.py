"""VP9 out of RTP (RFC 9628)."""

import av
import numpy as np
import pytest
from encoding import decoded, encoded
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadPacket
from media.publish import packetize
from media.publish.packetize import Vp9Packetizer
from media.tape.payload.vp9 import Vp9, key_frame_size

INTER = b"\x86inter"


@st.composite
def descriptors(draw, *, begin=True):
    """``(bytes, spatial id, sizes)`` of a payload descriptor with any of its parts."""
    picture = draw(st.none() | st.integers(0, 0x7FFF))
    layer = draw(st.none() | st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 3)))
    flexible, inter = draw(st.booleans()), draw(st.booleans())
    sizes = draw(st.none() | st.lists(st.tuples(*[st.integers(1, 4000)] * 2), max_size=8))
    flags = 0x08 if begin else 0
    body = b""
    if picture is not None:
        flags |= 0x80
        wide = picture > 0x7F or draw(st.booleans())
        body += (0x8000 | picture).to_bytes(2, "big") if wide else bytes([picture])
    if layer is not None:
        flags |= 0x20
        temporal, spatial, bits = layer
        body += bytes([temporal << 5 | (bits & 1) << 4 | spatial << 1 | bits >> 1])
        body += b"" if flexible else b"\x07"
    if flexible:
        flags |= 0x10
    if inter:
        flags |= 0x40
        if flexible:
            differences = draw(st.lists(st.integers(1, 127), min_size=1, max_size=3))
            last = len(differences) - 1
            body += bytes(each << 1 | (i < last) for i, each in enumerate(differences))
    if sizes is not None:
        flags |= 0x02
        groups = draw(st.none() | st.lists(st.lists(st.integers(0, 255), max_size=3), max_size=5))
        body += bytes([max(0, len(sizes) - 1) << 5 | bool(sizes) << 4 | (groups is not None) << 3])
        body += b"".join(n.to_bytes(2, "big") for size in sizes for n in size)
        if groups is not None:
            body += bytes([len(groups)])
            body += b"".join(bytes([len(each) << 2, *each]) for each in groups)
    return bytes([flags]) + body, layer[1] if layer else 0, tuple(sizes or ())


@given(descriptors(), st.binary(max_size=30))
def test_every_descriptor_is_skipped(made, rest):
    descriptor, _, _ = made
    assert Vp9().begins(descriptor + INTER)
    assert Vp9().join([descriptor + INTER + rest]).data == INTER + rest


@given(descriptors(), st.data())
def test_a_cut_off_descriptor_is_refused(made, data):
    descriptor, _, _ = made
    with pytest.raises(BadPacket):
        Vp9().join([descriptor[: data.draw(st.integers(1, len(descriptor)))]])


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), st.binary(max_size=6))
def test_nonsense_is_a_picture_or_refused(payloads, frame):
    for one in (payloads, [b"\x08" + frame + payload for payload in payloads]):
        try:
            picture = Vp9().join(one)
        except BadPacket:
            continue
        assert len(picture.data) <= sum(map(len, one)) + 40
        assert picture.keyframe == (picture.width > 0)


@pytest.mark.parametrize("most", [40, 333, 1180])
def test_what_is_packetized_comes_back_and_decodes(monkeypatch, most):
    monkeypatch.setattr(packetize, "MAX_PAYLOAD", most)
    packetizer, frames = Vp9Packetizer(32_760), encoded("libvpx-vp9")
    made = [Vp9().join(packetizer.payloads(data, keyframe=key)) for data, key in frames]
    assert [picture.data for picture in made] == [data for data, _ in frames]
    assert [picture.keyframe for picture in made] == [key for _, key in frames]
    assert {(p.width, p.height) for p in made if p.keyframe} == {(320, 192)}
    ours, theirs = (
        decoded("vp9", datas) for datas in ([p.data for p in made], [data for data, _ in frames])
    )
    assert len(ours) == len(frames)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_layers_of_one_picture_become_a_superframe_of_the_highest_ones_size():
    key = encoded("libvpx-vp9", count=1, size=(160, 96))[0][0]
    structure = bytes([0x30]) + b"".join(n.to_bytes(2, "big") for n in (160, 96, 320, 192))
    base = [b"\x2a\x00\x07" + structure + key[:20], b"\x24\x00\x07" + key[20:]]
    picture = Vp9().join([*base, b"\x2c\x03\x07" + INTER])
    assert (picture.keyframe, picture.width, picture.height) == (True, 320, 192)
    marker = b"\xc9" if len(key) > 255 else b"\xc1"
    width = 2 if len(key) > 255 else 1
    sizes = b"".join(n.to_bytes(width, "little") for n in (len(key), len(INTER)))
    assert picture.data == key + INTER + marker + sizes + marker


def test_a_picture_that_lacks_its_beginning_is_refused():
    assert not Vp9().begins(b"\x04" + INTER)
    with pytest.raises(BadPacket, match="middle"):
        Vp9().join([b"\x00" + INTER, b"\x04rest"])


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "gbrp"])
@pytest.mark.parametrize("size", [(16, 16), (854, 480), (1920, 1080)])
def test_the_size_is_in_the_key_frame_of_every_profile(pixels, size):
    context = av.CodecContext.create("libvpx-vp9", "w")
    context.width, context.height, context.pix_fmt = *size, pixels
    context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    frame = av.VideoFrame(*size, pixels)
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    assert key_frame_size(data) == size


@pytest.mark.parametrize("space", [1, 7])
def test_the_size_of_more_than_eight_bits_stands_behind_their_number(space):
    """uncompressed_header() of profiles 2 and 3 (section 6.2)."""
    profile = 3 if space == 7 else 2
    colours = f"{space:03b}" + "0"  # a range, or for RGB a reserved bit
    head = "10" + f"{profile & 1}1" + ("0" if profile == 3 else "") + "0010" + f"{0x498342:024b}"
    bits = head + "1" + colours + f"{639:016b}{359:016b}" + "0" * 60
    data = int(bits, 2) << -len(bits) % 8
    assert key_frame_size(data.to_bytes(-(-len(bits) // 8), "big")) == (640, 360)


def test_a_picture_shown_again_is_no_key_frame():
    assert key_frame_size(b"\x88") is None
