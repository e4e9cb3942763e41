"""AV1 out of RTP (AOM RTP payload format 1.0)."""

import contextlib

import numpy as np
import pytest
from encoding import decoded, encoded
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadPacket
from media.publish.packetize import Av1Packetizer
from media.tape.payload import obu
from media.tape.payload.av1 import Av1

unit = st.builds(
    lambda kind, extension, body: (
        bytes([kind << 3 | (4 if extension is not None else 0)])
        + (b"" if extension is None else bytes([extension]))
        + body
    ),
    st.sampled_from(sorted(obu.STORED)),
    st.none() | st.integers(0, 255),
    st.binary(max_size=400),
)


@given(units=st.lists(unit, min_size=1, max_size=6), most=st.integers(8, 300))
def test_units_come_back_whatever_the_size_of_packets(units, most):
    whole = b"".join(map(obu.sized, units))
    payloads = Av1Packetizer(most).payloads(b"\x12\x00" + whole, keyframe=False)
    assert max(map(len, payloads)) <= most
    assert [Av1().begins(payload) for payload in payloads[:1]] == [True]
    assert Av1().join(payloads).data == whole


@given(
    units=st.lists(unit, min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 3), min_size=20, max_size=20),
    counted=st.booleans(),
)
def test_every_way_to_aggregate_is_understood(units, cuts, counted):
    """Packets of one to three elements, with their count in W, or 0 there and a size on each."""
    pieces = []  # (bytes, begins a unit, ends a unit)
    for one, cut in zip(units, cuts, strict=False):
        at = min(cut * 7, len(one) - 1)
        pieces += [(one[:at], True, False), (one[at:], False, True)] if at else [(one, True, True)]
    payloads = []
    while pieces:
        taken = [pieces.pop(0)]
        while pieces and taken[-1][2] and len(taken) < 1 + cuts[len(pieces) % 20] % 3:
            taken.append(pieces.pop(0))
        head = (not taken[0][1]) << 7 | (not taken[-1][2]) << 6 | counted * len(taken) << 4
        sized = [obu.to_leb128(len(piece)) + piece for piece, _, _ in taken]
        if counted:
            sized[-1] = taken[-1][0]
        payloads.append(bytes([head]) + b"".join(sized))
    assert Av1().join(payloads).data == b"".join(map(obu.sized, units))


@given(units=st.lists(unit, min_size=1, max_size=3), data=st.data())
def test_what_is_torn_or_changed_is_a_picture_or_refused(units, data):
    whole = b"".join(map(obu.sized, units))
    payloads = Av1Packetizer(64).payloads(whole, keyframe=True)
    hit = data.draw(st.integers(0, len(payloads) - 1))
    match data.draw(st.sampled_from(("cut", "change", "drop"))):
        case "cut":
            payloads[hit] = payloads[hit][: data.draw(st.integers(1, len(payloads[hit])))]
        case "change":
            at = data.draw(st.integers(0, len(payloads[hit]) - 1))
            byte = data.draw(st.integers(0, 255))
            payloads[hit] = payloads[hit][:at] + bytes([byte]) + payloads[hit][at + 1 :]
        case "drop":
            del payloads[hit]
    with contextlib.suppress(BadPacket):
        assert len(Av1().join(payloads).data) <= 2 * sum(map(len, payloads))


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_nonsense_is_a_picture_or_refused(payloads):
    with contextlib.suppress(BadPacket):
        Av1().join(payloads)
    with contextlib.suppress(BadPacket):
        list(obu.units(b"".join(payloads)))


def test_fragments_must_fit_together():
    first, second = b"\x50\x30one", b"\x90two"
    assert Av1().join([first, second]).data == b"\x32\x06onetwo"
    for broken in ([first], [second], [first, b"\x10\x30new"], [b"\x10\x30new", second]):
        with pytest.raises(BadPacket):
            Av1().join(broken)
    assert not Av1().begins(second)


def test_delimiters_padding_and_tile_lists_are_left_out():
    assert Av1().join([b"\x00\x01\x10\x02\x78\x00\x01\x40\x03\x30ab"]).data == b"\x32\x02ab"
    with pytest.raises(BadPacket):
        Av1().join([b"\x10\x10"])


@pytest.mark.parametrize("size", [(320, 192), (854, 480), (1280, 720)])
def test_what_is_packetized_comes_back_and_decodes(size):
    frames = encoded("libsvtav1", size=size, count=8, gop=4)
    packetizer = Av1Packetizer()
    made = [Av1().join(packetizer.payloads(data, keyframe=key)) for data, key in frames]
    assert [b"\x12\x00" + picture.data for picture in made] == [data for data, _ in frames]
    assert [picture.keyframe for picture in made] == [key for _, key in frames]
    assert sum(picture.keyframe for picture in made) == 2
    assert {(p.width, p.height) for p in made if p.keyframe} == {size}
    ours, theirs = (
        decoded("libdav1d", datas)
        for datas in ([p.data for p in made], [data for data, _ in frames])
    )
    assert len(ours) == len(frames)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


class Writer:
    """Bits, most significant first."""

    def __init__(self):
        self.bits = ""

    def put(self, value, count):
        self.bits += f"{value:0{count}b}" if count else ""
        return self

    def bytes(self):
        return int(self.bits.ljust(-(-len(self.bits) // 8) * 8, "0"), 2).to_bytes(
            -(-len(self.bits) // 8), "big"
        )


@pytest.mark.parametrize("model", [False, True])
@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("override", [False, True])
def test_the_size_stands_behind_every_optional_field(model, ids, override):
    """sequence_header_obu() and uncompressed_header() with their optional parts (5.5.1, 5.9.2)."""
    head = Writer().put(0, 5).put(model, 1)  # profile, still, reduced; timing_info_present_flag
    if model:
        head.put(1, 32).put(30, 32).put(0, 1)  # equal_picture_interval
        head.put(1, 1).put(7, 5).put(1, 32).put(9, 5).put(11, 5)  # decoder_model_info()
    head.put(1, 1).put(1, 5)  # initial display delays; two operating points
    for idc in (0x103, 0x202):
        head.put(idc, 12).put(9, 5).put(1, 1)  # level above 7: a tier follows
        if model:
            head.put(1, 1).put(3, 8).put(3, 8).put(0, 1)
        head.put(1, 1).put(5, 4)
    head.put(10, 4).put(9, 4).put(1279, 11).put(719, 10)
    head.put(ids, 1)
    if ids:
        head.put(12, 4).put(0, 3)  # ids of 15 bits
    head.put(0, 7).put(1, 1).put(0, 2)  # order hints
    head.put(1, 1).put(1, 1).put(6, 3)  # the frame says whether it is of a screen; 7 bits of order
    frame = Writer().put(0, 1).put(0, 2).put(1, 1)  # a key frame that is shown
    if model:
        frame.put(77, 12)
    frame.put(0, 1).put(1, 1).put(0, 1)  # cdf; of a screen, motion not forced to whole pixels
    frame.put(5, 15 if ids else 0).put(override, 1).put(3, 7)
    if model:
        frame.put(1, 1).put(500, 10)  # the first layer is in the first operating point only
    if override:
        frame.put(639, 11).put(359, 10)
    units = [b"\x08" + head.bytes() + bytes(4), b"\x30" + frame.bytes() + bytes(20)]
    assert obu.key_frame_size(units) == ((640, 360) if override else (1280, 720))


def test_a_key_frame_without_its_sequence_header_has_no_size():
    assert obu.key_frame_size([b"\x30\x10" + bytes(9)]) == (0, 0)
    assert obu.key_frame_size([b"\x08\x00", b"\x30\x10" + bytes(9)]) == (0, 0)
    assert obu.key_frame_size([b"\x30\x30" + bytes(9)]) is None
    assert obu.key_frame_size([b"\x30\x80"]) is None


def test_a_header_without_its_extension_is_damage():
    with pytest.raises(BadPacket):
        Av1().join([b"\x10" + bytes([obu.FRAME << 3 | 4])])
