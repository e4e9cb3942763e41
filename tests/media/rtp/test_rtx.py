from hypothesis import given
from hypothesis import strategies as st

from media.rtp import rtx
from media.rtp.codec import Codec
from media.rtp.packet import build, parse_header

EXTENSIONS = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=4)


@given(
    payload=st.binary(max_size=1200),
    marker=st.booleans(),
    seq=st.integers(0, 0xFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    extensions=EXTENSIONS,
    padding=st.integers(0, 255),
)
def test_what_was_wrapped_comes_back_as_it_was(payload, marker, seq, ssrc, extensions, padding):
    packet = build(
        pt=96,
        seq=seq,
        timestamp=12345,
        ssrc=ssrc,
        payload=payload,
        marker=marker,
        extensions=extensions,
    )
    if padding:
        packet = bytes([packet[0] | 0x20]) + packet[1:] + bytes(padding - 1) + bytes([padding])
    again = rtx.wrap(packet, ssrc=7, payload_type=97, sequence=99)
    header = parse_header(again)
    assert (header.ssrc, header.pt, header.seq, header.marker) == (7, 97, 99, marker)
    assert header.extensions(again) == parse_header(packet).extensions(packet)
    assert rtx.original_sequence(again, header) == seq
    assert rtx.restore(again, header, ssrc=ssrc, payload_type=96) == packet


@given(st.integers(1, 255))
def test_padding_alone_repeats_nothing(padding: int) -> None:
    packet = build(pt=97, seq=1, timestamp=1, ssrc=7, payload=bytes(padding - 1) + bytes([padding]))
    packet = bytes([packet[0] | 0x20]) + packet[1:]
    assert rtx.original_sequence(packet, parse_header(packet)) is None


def test_the_payload_type_that_is_repeated_is_in_the_parameters() -> None:
    def apt(fmtp: str, name: str = "rtx") -> int | None:
        return Codec(name, 97, 90_000, 1, fmtp).apt

    assert apt("apt=96") == apt("rtx-time=3000; apt=96") == apt("apt=96;rtx-time=200", "RTX") == 96
    assert apt("") is apt("apt=x") is apt("apt=²") is apt("apt=96", "VP8") is None
