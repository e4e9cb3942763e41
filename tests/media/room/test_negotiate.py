"""Answers to offers."""

from dataclasses import replace

import pytest

from media.room.errors import NothingInCommon
from media.room.negotiate import EXTENSIONS, MID, Sent, give, take
from media.rtc.sdp import Description, Fingerprint, MediaSection, parse
from media.rtp.codec import Codec
from media.tape.model import Kind

LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
OPUS = Codec("opus", 111, 48000, 2)
VP8 = Codec("VP8", 96, 90000, feedback=("nack", "nack pli", "transport-cc", "goog-remb"))
H264 = Codec("H264", 102, 90000, fmtp="packetization-mode=1;profile-level-id=42e01f")


def offer(*media):
    return Description("offer", media, "u", "p", (), "actpass")


def video(*codecs, direction="recvonly", **more):
    return MediaSection("video", "0", direction, codecs, **more)


def test_the_first_codec_of_the_offer_that_we_know_is_taken():
    rtx, red = Codec("rtx", 97, 90000, fmtp="apt=96"), Codec("red", 98, 90000)
    (section,), (track,) = take(offer(video(rtx, red, H264, VP8, direction="sendrecv")))
    assert section.codecs == (H264,)
    assert section.direction == "recvonly"
    assert (track.kind, track.codec, track.ssrc) == (Kind.VIDEO, H264, None)


def test_feedback_and_extensions_that_we_do_not_understand_are_not_agreed_on():
    extensions = {1: LEVEL, 2: TIME, 3: TWCC, 4: MID}
    (section,), _ = take(offer(video(VP8, direction="sendonly", extensions=extensions)))
    assert section.codecs[0].feedback == ("nack", "nack pli", "goog-remb")
    assert set(section.extensions.values()) == {LEVEL, TIME, MID} <= EXTENSIONS


@pytest.mark.parametrize("name", ["PCMU", "PCMA", "G722"])
def test_telephone_codecs_are_taken_and_given(name):
    codec = Codec(name, 9, 8000)
    sending = MediaSection("audio", "0", "sendonly", (codec,), ssrcs=(1,))
    (section,), (track,) = take(offer(sending))
    assert section.codecs == (codec,)
    wanting = MediaSection("audio", "0", "recvonly", (OPUS, replace(codec, payload_type=100)))
    (given,), wanted = give(offer(wanting), {Kind.AUDIO: track}, stream="s")
    assert [each.key for each in given.codecs] == [name.lower()]
    assert wanted == {Kind.AUDIO: 100}


def test_only_one_track_of_a_kind_is_taken():
    second = replace(video(VP8, direction="sendonly", ssrcs=(2,)), mid="1")
    sections, tracks = take(offer(video(VP8, direction="sendonly", ssrcs=(1,)), second))
    assert [section.rejected for section in sections] == [False, True]
    assert [track.ssrc for track in tracks] == [1]


@pytest.mark.parametrize(
    "section",
    [
        video(VP8, direction="recvonly"),
        video(Codec("H265", 99, 90000), direction="sendonly"),
        MediaSection("audio", "0", "sendonly", (Codec("CN", 13, 8000),)),
        MediaSection("application", "0", formats=("webrtc-datachannel",)),
    ],
)
def test_an_offer_that_sends_nothing_we_know_is_refused(section):
    with pytest.raises(NothingInCommon):
        take(offer(section))


def test_a_subscriber_keeps_its_own_payload_type():
    sent = {Kind.VIDEO: Sent(Kind.VIDEO, VP8, 5, "name")}
    wanted = replace(VP8, payload_type=120)
    (section,), types = give(offer(video(H264, wanted)), sent, stream="s")
    assert types == {Kind.VIDEO: 120}
    assert (section.direction, section.ssrcs, section.cname) == ("sendonly", (5,), "name")
    assert section.codecs[0].feedback == ("nack", "nack pli")


def test_of_several_h264_the_most_like_one_is_chosen():
    def h264(pt, fmtp):
        return Codec("H264", pt, 90000, fmtp=fmtp)

    offered = [
        h264(1, "packetization-mode=0;profile-level-id=42e01f"),
        h264(2, "packetization-mode=1;profile-level-id=64001f"),
        h264(3, "level-asymmetry-allowed=1;profile-level-id=42E034;packetization-mode=1"),
    ]
    sent = {Kind.VIDEO: Sent(Kind.VIDEO, H264, 5)}
    assert give(offer(video(*offered)), sent, stream="s")[1] == {Kind.VIDEO: 3}
    assert give(offer(video(*offered[:2])), sent, stream="s")[1] == {Kind.VIDEO: 2}
    assert give(offer(video(*offered[:1])), sent, stream="s")[1] == {Kind.VIDEO: 1}


def test_a_subscriber_hears_of_parameter_sets_that_the_publisher_says_in_its_offer_only():
    sets = ";sprop-parameter-sets=Z0LAH9kAUAW7ARAAAAMAEAAAAwPA8YMkgA==,aMuMsg=="
    sent = {Kind.VIDEO: Sent(Kind.VIDEO, replace(H264, fmtp=H264.fmtp + sets), 5)}
    asked = replace(H264, payload_type=120)
    (section,), _ = give(offer(video(asked)), sent, stream="s")
    print_ = Fingerprint("sha-256", ":".join(["AB"] * 32))
    answer = Description("answer", (section,), "abcd", "p" * 22, (print_,), "active")
    (heard,) = parse(answer.to_sdp()).media
    assert sets.lstrip(";") in heard.codecs[0].fmtp
    assert H264.fmtp in heard.codecs[0].fmtp


def test_what_the_publisher_lacks_or_the_subscriber_cannot_read_is_inactive():
    audio = MediaSection("audio", "1", "recvonly", (OPUS,))
    sections, types = give(
        offer(video(H264), audio), {Kind.VIDEO: Sent(Kind.VIDEO, VP8, 5)}, stream="s"
    )
    assert [section.direction for section in sections] == ["inactive", "inactive"]
    assert not any(section.rejected for section in sections)
    assert types == {}


def test_extensions_go_on_only_under_the_same_number_and_never_the_mid():
    sent = {
        Kind.VIDEO: Sent(Kind.VIDEO, VP8, 5, extensions={1: LEVEL, 2: TIME, 4: MID}),
    }
    section = video(VP8, extensions={1: LEVEL, 3: TIME, 4: MID})
    (answer,), _ = give(offer(section), sent, stream="s")
    assert answer.extensions == {1: LEVEL}
