import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadPacket
from media.rtp import packet

seqs = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF)
extensions = st.dictionaries(st.integers(1, 255), st.binary(max_size=40), max_size=5)


@given(
    pt=st.integers(0, 127),
    marker=st.booleans(),
    seq=seqs,
    timestamp=words,
    ssrc=words,
    payload=st.binary(max_size=200),
    extensions=extensions,
)
def test_what_was_built_is_parsed_back(pt, marker, seq, timestamp, ssrc, payload, extensions):
    data = packet.build(
        pt=pt,
        seq=seq,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=payload,
        marker=marker,
        extensions=extensions,
    )
    header = packet.parse_header(data)
    assert header[:5] == (pt, marker, seq, timestamp, ssrc)
    assert header.payload(data) == payload
    assert header.extensions(data) == extensions
    assert packet.peek(data) == (pt, seq, timestamp, ssrc)


@given(st.binary(max_size=80))
def test_random_bytes_are_parsed_or_refused_but_nothing_else(data):
    try:
        header = packet.parse_header(data)
    except BadPacket:
        return
    assert len(header.payload(data)) == len(data) - header.payload_offset - header.padding
    header.extensions(data)


@given(st.binary(min_size=11, max_size=80), st.integers(0x80, 0xBF))
def test_bytes_that_begin_like_rtp_are_parsed_or_refused(data, first):
    with contextlib.suppress(BadPacket):
        packet.parse_header(bytes([first]) + data).extensions(bytes([first]) + data)


def test_contributing_sources_and_padding_are_not_payload():
    data = bytes([0xA2, 0x60]) + bytes(10) + bytes(8) + b"hello" + b"\0\0\3"
    header = packet.parse_header(data)
    assert header.csrc_count == 2
    assert header.payload(data) == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        bytes(12),  # version 0
        b"\x8f" + bytes(11),  # fifteen CSRCs missing
        b"\x90" + bytes(11),  # extension missing
        b"\x90" + bytes(11) + b"\xbe\xde\xff\xff",  # extension too long
        b"\xa0" + bytes(11) + b"\x00",  # padding of no length
        b"\xa0" + bytes(11) + b"\x02",  # padding longer than the payload
    ],
)
def test_a_header_that_promises_more_than_there_is_is_refused(data):
    with pytest.raises(BadPacket):
        packet.parse_header(data)


def test_a_cut_off_header_extension_element_ends_the_list():
    block = b"\xbe\xde\x00\x01" + bytes([0x10, 0xAA, 0x2F, 0xBB])
    data = b"\x90" + bytes(11) + block
    assert packet.parse_header(data).extensions(data) == {1: b"\xaa"}


def test_the_payload_type_changes_and_the_marker_stays():
    data = packet.build(pt=96, seq=7, timestamp=8, ssrc=9, payload=b"x", marker=True)
    changed = packet.parse_header(packet.with_payload_type(data, 120))
    assert changed[:5] == (120, True, 7, 8, 9)


@given(st.integers(0, 1 << 40), st.lists(st.integers(-0x7FFF, 0x7FFF), max_size=50))
def test_unwrapped_numbers_keep_their_distances(start, steps):
    unwrapper = packet.Unwrapper(16)
    true = start
    shift = unwrapper.unwrap(true & 0xFFFF) - true
    for step in steps:
        true += step
        assert unwrapper.unwrap(true & 0xFFFF) - true == shift


def test_a_timestamp_that_wraps_goes_on():
    unwrapper = packet.Unwrapper(32)
    assert unwrapper.unwrap(0xFFFFFFF0) == 0xFFFFFFF0
    assert unwrapper.unwrap(0x10) == 0x100000010
    assert unwrapper.unwrap(0xFFFFFFF8) == 0xFFFFFFF8


@given(extensions=extensions, wanted=st.integers(1, 255))
def test_one_extension_is_found_without_the_others(extensions, wanted):
    data = packet.build(pt=1, seq=1, timestamp=1, ssrc=1, payload=b"x", extensions=extensions)
    found = packet.parse_header(data).extensions(data)
    assert packet.find_extension(data, wanted) == found.get(wanted, b"")
    for number in found:
        assert packet.find_extension(data, number) == found[number]


@given(st.binary(max_size=60), st.integers(1, 14))
def test_nonsense_has_no_extension_or_is_refused(data, wanted):
    with contextlib.suppress(BadPacket):
        packet.find_extension(data, wanted)
