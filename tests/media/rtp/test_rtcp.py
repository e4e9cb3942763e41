import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.errors import BadPacket
from media.rtp import rtcp

words = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(
        rtcp.ReportBlock,
        words,
        st.integers(0, 255),
        st.integers(-0x800000, 0x7FFFFF),
        words,
        words,
        words,
        words,
    ),
    max_size=31,
)
unix_ns = st.integers(0, 2_000_000_000 * 10**9)


@given(words, unix_ns, words, words, words, blocks)
def test_a_sender_report_is_parsed_back(ssrc, at_ns, rtp_time, packets, octets, reports):
    data = rtcp.sender_report(
        ssrc, unix_ns=at_ns, rtp_time=rtp_time, packets=packets, octets=octets, reports=reports
    )
    (report,) = rtcp.parse(data)
    assert isinstance(report, rtcp.SenderReport)
    assert (report.ssrc, report.rtp_time, report.packets) == (ssrc, rtp_time, packets)
    assert report.octets == octets
    assert report.reports == tuple(reports)
    assert abs(report.unix_ns - at_ns) <= 1


@given(words, blocks)
def test_a_receiver_report_is_parsed_back(ssrc, reports):
    (report,) = rtcp.parse(rtcp.receiver_report(ssrc, reports))
    assert report == rtcp.ReceiverReport(ssrc, tuple(reports))


@given(words, words, st.integers(0, 0xFFFF), st.lists(st.integers(1, 40), max_size=60))
def test_a_nack_asks_for_exactly_the_missing_ones(sender, media, start, steps):
    sequences = [start]
    for step in steps:
        sequences.append((sequences[-1] + step) & 0xFFFF)
    (nack,) = rtcp.parse(rtcp.nack(sender, media, sequences))
    assert nack == rtcp.Nack(sender, media, tuple(sequences))


@given(words, st.text(max_size=300))
def test_a_cname_is_parsed_back_up_to_255_bytes(ssrc, cname):
    (sdes,) = rtcp.parse(rtcp.source_description(ssrc, cname))
    assert isinstance(sdes, rtcp.SourceDescription)
    ((of, text),) = sdes.cnames
    assert of == ssrc
    assert text == cname.encode()[:255].decode("utf-8", "replace")


@given(words, st.integers(0, 10**10), st.lists(words, max_size=5))
def test_an_estimate_is_parsed_back_within_its_precision(sender, bitrate, ssrcs):
    (remb,) = rtcp.parse(rtcp.remb(sender, bitrate, ssrcs))
    assert isinstance(remb, rtcp.Remb)
    assert (remb.sender_ssrc, remb.ssrcs) == (sender, tuple(ssrcs))
    assert bitrate * (1 - 2**-17) <= remb.bitrate <= bitrate


def test_a_compound_packet_comes_apart_in_order():
    data = rtcp.receiver_report(1) + rtcp.source_description(1, "me") + rtcp.pli(1, 2)
    data += rtcp.fir(1, 2, 3) + rtcp.bye([1, 4])
    assert rtcp.parse(data) == (
        rtcp.ReceiverReport(1),
        rtcp.SourceDescription(((1, "me"),)),
        rtcp.Pli(1, 2),
        rtcp.Fir(1, ((2, 3),)),
        rtcp.Bye((1, 4)),
    )


def test_what_is_not_known_is_kept():
    transport_cc = bytes([0x8F, 205, 0, 2]) + bytes(8)
    assert rtcp.parse(transport_cc) == (rtcp.Unknown(205, 15, bytes(8)),)


def test_padding_is_not_content():
    padded = bytes([0xA1, 203, 0, 2]) + (7).to_bytes(4, "big") + b"\0\0\0\4"
    assert rtcp.parse(padded) == (rtcp.Bye((7,)),)


def test_the_wall_clock_survives_the_year_2036():
    after = 2_100_000_000 * 10**9
    assert abs(rtcp.ntp_to_unix_ns(rtcp.unix_ns_to_ntp(after)) - after) <= 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\x80\xc8\x00\x06",  # cut off
        b"\x40\xc9\x00\x00",  # version 1
        b"\x81\xc9\x00\x01" + bytes(4),  # a block is promised
        b"\xa0\xc9\x00\x01" + b"\0\0\0\xff",  # padding longer than the packet
        b"\x81\xca\x00\x02" + bytes(4) + b"\x01\xff\x00\x00",  # item longer than the packet
        b"\x81\xce\x00\x00",  # feedback of nothing
    ],
)
def test_a_packet_that_promises_more_than_there_is_is_refused(data):
    with pytest.raises(BadPacket):
        rtcp.parse(data)


@given(st.binary(max_size=100))
def test_random_bytes_are_parsed_or_refused_but_nothing_else(data):
    with contextlib.suppress(BadPacket):
        rtcp.parse(data)


@given(st.integers(0x80, 0xBF), st.integers(198, 208), st.integers(0, 12), st.binary(max_size=60))
def test_bytes_that_begin_like_rtcp_are_parsed_or_refused(first, kind, length, body):
    with contextlib.suppress(BadPacket):
        rtcp.parse(bytes([first, kind, 0, length]) + body)
