import asyncio
import random
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media.rtc import sdp
from media.rtp.codec import Codec

SAMPLES = Path(__file__).parent / "samples"
PUBLISH = (SAMPLES / "chromium_publish.sdp").read_text()
RECEIVE = (SAMPLES / "chromium_receive_mdns.sdp").read_text()

AV1 = Codec("AV1", 45, 90000, feedback=("nack", "nack pli"), fmtp="level-idx=5;profile=0;tier=0")
VP9 = Codec("VP9", 98, 90000, fmtp="profile-id=0")
OPUS = Codec("opus", 111, 48000, 2, "minptime=10;useinbandfec=1", ("nack",))
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"


def describe(kind: str, *media: sdp.MediaSection, setup: str = "actpass") -> sdp.Description:
    return sdp.Description(
        kind,
        media,
        "abcd",
        "0123456789abcdefghijkl",
        (sdp.Fingerprint("sha-256", ":".join(["AB"] * 32)),),
        setup,
        (sdp.Candidate("1", 1, "udp", 2130706431, "127.0.0.1", 5004, "host"),),
    )


def test_an_offer_of_chromium_says_what_it_sends():
    offer = sdp.parse(PUBLISH)
    assert (offer.type, offer.setup, offer.ufrag) == ("offer", "actpass", "aGtR")
    assert [each.algorithm for each in offer.fingerprints] == ["sha-256"]
    audio, video = offer.media
    assert (audio.kind, audio.mid, video.kind, video.mid) == ("audio", "0", "video", "1")
    assert audio.codecs[0] == Codec(
        "opus", 111, 48000, 2, "minptime=10;useinbandfec=1", ("transport-cc",)
    )
    assert audio.ssrcs == (1261282431,)
    assert (video.ssrcs, video.repair_ssrcs) == ((1405450101,), (3642867762,))
    assert audio.extensions[1] == LEVEL
    assert audio.cname == "H8g7vNusuzTxCF0s"
    assert video.label.startswith("92a7f154-249f-4d27-9ef4-b2e40d0a0244 ")


def test_all_codecs_of_chromium_are_read_even_those_nobody_here_decodes():
    names = {codec.key for codec in sdp.parse(PUBLISH).media[1].codecs}
    assert {"vp8", "vp9", "av1", "h264", "rtx", "red", "ulpfec"} <= names


def test_only_udp_candidates_with_an_address_are_usable():
    candidates = sdp.parse(PUBLISH).candidates
    assert {(each.host, each.transport) for each in candidates if each.usable} == {
        ("127.0.0.1", "udp"),
        ("192.0.2.10", "udp"),
        ("::1", "udp"),
        ("2001:db8::10", "udp"),
    }
    assert [each.usable for each in sdp.parse(RECEIVE).candidates] == [False]


def test_an_answer_takes_what_is_common_under_the_numbers_of_the_offer():
    audio, video = sdp.parse(PUBLISH).media
    answer = video.answer(codecs={"vp8", "av1"}, ssrcs=(7,), label="a b")
    assert [(codec.key, codec.payload_type) for codec in answer.codecs] == [
        (codec.key, codec.payload_type) for codec in video.codecs if codec.key in ("vp8", "av1")
    ]
    assert answer.ssrcs == (7,)
    assert all("transport-cc" not in codec.feedback for codec in answer.codecs)
    assert audio.answer(codecs={"opus"}, extensions={LEVEL}).extensions == {1: LEVEL}


def test_retransmissions_are_answered_for_the_codecs_that_are():
    video = sdp.parse(PUBLISH).media[1]
    assert video.repairs == ((1405450101, 3642867762),)
    answer = video.answer(codecs={"vp8", "av1", "rtx"})
    assert [(codec.key, codec.apt) for codec in answer.codecs] == [
        ("vp8", None),
        ("rtx", 96),
        ("av1", None),
        ("rtx", 45),
    ]
    assert video.answer(codecs={"rtx"}).rejected


def test_which_stream_repairs_which_is_printed_and_read_back():
    section = sdp.MediaSection(
        "video", "v", "sendonly", (VP9,), ssrcs=(1,), repair_ssrcs=(2,), repairs=((1, 2),)
    )
    text = describe("offer", section).to_sdp()
    assert "a=ssrc-group:FID 1 2\r\n" in text
    (read,) = sdp.parse(text).media
    assert (read.ssrcs, read.repair_ssrcs, read.repairs) == ((1,), (2,), ((1, 2),))


def test_an_answer_looks_the_other_way():
    (audio, _) = sdp.parse(RECEIVE).media
    assert audio.direction == "recvonly"
    assert audio.answer(codecs={"opus"}).direction == "sendonly"


def test_a_section_without_a_common_codec_is_rejected_and_keeps_its_place():
    offer = sdp.parse(PUBLISH)
    sections = [section.answer(codecs={"opus"}) for section in offer.media]
    text = describe("answer", *sections, setup="active").to_sdp()
    assert "a=group:BUNDLE 0\r\n" in text
    assert "m=video 0 UDP/TLS/RTP/SAVPF 96 " in text
    read = sdp.parse(text)
    assert [section.rejected for section in read.media] == [False, True]
    assert read.type == "answer"


def test_a_data_channel_is_rejected_in_its_own_words():
    channel = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n"
    offer = sdp.parse(PUBLISH + channel)
    text = describe("answer", *(each.answer(codecs={"opus", "vp8"}) for each in offer.media))
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in text.to_sdp()


def test_a_bundle_only_section_of_an_offer_is_not_a_rejected_one():
    offer = sdp.parse(PUBLISH.replace("m=video 37588", "m=video 0"))
    assert not offer.media[1].rejected


def test_what_is_printed_is_read_back():
    section = sdp.MediaSection(
        "video", "v", "sendonly", (AV1, VP9), {3: "urn:x"}, (1, 2), "stream track", "name"
    )
    offer = describe("offer", section, sdp.MediaSection("audio", "a", codecs=(OPUS,)))
    read = sdp.parse(offer.to_sdp())
    assert (read.ufrag, read.pwd, read.fingerprints) == (offer.ufrag, offer.pwd, offer.fingerprints)
    assert read.candidates == offer.candidates
    assert read.end_of_candidates
    assert read.media[0].codecs == (AV1, VP9)
    assert (read.media[0].ssrcs, read.media[0].label) == ((1, 2), "stream track")
    assert (read.media[0].extensions, read.media[0].cname) == ({3: "urn:x"}, "name")
    assert read.media[1].codecs == (OPUS,)


def test_everything_is_bundled_and_multiplexed():
    text = describe("offer", sdp.MediaSection("audio", "0", codecs=(OPUS,))).to_sdp()
    for line in ("a=group:BUNDLE 0", "a=rtcp-mux", "a=setup:actpass", "a=end-of-candidates"):
        assert f"{line}\r\n" in text
    SessionDescription.parse(text)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "v=0",
        "hello",
        PUBLISH.replace("a=ice-pwd", "a=x"),
        PUBLISH.replace("a=ice-ufrag:aGtR", "a=ice-ufrag:" + "x" * 300),
        PUBLISH.replace("a=fingerprint", "a=x"),
        PUBLISH.replace("a=setup:actpass", "a=setup:holdconn"),
        PUBLISH.replace("a=setup:actpass\n", ""),
        PUBLISH.replace("SAVPF 111 ", "SAVPF 300 "),
        PUBLISH.replace("a=ssrc:1261282431", "a=ssrc:99999999999"),
        PUBLISH.replace("a=extmap:1 ", "a=extmap:one "),
        PUBLISH.replace("opus/48000/2", "opus/-1/2"),
        PUBLISH.replace("opus/48000/2", "opus"),
        PUBLISH + "a=x\r\n" * 200_000,
    ],
)
def test_a_description_that_cannot_be_used_is_refused(broken):
    with pytest.raises(sdp.BadDescription):
        sdp.parse(broken)


@given(st.randoms(use_true_random=False))
def test_damaged_descriptions_are_read_or_refused_but_nothing_else(rng: random.Random):
    lines = rng.choice((PUBLISH, RECEIVE)).splitlines()
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        line = lines[at]
        cut = rng.randrange(len(line) + 1)
        lines[at] = rng.choice(
            (
                line[:cut],
                line[cut:],
                line[:cut]
                + rng.choice(("", " ", ":", "/", "-1", "\0", "é", "9" * 30))
                + line[cut:],
            )
        )
    try:
        read = sdp.parse("\r\n".join(lines))
    except sdp.BadDescription:
        return
    describe("answer", *(each.answer(codecs={"opus", "vp8"}) for each in read.media)).to_sdp()


def test_aiortc_takes_our_offer_with_codecs_it_does_not_know():
    offer = describe(
        "offer",
        sdp.MediaSection("audio", "0", "recvonly", (OPUS,)),
        sdp.MediaSection(
            "video", "1", "recvonly", (AV1, VP9, Codec("VP8", 96, 90000, feedback=("nack",)))
        ),
    )

    async def answer() -> str:
        connection = RTCPeerConnection()
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer.to_sdp(), "offer"))
            for transceiver in connection.getTransceivers():
                transceiver.direction = "sendonly"
            return (await connection.createAnswer()).sdp
        finally:
            await connection.close()

    assert "VP8/90000" in asyncio.run(answer())
