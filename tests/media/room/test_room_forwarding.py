"""Packets through a real room: over loopback, by DTLS-SRTP, byte for byte."""

from dataclasses import replace

import pytest

from media.rtc import consent, sdp
from media.rtp import rtcp
from media.rtp.packet import parse_header
from tests.media.room.clients import but_for_type, open_room, opus, packets, run, vp8


@run
async def test_packets_arrive_as_they_were_sent_but_for_the_payload_type():
    async with open_room() as place:
        publisher = await place.joined()
        subscriber = await place.subscribe()
        sent = packets(40, ssrc=1000, pt=111) + packets(40, ssrc=2000, pt=96)
        for packet in sent:
            publisher.peer.send_rtp(packet)
        await subscriber.until(lambda: len(subscriber.rtp) >= len(sent))
        got = [but_for_type(packet) for packet in subscriber.rtp]
        assert [rest for _, rest in got] == [but_for_type(packet)[1] for packet in sent]
        assert [pt for pt, _ in got] == [100] * 40 + [101] * 40


@run
async def test_the_answer_to_a_subscriber_names_the_publishers_streams():
    async with open_room() as place:
        await place.joined()
        audio, video = (await place.subscribe()).answer.media
        assert (audio.ssrcs, video.ssrcs) == ((1000,), (2000,))
        assert (audio.direction, video.direction) == ("sendonly", "sendonly")
        assert [codec.payload_type for codec in audio.codecs + video.codecs] == [100, 101]


@run
async def test_a_stream_that_the_offer_did_not_name_is_known_by_its_payload_type():
    async with open_room() as place:
        media = (sdp.MediaSection("audio", "0", "sendonly", (opus(),)),)
        publisher = await place.joined(media=media)
        subscriber = await place.subscribe()
        publisher.peer.send_rtp(packets(1, ssrc=77, pt=111)[0])
        await subscriber.until(lambda: subscriber.rtp)
        assert parse_header(subscriber.rtp[0]).ssrc == 77
        assert (await place.subscribe()).answer.media[0].ssrcs == (77,)


@run
async def test_a_new_subscriber_makes_the_publisher_send_a_key_frame():
    async with open_room() as place:
        publisher = await place.joined()
        await place.subscribe()
        await publisher.until(lambda: publisher.of(rtcp.Pli))
        assert publisher.of(rtcp.Pli)[0].media_ssrc == 2000


@run
async def test_many_keyframe_requests_become_few():
    async with open_room() as place:
        publisher = await place.joined()
        subscribers = [await place.subscribe() for _ in range(3)]
        before = len(publisher.of(rtcp.Pli))
        for number in range(60):
            request = rtcp.pli(9, 2000) if number % 2 else rtcp.fir(9, 2000, number)
            subscribers[number % 3].peer.send_rtcp(request)
        await publisher.until(lambda: len(publisher.of(rtcp.Pli)) > before)
        # Two receiver reports later more than a second has passed since the last request.
        reports = len(publisher.of(rtcp.ReceiverReport)) + 2
        await publisher.until(lambda: len(publisher.of(rtcp.ReceiverReport)) >= reports)
        assert len(publisher.of(rtcp.Pli)) - before <= 2


@run
async def test_a_packet_that_the_room_never_got_is_asked_for_at_the_publisher_once():
    async with open_room() as place:
        publisher = await place.joined()
        one, other = await place.subscribe(), await place.subscribe()
        sent = packets(10, ssrc=2000, pt=96)
        for packet in sent[:4] + sent[5:]:
            publisher.peer.send_rtp(packet)
        await one.until(lambda: len(one.rtp) == 9)
        await other.until(lambda: len(other.rtp) == 9)
        missing = parse_header(sent[4]).seq
        for subscriber in (one, other):
            subscriber.peer.send_rtcp(rtcp.nack(9, 2000, [missing]))
        await publisher.until(lambda: publisher.of(rtcp.Nack))
        publisher.peer.send_rtp(sent[4])
        for subscriber in (one, other):
            await subscriber.until(lambda who=subscriber: len(who.rtp) == 10)
            assert but_for_type(subscriber.rtp[-1])[1] == but_for_type(sent[4])[1]
        assert [nack.sequences for nack in publisher.of(rtcp.Nack)] == [(missing,)]


@run
async def test_a_packet_lost_behind_the_room_comes_from_the_room():
    async with open_room() as place:
        publisher = await place.joined()
        subscriber = await place.subscribe()
        sent = packets(10, ssrc=2000, pt=96)
        for packet in sent:
            publisher.peer.send_rtp(packet)
        await subscriber.until(lambda: len(subscriber.rtp) == 10)
        late = await place.subscribe()  # to whom they are all lost
        wanted = [parse_header(packet).seq for packet in sent[3:6]]
        late.peer.send_rtcp(rtcp.nack(9, 2000, wanted))
        await late.until(lambda: len(late.rtp) == 3)
        assert [parse_header(packet).seq for packet in late.rtp] == wanted
        assert publisher.of(rtcp.Nack) == []


@run
async def test_sender_reports_go_on_unchanged_and_to_late_subscribers_at_once():
    async with open_room() as place:
        publisher = await place.joined()
        early = await place.subscribe()
        report = rtcp.sender_report(
            2000, unix_ns=1_700_000_000_123_456_789, rtp_time=5, packets=3, octets=99
        ) + rtcp.source_description(2000, "the publisher's clock")
        publisher.peer.send_rtcp(report)
        await early.until(lambda: early.raw_rtcp)
        late = await place.subscribe()
        await late.until(lambda: late.raw_rtcp)
        assert early.raw_rtcp == late.raw_rtcp == [report]


@run
async def test_the_publisher_is_told_what_arrived_and_that_it_may_send_plenty():
    async with open_room() as place:
        publisher = await place.joined()
        sent = packets(10, ssrc=2000, pt=96)
        for packet in sent[:4] + sent[6:]:
            publisher.peer.send_rtp(packet)

        def told():
            reports = publisher.of(rtcp.ReceiverReport)
            return publisher.of(rtcp.Remb) and reports and reports[-1].reports

        await publisher.until(told)
        (block,) = publisher.of(rtcp.ReceiverReport)[-1].reports
        assert (block.ssrc, block.lost, block.highest_seq) == (2000, 2, 65539)
        remb = publisher.of(rtcp.Remb)[-1]
        assert remb.ssrcs == (2000,)
        assert remb.bitrate == pytest.approx(5_000_000, rel=0.01)


@run
async def test_nothing_of_a_muted_track_is_forwarded_and_the_rest_is():
    async with open_room() as place:
        publisher = await place.joined()
        subscriber = await place.subscribe()
        async with place.events() as events:
            await events.next()
            status, body = await place.mute(publisher, "video", True)
            assert (status, body) == (200, {"muted": {"audio": False, "video": True}})
            told = await events.until("muted")
            assert (told["uid"], told["source"]) == ("1", "camera")
            assert (told["kind"], told["muted"]) == ("video", True)
        pictures = packets(6, ssrc=2000, pt=96)
        for packet in [*pictures[:3], *packets(3, ssrc=1000, pt=111)]:
            publisher.peer.send_rtp(packet)
        await subscriber.until(lambda: len(subscriber.rtp) == 3)
        assert {parse_header(packet).ssrc for packet in subscriber.rtp} == {1000}
        await place.mute(publisher, "video", False)
        for packet in pictures[3:]:
            publisher.peer.send_rtp(packet)
        await subscriber.until(lambda: len(subscriber.rtp) == 6)
        got = [parse_header(packet).seq for packet in subscriber.rtp[3:]]
        assert got == [parse_header(packet).seq for packet in pictures[3:]]


@run
async def test_what_was_muted_is_not_had_by_asking_again():
    async with open_room() as place:
        publisher = await place.joined()
        subscriber = await place.subscribe()
        pictures = packets(3, ssrc=2000, pt=96)
        publisher.peer.send_rtp(pictures[0])
        await subscriber.until(lambda: len(subscriber.rtp) == 1)
        await place.mute(publisher, "video", True)
        publisher.peer.send_rtp(pictures[1])
        publisher.peer.send_rtp(packets(1, ssrc=1000, pt=111)[0])
        await subscriber.until(lambda: len(subscriber.rtp) == 2)
        await place.mute(publisher, "video", False)
        asked = [parse_header(packet).seq for packet in pictures[1:]]
        subscriber.peer.send_rtcp(rtcp.nack(9, 2000, asked))
        await publisher.until(lambda: publisher.of(rtcp.Nack))
        assert publisher.of(rtcp.Nack)[0].sequences == (asked[1],)
        assert len(subscriber.rtp) == 2


@run
async def test_a_publisher_who_comes_again_replaces_itself():
    async with open_room() as place:
        first = await place.joined()
        subscriber = await place.subscribe()
        async with place.events() as events:
            await events.next()
            second = await place.publish(ssrcs=(3000, 4000))
            assert (await events.next())[0] == "left"
            name, told = await events.next()
            assert name == "joined"
            assert [track["ssrc"] for track in told["tracks"]] == [3000, 4000]
        await first.until(lambda: first.closed)
        await subscriber.until(lambda: subscriber.closed)
        again = await place.subscribe()
        second.peer.send_rtp(packets(1, ssrc=4000, pt=96)[0])
        await again.until(lambda: again.rtp)
        assert parse_header(again.rtp[0]).ssrc == 4000


@run
async def test_a_publisher_who_says_goodbye_has_left():
    async with open_room() as place:
        publisher = await place.joined()
        async with place.events() as events:
            await events.next()
            await publisher.peer.close()
            assert (await events.next())[0] == "left"


def test_a_publisher_who_vanishes_has_left(monkeypatch):
    monkeypatch.setattr(consent, "EVERY_S", 0.1)
    monkeypatch.setattr(consent, "UNANSWERED", 2)

    @run
    async def vanish():
        async with open_room() as place:
            publisher = await place.joined()
            subscriber = await place.subscribe()
            async with place.events() as events:
                await events.next()
                for link in tuple(publisher.peer._ice.links):  # its host burns down
                    link.close()
                left = await events.until("left")
            assert left["uid"] == "1"
            await subscriber.until(lambda: subscriber.closed)

    vanish()


@run
async def test_a_kind_that_the_publisher_lacks_is_inactive():
    async with open_room() as place:
        media = (sdp.MediaSection("audio", "0", "sendonly", (opus(),), {}, (1000,)),)
        publisher = await place.joined(media=media)
        subscriber = await place.subscribe()
        assert [each.direction for each in subscriber.answer.media] == ["sendonly", "inactive"]
        publisher.peer.send_rtp(packets(1, ssrc=1000, pt=111)[0])
        await subscriber.until(lambda: subscriber.rtp)


@run
async def test_camera_and_screen_of_one_uid_are_two_publishers():
    async with open_room() as place:
        await place.joined()
        await place.joined(query="?source=screen", ssrcs=(5000, 6000))
        camera = await place.subscribe()
        screen = await place.subscribe(query="?source=screen")
        assert camera.answer.media[1].ssrcs == (2000,)
        assert screen.answer.media[1].ssrcs == (6000,)


@run
async def test_packets_of_a_type_that_was_not_agreed_on_stay_out():
    async with open_room() as place:
        publisher = await place.joined()
        subscriber = await place.subscribe()
        publisher.peer.send_rtp(packets(1, ssrc=2000, pt=97)[0])
        publisher.peer.send_rtp(packets(1, ssrc=4711, pt=96)[0])
        publisher.peer.send_rtcp(b"\x80\xc8\x00\x01\x00\x00\x00\x00")
        subscriber.peer.send_rtcp(b"\x81\xcd\x00\x01\x00\x00\x00\x00")
        publisher.peer.send_rtp(packets(1, ssrc=2000, pt=96, first=1)[0])
        await subscriber.until(lambda: subscriber.rtp)
        assert [parse_header(packet).pt for packet in subscriber.rtp] == [101]


@run
async def test_an_answer_keeps_one_codec_of_those_offered_and_no_retransmission():
    async with open_room() as place:
        rtx = replace(vp8(97), name="rtx", fmtp="apt=96", feedback=())
        h264 = replace(vp8(98), name="H264", fmtp="packetization-mode=1")
        video = sdp.MediaSection("video", "1", "sendonly", (rtx, h264, vp8()), {}, (2000,))
        publisher = await place.joined(media=(video,))
        (section,) = publisher.answer.media
        assert [codec.name for codec in section.codecs] == ["H264"]
        assert section.codecs[0].feedback == ("nack", "nack pli", "ccm fir", "goog-remb")
