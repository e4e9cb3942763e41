import asyncio
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from taping import (
    AUDIO,
    FAR,
    H264,
    MS,
    NS,
    OPUS,
    STEP,
    T0,
    VIDEO,
    VP8,
    adds,
    audio,
    clock,
    gives,
    opus,
    recorded,
    rotates,
    tape,
    tells,
    texts,
    track,
    vp8,
)

from media.rtp.packet import build
from media.tape import shelf
from media.tape.model import EventType, Source, TapeEvent
from media.tape.reader import Tape


def audio_frames(numbers):
    return recorded([adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(numbers)])


def test_opus_frames_come_out_with_their_time():
    frames = audio_frames(range(100)).frames(T0, FAR)[AUDIO.id]
    assert texts(frames) == [f"opus {n}" for n in range(100)]
    assert [frame.time_ns for frame in frames] == [T0 + n * STEP for n in range(100)]
    assert [frame.rtp_time for frame in frames] == [n * 960 for n in range(100)]
    assert all(frame.intact and frame.keyframe for frame in frames)
    assert frames[0].track == AUDIO
    assert frames[0].codec == AUDIO.codecs[0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.sampled_from((0, 1, 30_000, 65_500, 65_535)),
    size=st.integers(1, 120),
)
def test_packets_late_lost_and_doubled_come_out_in_order_and_once(seed, start, size):
    dice = random.Random(seed)
    sent = range(start, start + size)
    kept = [n for n in sent if dice.random() > 0.1] or [start]
    arrivals = []
    for n in kept:
        for _ in range(1 + (dice.random() < 0.1)):
            late = 400 * MS * (dice.random() < 0.2)
            arrivals.append((T0 + (n - start) * STEP + int(dice.random() * 30 * MS) + late, n))
    arrivals.sort()
    acts = [adds(AUDIO), tells(clock(AUDIO, start * 960, T0))]
    acts += [gives(AUDIO, opus(n), at) for at, n in arrivals]
    frames = recorded(acts).frames(T0, FAR)[AUDIO.id]
    assert texts(frames) == [f"opus {n}" for n in kept]
    assert [frame.time_ns for frame in frames] == [T0 + (n - start) * STEP for n in kept]
    follows = [n - 1 in kept for n in kept]
    assert [frame.intact for frame in frames[1:]] == follows[1:]


def test_rtp_time_goes_on_where_the_timestamp_wraps():
    stamps = [(1 << 32) - 960 * 3 + n * 960 for n in range(6)]
    acts = [adds(AUDIO), tells(clock(AUDIO, stamps[0], T0))]
    acts += [
        gives(AUDIO, opus(n, timestamp=stamp), T0 + n * STEP) for n, stamp in enumerate(stamps)
    ]
    frames = recorded(acts).frames(T0, FAR)[AUDIO.id]
    assert [b.rtp_time - a.rtp_time for a, b in itertools.pairwise(frames)] == [960] * 5
    assert [frame.time_ns for frame in frames] == [T0 + n * STEP for n in range(6)]


def video_acts(*, lost=()):
    """Ten pictures of three packets, 100 ms apart; the first and the sixth are key frames."""
    acts = [adds(VIDEO), tells(clock(VIDEO, 0, T0))]
    for i in range(10):
        for j in range(3):
            if (i, j) not in lost:
                packet = vp8(
                    3 * i + j,
                    9000 * i,
                    first=j == 0,
                    last=j == 2,
                    key=i % 5 == 0,
                    body=b"%d.%d" % (i, j),
                )
                acts.append(gives(VIDEO, packet, T0 + i * 100 * MS + j * MS))
    return acts


def pictures(frames):
    return [(frame.time_ns - T0) // (100 * MS) for frame in frames]


def test_pictures_are_put_together():
    frames = recorded(video_acts()).frames(T0, FAR)[VIDEO.id]
    assert pictures(frames) == list(range(10))
    assert frames[1].data == b"\x011.01.11.2"
    assert [frame.keyframe for frame in frames] == [True, *[False] * 4] * 2
    assert (frames[5].width, frames[5].height) == (640, 360)
    assert all(frame.intact for frame in frames)


@pytest.mark.parametrize("piece", [0, 1, 2])
def test_a_picture_with_a_hole_is_left_out_and_the_next_one_knows(piece):
    frames = recorded(video_acts(lost={(3, piece)})).frames(T0, FAR)[VIDEO.id]
    assert pictures(frames) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert [frame.intact for frame in frames] == [True] * 3 + [False] + [True] * 5


def test_a_picture_that_is_wholly_lost_leaves_a_trace():
    frames = recorded(video_acts(lost={(3, 0), (3, 1), (3, 2)})).frames(T0, FAR)[VIDEO.id]
    assert pictures(frames) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert not frames[3].intact


def test_padding_between_pictures_is_not_a_hole():
    empty = build(pt=96, seq=2, timestamp=0, ssrc=6, payload=b"\x00\x00\x00\x04")
    padding = bytes([empty[0] | 0x20]) + empty[1:]
    acts = [adds(VIDEO), tells(clock(VIDEO, 0, T0))]
    acts += [
        gives(VIDEO, packet, T0 + i * MS)
        for i, packet in enumerate(
            [
                vp8(0, 0, key=True, last=False),
                vp8(1, 0, first=False),
                padding,
                vp8(3, 900),
            ]
        )
    ]
    frames = recorded(acts).frames(T0, FAR)[VIDEO.id]
    assert [frame.intact for frame in frames] == [True, True]


def test_what_comes_later_than_one_waits_does_not_count():
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio([n for n in range(200) if n != 49])]
    acts.append(gives(AUDIO, opus(49), T0 + 3 * NS))
    one = recorded(acts)
    assert len(one.frames(T0, T0 + NS)[AUDIO.id]) == 49
    assert len(one.frames(T0, T0 + NS, late_ns=3 * NS)[AUDIO.id]) == 50


def scene(dice):
    """Ten seconds of sound and pictures over a bad network, in the order of arrival."""
    given = [
        (T0 + n * STEP, gives, AUDIO, opus(n + 65_300, timestamp=n * 960 + 2**32 - 48_000))
        for n in range(500)
    ]
    number = 0
    for i in range(40):
        if 15 <= i < 25:
            continue  # a pause
        at = T0 + i * 250 * MS
        for j in range(1 + i % 4):
            last = j == i % 4
            packet = vp8(
                number, i * 22_500, first=j == 0, last=last, key=i % 13 == 0, body=b"%d" % j
            )
            given.append((at, gives, VIDEO, packet))
            number += 1
    given = [
        (at + int(dice.random() * 40 * MS) + 300 * MS * (dice.random() < 0.05), *rest)
        for at, *rest in given
        if dice.random() > 0.03
    ]
    drift = 0
    for second in range(1, 10):
        drift += dice.randint(-5, 5) * MS
        at = T0 + second * NS + dice.randint(0, 400) * MS
        for one, rate, base in ((AUDIO, 48_000, 2**32 - 48_000), (VIDEO, 90_000, 0)):
            point = clock(one, base + second * rate, T0 + second * NS + drift, at)
            given.append((at, tells, point))
    given.sort(key=lambda row: row[0])
    return given


def acts_of(given, rotations):
    acts, rotations = [adds(AUDIO), adds(VIDEO)], sorted(rotations)
    for at, act, *args in given:
        while rotations and rotations[0] <= at:
            acts.append(rotates(rotations.pop(0)))
        acts.append(act(*args, at) if act is gives else act(*args))
    return acts


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 10 * NS), max_size=12, unique=True),
    ranges=st.lists(st.tuples(st.integers(-NS, 10 * NS), st.integers(1, 4 * NS)), max_size=6),
    with_points=st.booleans(),
)
def test_frames_depend_neither_on_parts_nor_on_the_range(seed, cuts, ranges, with_points):
    given_ = scene(random.Random(seed))
    if not with_points:
        given_ = [row for row in given_ if row[1] is gives]
    whole = recorded(acts_of(given_, [])).frames(T0 - NS, FAR)
    split = recorded(acts_of(given_, [T0 + cut for cut in cuts]))
    assert split.frames(T0 - NS, FAR) == whole
    for start, size in ranges:
        from_ns, until_ns = T0 + start, T0 + start + size
        expected = {
            id_: [frame for frame in frames if from_ns <= frame.time_ns < until_ns]
            for id_, frames in whole.items()
        }
        assert split.frames(from_ns, until_ns) == {k: v for k, v in expected.items() if v}


def test_the_first_picture_of_a_range_knows_its_predecessor_from_parts_long_before():
    acts = [adds(VIDEO), tells(clock(VIDEO, 0, T0)), gives(VIDEO, vp8(1, 0, key=True), T0)]
    acts += [rotates(T0 + n * NS) for n in range(1, 60)]
    acts.append(gives(VIDEO, vp8(2, 5_400_000), T0 + 60 * NS))
    acts += [rotates(T0 + n * NS) for n in range(61, 120)]
    acts.append(gives(VIDEO, vp8(4, 10_800_000), T0 + 120 * NS))
    one = recorded(acts)
    for second, intact in ((60, True), (120, False)):
        (frame,) = one.frames(T0 + second * NS, T0 + (second + 1) * NS)[VIDEO.id]
        assert frame.intact is intact


def test_a_track_that_begins_with_a_difference_picture_is_not_intact():
    acts = [adds(VIDEO), tells(clock(VIDEO, 0, T0)), gives(VIDEO, vp8(1, 0), T0)]
    (frame,) = recorded(acts).frames(T0, FAR)[VIDEO.id]
    assert not frame.intact


def test_only_the_tracks_asked_for_are_delivered():
    acts = [*video_acts(), adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(range(10))]
    one = recorded(acts)
    assert one.frames(T0, FAR).keys() == {AUDIO.id, VIDEO.id}
    assert one.frames(T0, FAR, tracks=lambda track: track.kind == "audio").keys() == {AUDIO.id}
    assert one.frames(T0 + 100 * NS, FAR) == {}


def test_the_last_key_frame_is_found_however_long_ago():
    acts = video_acts() + [rotates(T0 + n * 10 * NS) for n in range(1, 20)]
    one = recorded(acts)
    sixth = T0 + 500 * MS
    assert one.keyframe_before(VIDEO.id, FAR) == sixth
    assert one.keyframe_before(("7", Source.CAMERA), T0 + 150 * NS) == sixth
    assert one.keyframe_before(VIDEO.id, sixth) == sixth
    assert one.keyframe_before(VIDEO.id, sixth - 1) == T0
    assert one.keyframe_before(VIDEO.id, T0 - 1) is None
    assert one.keyframe_before(VIDEO.id, FAR, since_ns=sixth) == sixth
    assert one.keyframe_before(VIDEO.id, FAR, since_ns=sixth + 1) is None
    assert one.keyframe_before("9.9", FAR) is None
    assert one.keyframe_before(("7", Source.SCREEN), FAR) is None


def test_a_broken_key_frame_is_not_found():
    one = recorded(video_acts(lost={(5, 1)}))
    assert one.keyframe_before(VIDEO.id, FAR) == T0


def test_trimming_deletes_whole_parts_and_changes_nothing_after_them():
    given_ = scene(random.Random(3))
    one = recorded(acts_of(given_, [T0 + n * NS for n in range(1, 10)]))
    before = one.frames(T0 + 7 * NS, T0 + 8 * NS)
    assert one.trim(T0 + 4 * NS) == [f"0001-00000{n}" for n in range(1, 5)]
    assert one.trim(T0 + 4 * NS) == []
    assert [part.number for part in one.manifests()] == list(range(5, 11))
    assert one.frames(T0 + 7 * NS, T0 + 8 * NS) == before
    assert len(one.roster(T0 + 6 * NS).tracks) == 2


def test_a_tape_may_grow_while_it_is_read(tmp_path):
    from media.tape.writer import TapeWriter

    async def run():
        one, sealed = Tape(tmp_path / "tape"), asyncio.Event()
        loop = asyncio.get_running_loop()
        writer = TapeWriter(
            tmp_path / "tape",
            fence=1,
            first_number=1,
            on_sealed=lambda _: loop.call_soon_threadsafe(sealed.set),
        )
        assert (one.manifests(), one.covered_until_ns()) == ([], 0)
        assert one.frames(T0, FAR) == {}
        writer.add_track(AUDIO, T0)
        writer.event(clock(AUDIO, 0, T0))
        writer.rtp(AUDIO.id, opus(0), T0)
        writer.rotate(T0 + 10 * MS)
        await sealed.wait()
        assert one.covered_until_ns() == T0 + 10 * MS
        assert len(one.frames(T0, FAR)[AUDIO.id]) == 1
        writer.rtp(AUDIO.id, opus(1), T0 + STEP)
        await writer.close(T0 + NS)
        assert one.covered_until_ns() == T0 + NS
        assert len(one.frames(T0, FAR)[AUDIO.id]) == 2

    asyncio.run(run())


def test_events_are_told_once():
    events = [
        TapeEvent(EventType.JOINED, T0, uid="7"),
        TapeEvent(EventType.MUTED, T0 + 3 * NS, uid="7", source=Source.MICROPHONE),
        TapeEvent(EventType.UNMUTED, T0 + 6 * NS, uid="7", source=Source.MICROPHONE),
        TapeEvent(EventType.LEFT, T0 + 9 * NS, uid="7"),
    ]
    acts = []
    for second in range(12):
        acts += [tells(event) for event in events if event.at_ns == T0 + second * NS]
        acts.append(rotates(T0 + second * NS + 1))
    one = recorded(acts)
    assert one.events(T0, FAR) == events
    assert one.events(T0 + NS, T0 + 6 * NS) == events[1:2]


@settings(max_examples=150, deadline=None)
@given(
    codec=st.sampled_from((OPUS, VP8, H264)),
    noise=st.lists(
        st.tuples(st.binary(max_size=40), st.booleans(), st.integers(0, 3)), max_size=12
    ),
)
def test_whatever_arrives_the_reader_stands(codec, noise):
    one = track("1.1", "7", codec)
    acts = [adds(one), tells(clock(one, 0, T0))]
    for i, (content, wrapped, step) in enumerate(noise):
        packet = content
        if wrapped:
            packet = build(
                pt=codec.payload_type,
                seq=i * step,
                timestamp=i // 2,
                ssrc=5,
                payload=content,
                marker=i % 2 == 1,
            )
        acts.append(gives(one, packet, T0 + i * MS))
    frames = recorded(acts).frames(T0, FAR).get(one.id, [])
    assert len(frames) <= len(noise)
    assert all(frame.data for frame in frames)


def test_a_damaged_part_costs_its_rest_and_nothing_else():
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0))]
    for second in range(3):
        acts += audio(range(second * 50, second * 50 + 50))
        acts.append(rotates(T0 + (second + 1) * NS))
    one = recorded(acts)
    path = one.directory / "0001-000002.pcapng"
    hurt = bytearray(path.read_bytes())
    at = hurt.index(b"opus 75")
    hurt[at + 7 : at + 16] = bytes(9)
    path.write_bytes(hurt)
    numbers = [int(text.split()[1]) for text in texts(one.frames(T0, FAR)[AUDIO.id])]
    assert numbers == [*range(75), *range(100, 150)]
    assert one.damaged.keys() == {"0001-000002"}


def test_of_a_long_tape_a_few_manifests_are_enough(monkeypatch):
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0))]
    for second in range(600):
        acts += audio(range(50 * second, 50 * second + 50))
        if second % 3 == 2:
            acts.append(rotates(T0 + (second + 1) * NS))
    whole = recorded(acts, end_ns=T0 + 600 * NS)
    assert len(whole.manifests()) == 201
    read, load = [], shelf.load_manifest
    monkeypatch.setattr(shelf, "load_manifest", lambda path: read.append(path.name) or load(path))
    for begin_s in (0, 290, 585):
        begin_ns, end_ns = T0 + begin_s * NS, T0 + (begin_s + 15) * NS
        read.clear()
        near = Tape(whole.directory).around(begin_ns, end_ns)
        assert near.frames(begin_ns, end_ns) == whole.frames(begin_ns, end_ns)
        assert near.roster(begin_ns) == whole.roster(begin_ns)
        assert 5 <= len(read) <= 30


def test_of_a_time_that_nobody_taped_its_neighbours_tell(tmp_path):
    here = TapeEvent(EventType.JOINED, T0, uid="7")
    tape(tmp_path, [tells(here), adds(AUDIO)], end_ns=T0 + 60 * NS)
    again = TapeEvent(EventType.JOINED, T0 + 200 * NS, uid="7")
    tape(tmp_path, [tells(again)], fence=2, first_number=9, end_ns=T0 + 300 * NS)
    whole, near = Tape(tmp_path), Tape(tmp_path).around(T0 + 120 * NS, T0 + 135 * NS)
    assert [part.fence for part in near.manifests()] == [1, 2]
    for at_s in (120, 134):
        assert near.roster(T0 + at_s * NS) == whole.roster(T0 + at_s * NS)
        assert near.roster(T0 + at_s * NS).publishers == ("7",)


@pytest.fixture
def several(monkeypatch):
    """A tape of six parts with three tracks, room for two of them, and how each is opened."""
    cameras = [track(f"1.{n}", str(n), VP8, ssrc=5) for n in range(3)]
    acts = [act for one in cameras for act in (adds(one), tells(clock(one, 0, T0)))]
    for n in range(60):
        at_ns = T0 + n * NS
        if n and n % 10 == 0:
            acts.append(rotates(at_ns - 100 * MS))
        acts += [gives(one, vp8(n, n * 90_000, body=bytes(500)), at_ns) for one in cameras]
    of = recorded(acts, end_ns=T0 + 60 * NS)
    sizes = [part.bytes for part in of.manifests()]
    assert len(sizes) == 6
    monkeypatch.setattr(shelf, "_KEPT_BYTES", 2 * max(sizes))
    opened, open_ = [], shelf.Shelf.open

    def noted(self, part, *, wants=None, **how):
        opened.append((part.number, wants is None))
        return open_(self, part, wants=wants, **how)

    monkeypatch.setattr(shelf.Shelf, "open", noted)
    return of, cameras, opened


def test_of_more_than_there_is_room_for_some_is_read_once(several):
    """And only that is looked through for other tracks than the one that is wanted."""
    of, cameras, opened = several
    for one in cameras:
        found = of.frames(T0, FAR, tracks=lambda track, one=one: track == one)
        assert [frame.rtp_time // 90_000 for frame in found[one.id]] == list(range(60))
    assert [number for number, whole in opened if whole] == [1, 2]
    assert [number for number, whole in opened if not whole] == 3 * [3, 4, 5, 6]


def test_what_is_read_again_and_again_takes_the_place_of_what_was_read_once(several):
    of, cameras, opened = several
    of.frames(T0, T0 + 15 * NS)
    opened.clear()
    for one in cameras:
        of.frames(T0 + 44 * NS, T0 + 58 * NS, tracks=lambda track, one=one: track == one)
    assert opened == [(5, False), (6, False), (5, True), (6, True)]
    kept = of._shelf._packets.values()
    assert sum(len(each.data) for each in kept) <= shelf._KEPT_BYTES
