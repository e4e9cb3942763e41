"""The pure decisions of forwarding."""

from media.room.forward import History, KeyframeRequests, LossRequests, Outlets, reports
from media.room.reception import Reception
from media.rtp import rtcp
from media.rtp.packet import build, parse_header

MS = 1_000_000


def sr(ssrc):
    return rtcp.sender_report(ssrc, unix_ns=10**18, rtp_time=1, packets=1, octets=1)


def test_packets_of_the_same_type_are_not_copied():
    got = []
    outlets = Outlets(96)
    outlets.add(96, got.append)
    outlets.add(100, got.append)
    packet = build(pt=96, seq=1, timestamp=2, ssrc=3, payload=b"x", marker=True)
    outlets.send(packet)
    assert got[0] is packet
    header = parse_header(got[1])
    assert (header.pt, header.marker, header.seq) == (100, True, 1)


def test_a_removed_outlet_gets_nothing():
    got = []
    outlets = Outlets(96)
    outlets.add(100, got.append)
    outlets.remove(100, got.append)
    outlets.remove(100, got.append)
    outlets.send(b"\x80\x60")
    assert got == []
    assert not outlets


def test_sender_reports_are_taken_out_of_a_compound_with_their_descriptions():
    noise = rtcp.receiver_report(9) + rtcp.remb(9, 1000, [1]) + rtcp.bye([1])
    audio = sr(1) + rtcp.source_description(1, "a")
    assert list(reports(noise + audio + noise + sr(2))) == [(1, audio), (2, sr(2))]
    assert list(reports(rtcp.source_description(1, "a"))) == []
    assert list(reports(audio[:-4])) == [(1, sr(1))]
    assert list(reports(b"\x80\xc8\x00\x00")) == []


def test_history_knows_what_it_has_what_it_withheld_and_what_it_never_had():
    history = History(4)
    history.keep(65535, b"a")
    history.withhold(0)
    assert (history.find(65535), history.find(0), history.find(1)) == (b"a", b"", None)
    history.keep(3, b"b")  # the place of 65535
    assert history.find(65535) is None
    assert History(4).find(0) is None


def test_a_lost_packet_is_asked_for_again_only_after_a_while():
    losses = LossRequests(pause_ns=20 * MS)
    assert losses.due([1, 2], 0) == [1, 2]
    assert losses.due([2, 3], 10 * MS) == [3]
    assert losses.due([1, 2, 3], 20 * MS) == [1, 2]


def test_the_memory_of_lost_packets_is_bounded():
    losses = LossRequests(remembered=10)
    for sequence in range(100):
        losses.due([sequence], 0)
    assert len(losses._asked_ns) == 10


def test_keyframe_requests_are_put_off_but_not_forgotten():
    requests = KeyframeRequests(interval_ns=500 * MS)
    assert requests.wait_ns(0) == 0
    assert requests.wait_ns(100 * MS) == 400 * MS
    assert requests.wait_ns(200 * MS) is None
    assert requests.wait_ns(600 * MS) == 400 * MS
    assert requests.wait_ns(5000 * MS) == 0


def received(reception, sequences, *, every_ns=20 * MS, ticks=960):
    for n, sequence in enumerate(sequences):
        reception.count(sequence & 0xFFFF, n * ticks, 10**18 + n * every_ns)


def test_losses_are_counted_over_the_wrap_and_reported_as_a_fraction_once():
    reception = Reception(7, 48000)
    assert reception.block(0) is None
    received(reception, [*range(65530, 65540), *range(65550, 65560)])
    block = reception.block(10**18)
    assert (block.lost, block.highest_seq, block.fraction_lost) == (10, 65559, 85)
    assert block.jitter == 0
    assert reception.block(10**18).fraction_lost == 0


def test_late_packets_are_no_losses_and_a_restart_begins_anew():
    reception = Reception(7, 48000)
    received(reception, [1, 2, 4, 3, 5])
    assert reception.block(0).lost == 0
    received(reception, [30000, 30001])
    block = reception.block(0)
    assert (block.lost, block.highest_seq) == (0, 30001)


def test_the_delay_since_a_sender_report_lets_the_publisher_measure_the_round_trip():
    reception = Reception(1, 48000)
    received(reception, [1])
    (report,) = rtcp.parse(sr(1))
    reception.reported(report, 5 * 10**9)
    block = reception.block(5 * 10**9 + 500 * MS)
    assert block.last_sr == report.ntp >> 16 & 0xFFFFFFFF
    assert block.delay_since_sr == 32768
