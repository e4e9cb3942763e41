"""A tap that answers a media server's offers; what is looked at is the tape and the feedback."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from recorder import until
from server import H264, MID, OPUS, ORIENTATION, RTX, VP8, Line, Server, Tapped, tapped

from media.capture.clock import ns_between
from media.capture.intake import SUPERSEDED_NS
from media.errors import ConnectFailed
from media.rtc import sdp
from media.rtp import packet as rtp
from media.rtp import twcc
from media.tape.model import EventType, Kind, Source

Story = Callable[[Tapped], Awaitable[None]]


@pytest.fixture
def go(tmp_path: Path) -> Callable[[Story], Tapped]:
    def run(story: Story) -> Tapped:
        async def main() -> Tapped:
            async with tapped(tmp_path) as run:
                await story(run)
            return run

        return asyncio.run(main())

    return run


def whole(run: Tapped, line: Line, count: int) -> None:
    """The last packets that a line sent are on tape as they were sent."""
    taped = {packet for track in run.tracks for packet in run.packets.get(track.id, [])}
    missing = [key for key, packet in list(line.sent.items())[-count:] if packet not in taped]
    assert not missing


async def heard(run: Tapped, server: Server, packets: int = 20) -> None:
    before = run.seen.count
    for _ in range(400):
        await server.send(1)
        if run.seen.count >= before + packets:
            return
    raise AssertionError("the tap hears nothing")


async def repaired(run: Tapped, server: Server, count: int, lost: frozenset[int]) -> None:
    await server.send(count, lose=lost)
    await asyncio.sleep(0.3)


@pytest.mark.parametrize("codecs", [(VP8,), (VP8, RTX)], ids=["plain", "rtx"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_lost_packets_come_back_as_what_they_were(go, codecs, told) -> None:
    lost = frozenset(range(20, 180, 7))

    async def story(run: Tapped) -> None:
        server = run.serve(Line("a", (OPUS,), seed=2), Line("v", codecs, told=told))
        await server.connect()
        await heard(run, server)
        await repaired(run, server, 200, lost)

    run = go(story)
    audio, video = run.server.lines
    whole(run, audio, 200)
    whole(run, video, 200)
    assert run.seen.missing == 0
    (track,) = run.of(Kind.VIDEO)
    assert [codec.key for codec in track.codecs] == ["vp8"]
    counts = run.counts(track)
    assert counts["recovered"] >= len(lost)
    assert counts["lost"] == 0
    assert counts["received"] == len(run.packets[track.id])
    assert counts["nacks"] == len(video.nacked)


def test_two_lines_of_one_codec_are_repaired_though_nobody_said_which_is_which(go) -> None:
    lost = frozenset(range(20, 150, 11))

    async def story(run: Tapped) -> None:
        server = run.serve(
            *(
                Line(mid, (VP8, RTX), seed=seed, told=False, extensions={4: MID})
                for seed, mid in enumerate(("cam", "screen"))
            )
        )
        for line in server.lines:
            line.packet_extensions = {4: line.mid.encode()}
        await server.connect(sources={"screen": Source.SCREEN})
        await heard(run, server)
        await repaired(run, server, 160, lost)

    run = go(story)
    for line, source in zip(run.server.lines, (Source.CAMERA, Source.SCREEN), strict=True):
        (track,) = run.of(Kind.VIDEO, source)
        assert track.ssrc == line.ssrc
        sent = [packet for (ssrc, _), packet in line.sent.items() if ssrc == line.ssrc]
        assert set(sent[-160:]) <= set(run.packets[track.id])
    assert run.seen.missing == 0


def test_a_fifth_lost_and_a_third_of_the_repairs_is_repaired(go) -> None:
    chance = random.Random(5)

    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (VP8, RTX)))
        server.lose = lambda: chance.random() < 1 / 3
        await server.connect()
        await heard(run, server)
        lost = frozenset(n for n in range(1, 399) if chance.random() < 0.2)
        await server.send(400, lose=lost)
        await asyncio.sleep(1.2)

    run = go(story)
    counts = run.counts(run.tracks[0])
    assert counts["recovered"] >= 60
    assert counts["lost"] <= 2  # on a busy host there is not the time for many attempts


def test_padding_in_the_stream_of_retransmissions_and_copies_of_what_came_are_not_taped(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (VP8, RTX)))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        for seq in [seq for _, seq in line.sent][-5:]:
            server.peer.send_rtp(line.again(seq))
        padding = rtp.build(
            pt=97, seq=line.rtx_seq + 1, timestamp=0, ssrc=line.rtx_ssrc, payload=bytes(9) + b"\x0a"
        )
        server.peer.send_rtp(bytes([padding[0] | 0x20]) + padding[1:])
        await server.send(30)
        await asyncio.sleep(0.1)

    run = go(story)
    (track,) = run.tracks
    sequences = run.sequences(track)
    assert len(sequences) == len(set(sequences))
    assert run.counts(track)["duplicates"] == 5


def test_packets_out_of_order_and_twice_are_on_tape_once(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        for _ in range(30):
            first, second, third = line.next(), line.next(), line.next()
            for packet in (third, first, second, first):
                server.peer.send_rtp(packet)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)

    run = go(story)
    (track,) = run.tracks
    whole(run, run.server.lines[0], 90)
    sequences = run.sequences(track)
    assert len(sequences) == len(set(sequences))
    assert run.seen.missing == 0
    counts = run.counts(track)
    assert counts["late"] + counts["recovered"] >= 60


def test_a_burst_that_is_lost_comes_back_whole(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (VP8, RTX)))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        for _ in range(600):
            line.next(same_time=True)
        await server.send(50)
        await until(lambda: len(set(line.nacked)) >= 600)
        await asyncio.sleep(0.5)

    run = go(story)
    whole(run, run.server.lines[0], 650)
    assert run.seen.missing == 0


def test_five_hundred_packets_of_one_frame_are_no_loss(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        for number in range(500):
            server.peer.send_rtp(line.next(same_time=True))
            if number % 50 == 0:
                run.drain.flush()  # how much a socket takes at once is the host's business
        await server.send(10)

    run = go(story)
    whole(run, run.server.lines[0], 510)
    assert run.seen.missing == 0


def test_who_takes_no_requests_is_not_asked(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (replace(VP8, feedback=("ccm fir",)),)))
        await server.connect()
        await heard(run, server)
        await server.send(50, lose=frozenset({20}))
        await until(lambda: run.seen.missing == 1)
        await until(lambda: len(server.lines[0].firs) >= 2)

    run = go(story)
    line = run.server.lines[0]
    assert not line.nacked
    assert line.firs == sorted(set(line.firs))  # each with a number of its own
    counts = run.counts(run.tracks[0])
    assert (counts["nacks"], counts["firs"], counts["lost"]) == (0, len(line.firs), 1)


def test_keyframes_are_asked_for_once_a_second_however_much_is_lost(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        server.deaf = True
        await server.connect()
        await heard(run, server)
        await server.send(500, lose=frozenset(range(10, 490, 10)))

    run = go(story)
    line = run.server.lines[0]
    gaps = [later - earlier for earlier, later in pairwise(line.plis)]
    assert len(line.plis) >= 2
    assert min(gaps) > 0.5  # a second, but both loops may be late
    assert run.counts(run.tracks[0])["plis"] >= len(line.plis)


def test_a_keyframe_is_asked_for_until_it_comes(go) -> None:
    """Requests get lost as everything else."""
    asked: list[int] = []

    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        (line,) = server.lines
        await server.connect()
        for _ in range(800):
            await server.send(1)
            if len(line.plis) >= 3:
                break
        server.peer.send_rtp(line.next(payload=b"\x10\x00" + bytes(80)))
        await server.send(20)
        asked.append(len(line.plis))
        end_s = time.monotonic() + 2.2
        while time.monotonic() < end_s:
            await server.send(1)
        asked.append(len(line.plis))

    go(story)
    assert asked[0] >= 3
    assert asked[1] <= asked[0] + 1  # one was under way


def test_reports_say_what_came_and_that_nobody_has_to_hold_back(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("a", (OPUS,), seed=2), Line("v", (VP8, RTX)))
        server.deaf = True
        await server.connect()
        await heard(run, server)
        await server.send(300, lose=frozenset(range(100, 110)))
        await until(lambda: all(map(right, server.lines)))

    def right(line: Line) -> bool:
        last = line.reports[-1] if line.reports else None
        return last is not None and (last.lost, last.highest_seq & 0xFFFF) == (10, line.seq)

    run = go(story)
    for line in run.server.lines:
        last = line.reports[-1]
        assert last.ssrc == line.ssrc
        assert max(block.fraction_lost for block in line.reports) > 0
        assert last.jitter < line.codec.clock_rate // 10
    assert min(run.server.lines[1].rembs) >= 49_000_000


def test_retransmissions_are_reported_on_their_own(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (VP8, RTX)))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        await server.send(100, lose=frozenset(range(20, 80, 6)))
        await until(lambda: lost(line, line.rtx_ssrc) == 0 and lost(line, line.ssrc) == 10)

    def lost(line: Line, ssrc: int) -> int | None:
        told = [block.lost for block in line.reports if block.ssrc == ssrc]
        return told[-1] if told else None

    assert go(story).seen.missing == 0


def test_a_sender_that_knows_no_other_estimate_is_told_when_its_packets_came(go) -> None:
    feedback = ("nack", "nack pli", "transport-cc")

    async def story(run: Tapped) -> None:
        extensions = {3: twcc.URI, 13: ORIENTATION}
        video = Line("v", (replace(VP8, feedback=feedback), RTX), extensions=extensions)
        server = run.serve(Line("a", (OPUS,), seed=2), video)
        await server.connect()
        for number in range(300):
            video.packet_extensions = {3: (number + 65_400 & 0xFFFF).to_bytes(2, "big")}
            packet = video.next()
            if number % 10 != 5:
                server.peer.send_rtp(packet)
            await asyncio.sleep(0.002)
        await until(lambda: told(server)[-1][0] == 65_699 & 0xFFFF)

    def told(server: Server) -> list[tuple[int, int | None]]:
        return [
            (each.base + n & 0xFFFF, at_ns)
            for each in server.arrivals
            for n, at_ns in enumerate(each.arrivals_ns)
        ]

    run = go(story)
    rows = told(run.server)
    came = {seq for seq, at_ns in rows if at_ns is not None}
    sent = {n + 65_400 & 0xFFFF for n in range(300)}
    lost = {n + 65_400 & 0xFFFF for n in range(5, 300, 10)}
    # A plain retransmission carries the number of the original, so nothing is lost for good.
    assert sent - lost <= came <= sent
    times = [at_ns for _, at_ns in rows if at_ns is not None]
    assert 0.5e9 < times[-1] - times[0] < 10e9
    assert [each.number for each in run.server.arrivals] == list(range(len(run.server.arrivals)))
    answer = run.server.answer.media[1]
    assert answer.extensions == {3: twcc.URI, 13: ORIENTATION}
    assert "transport-cc" in answer.codecs[0].feedback


def test_packets_that_nobody_wants_came_as_well(go) -> None:
    """The numbers are those of the connection: what is not told of counts as lost in the network,
    and the sender would give less to what is wanted."""

    async def story(run: Tapped) -> None:
        server = run.serve(*(line(codec, n) for n, codec in enumerate((OPUS, VP8), 2)))
        run.tap.want(frozenset({Kind.VIDEO}))
        await server.connect()
        for number in range(200):
            sending = server.lines[number % 2]
            sending.packet_extensions = {3: number.to_bytes(2, "big")}
            server.peer.send_rtp(sending.next())
            await asyncio.sleep(0.002)
        await until(lambda: server.arrivals and 199 in told(server))

    def line(codec: sdp.Codec, seed: int) -> Line:
        known = replace(codec, feedback=(*codec.feedback, "transport-cc"))
        known = replace(known, feedback=tuple(f for f in known.feedback if f != "goog-remb"))
        return Line("av"[seed % 2], (known,), extensions={3: twcc.URI}, seed=seed)

    def told(server: Server) -> dict[int, int | None]:
        return {
            each.base + n: at_ns
            for each in server.arrivals
            for n, at_ns in enumerate(each.arrivals_ns)
        }

    run = go(story)
    assert [track.kind for track in run.tracks] == [Kind.VIDEO]
    rows = told(run.server)
    assert [number for number, at_ns in sorted(rows.items()) if at_ns is None] == []
    assert set(range(10, 200)) <= rows.keys()


def test_whoever_knows_an_estimate_is_not_told_of_each_packet(go) -> None:
    async def story(run: Tapped) -> None:
        both = replace(VP8, feedback=(*VP8.feedback, "transport-cc"))
        server = run.serve(Line("v", (both,), extensions={3: twcc.URI}))
        await server.connect()
        await heard(run, server)

    answer = go(story).server.answer.media[0]
    assert answer.extensions == {}
    assert "transport-cc" not in answer.codecs[0].feedback


def test_a_track_says_which_header_extension_means_what(go) -> None:
    async def story(run: Tapped) -> None:
        video = Line("v", extensions={4: MID, 7: ORIENTATION, 9: "urn:unknown"})
        video.packet_extensions = {4: b"v", 7: b"\x01"}
        server = run.serve(video)
        await server.connect()
        await heard(run, server)

    run = go(story)
    (track,) = run.tracks
    assert track.extensions == ((4, MID), (7, ORIENTATION))
    packet = run.packets[track.id][-1]
    assert rtp.parse_header(packet).extensions(packet)[7] == b"\x01"


def test_a_line_that_is_added_later_is_recorded_and_one_that_ends_ends(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("a", (OPUS,), seed=2), Line("v"))
        await server.connect()
        await heard(run, server)
        server.lines.append(Line("s", (VP8,), seed=3))
        answer = await server.negotiate(sources={"s": Source.SCREEN})
        assert [section.direction for section in answer.media] == ["recvonly"] * 3
        await heard(run, server, 60)
        server.lines[1].direction = "inactive"
        answer = await server.negotiate(sources={"s": Source.SCREEN})
        assert [section.direction for section in answer.media] == [
            "recvonly",
            "inactive",
            "recvonly",
        ]
        await server.send(50)  # also on the line that is no more, as packets under way would be
        await heard(run, server)

    run = go(story)
    (camera,), (screen,) = (run.of(Kind.VIDEO, s) for s in (Source.CAMERA, Source.SCREEN))
    assert camera.connection == screen.connection
    assert (camera.ssrc, screen.ssrc) == tuple(line.ssrc for line in run.server.lines[1:])
    removed = [e.track for e in run.events if e.type is EventType.TRACK_REMOVED]
    assert removed[0] == camera.id
    whole(run, run.server.lines[2], 60)
    assert list(run.server.lines[1].sent.values())[-1] not in run.packets[camera.id]


def test_a_line_that_pauses_goes_on_as_a_new_track(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        await server.connect()
        await heard(run, server)
        for direction in ("inactive", "sendonly"):
            server.lines[0].direction = direction
            await server.negotiate()
        await heard(run, server)

    run = go(story)
    assert [track.ssrc for track in run.tracks] == [run.server.lines[0].ssrc] * 2


def test_an_offer_for_another_transport_is_for_another_tap(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        await server.connect()
        await heard(run, server)
        text = server.peer.describe([server.lines[0].section()]).to_sdp()
        ufrag = sdp.parse(text).ufrag
        with pytest.raises(ConnectFailed):
            await run.tap.answer(text.replace(ufrag, "other"))
        await heard(run, server)

    assert len(go(story).tracks) == 1


def clock(run: Tapped, track_id: str) -> list[tuple[int, int]]:
    return [
        (e.rtp, e.wall_ns) for e in run.events if e.type is EventType.CLOCK and e.track == track_id
    ]


def test_another_codec_under_the_same_ssrc_is_another_track_without_a_jump_in_time(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", (VP8, RTX)))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        server.report()
        await server.send(20)
        line.codecs, line.codec = (H264,), H264
        await server.negotiate()
        await heard(run, server)

    run = go(story)
    old, new = run.tracks
    assert (old.ssrc, old.codecs[0].key, new.codecs[0].key) == (new.ssrc, "vp8", "h264")
    (old_rtp, old_ns), (new_rtp, new_ns) = clock(run, old.id)[-1], clock(run, new.id)[0]
    assert abs(new_ns - old_ns - ns_between(old_rtp, new_rtp, 90_000)) < 10**6
    assert run.packets[new.id]
    assert {rtp.parse_header(packet).pt for packet in run.packets[old.id]} == {96}
    assert {rtp.parse_header(packet).pt for packet in run.packets[new.id]} == {102}


def test_a_payload_type_that_means_another_codec_from_now_on_is_another_track(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v"))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        line.codec = replace(H264, payload_type=96)
        line.codecs = (line.codec,)
        await server.negotiate()
        await heard(run, server)

    run = go(story)
    assert [track.codecs[0].key for track in run.tracks] == ["vp8", "h264"]


def test_another_codec_under_another_ssrc_is_another_track(go, monkeypatch) -> None:
    monkeypatch.setattr("media.capture.intake.SUPERSEDED_NS", SUPERSEDED_NS // 20)

    async def story(run: Tapped) -> None:
        camera = Line("v", (VP8, H264), told=False, extensions={4: MID})
        screen = Line("s", (VP8, H264), told=False, extensions={4: MID}, seed=3)
        server = run.serve(camera, screen)
        for line in server.lines:
            line.packet_extensions = {4: line.mid.encode()}
        await server.connect(sources={"s": Source.SCREEN})
        await heard(run, server, 40)
        camera.codec, camera.ssrc = H264, camera.ssrc ^ 1
        camera.seq, camera.zero = camera.seq ^ 0x4000, camera.zero ^ 0x80000000
        await server.send(400)

    run = go(story)
    old, new = run.of(Kind.VIDEO, Source.CAMERA)
    (screen,) = run.of(Kind.VIDEO, Source.SCREEN)  # is not superseded by the camera
    assert (old.ssrc, new.ssrc) == (run.server.lines[0].ssrc ^ 1, run.server.lines[0].ssrc)
    removed = [e.track for e in run.events if e.type is EventType.TRACK_REMOVED]
    assert removed[0] == old.id
    assert {rtp.parse_header(packet).pt for packet in run.packets[new.id]} == {102}
    assert len(run.packets[screen.id]) >= 400


def test_a_new_ssrc_with_a_new_rtp_clock_goes_on_at_the_right_time(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("v", told=False))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        server.report()
        await server.send(50)
        line.ssrc, line.zero, line.seq = line.ssrc ^ 1, line.zero ^ 0x80000000, 7
        await server.send(1)
        server.report()
        await server.send(50)
        await asyncio.sleep(0.3)

    run = go(story)
    before_ns = time.time_ns()
    old, new = run.tracks
    ends = []
    for track in (old, new):
        point_rtp, point_ns = clock(run, track.id)[-1]
        times = [
            point_ns + ns_between(point_rtp, h.timestamp, 90_000)
            for h in map(rtp.parse_header, run.packets[track.id])
        ]
        ends.append((times[0], times[-1]))
    # Sent 4 ms apart, or what a busy host made of it; the RTP clock jumped by hours.
    assert -100_000_000 < ends[1][0] - ends[0][1] < 500_000_000
    assert ends[1][1] < before_ns


def test_empty_packets_and_comfort_noise_do_no_harm(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("a", (OPUS,), seed=2))
        line = server.lines[0]
        await server.connect()
        await heard(run, server)
        for number in range(60):
            if number % 3 == 0:
                server.peer.send_rtp(line.next(payload=b""))
            elif number % 3 == 1:
                noise = line.next(payload=b"\x40")
                server.peer.send_rtp(rtp.with_payload_type(noise, 13))
            else:
                server.peer.send_rtp(line.next())
            await asyncio.sleep(0.002)
        await server.send(20)

    run = go(story)
    assert len(run.tracks) == 1
    assert run.seen.missing == 0
    sequences = run.sequences(run.tracks[0])
    assert len(sequences) >= 80
    assert {b - a & 0xFFFF for a, b in pairwise(sequences)} == {1}


def test_a_tally_is_told_at_the_end_of_each_track(go) -> None:
    async def story(run: Tapped) -> None:
        server = run.serve(Line("a", (OPUS,), seed=2), Line("v"))
        await server.connect()
        await heard(run, server)

    run = go(story)
    for track in run.tracks:
        counts = run.counts(track)
        assert counts["received"] == len(run.packets[track.id])
        assert list(counts) == sorted(counts)
    assert run.seen.count == sum(len(packets) for packets in run.packets.values())
