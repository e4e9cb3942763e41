"""H.264 out of RTP in every packetization mode (RFC 6184), and its parameter sets."""

import contextlib
import random

import pytest
from encoding import decoded, encoded
from hypothesis import given
from hypothesis import strategies as st
from taping import H264, MS, NS, T0, adds, clock, gives, rotates, tape, tells, track

from media.publish.packetize import H264Packetizer, nal_units
from media.rtp.codec import Codec
from media.rtp.packet import build
from media.tape.frames import Assembler
from media.tape.model import EventType
from media.tape.payload import h264, interleaved, nal
from media.tape.payload.parameter_sets import ParameterSets, from_fmtp, sets_in
from media.tape.reader import Tape

MODE_2 = Codec("H264", 102, 90_000, 1, "profile-level-id=42e01f; packetization-mode=2")
SIZE = (160, 96)


def units_of(count=12, gop=6, **options):
    """The NAL units of each access unit."""
    frames = encoded("libx264", count=count, gop=gop, size=SIZE, **options)
    return [list(nal_units(data)) for data, _ in frames]


def numbered(payloads, *, first=0):
    """``(payload, timestamp, marker)`` as packets in their place; None is one that was lost."""
    return [
        (first + i, timestamp, 102 | marker << 7, payload, T0 + timestamp * NS // 90_000, timestamp)
        for i, one in enumerate(payloads)
        if one is not None
        for payload, timestamp, marker in [one]
    ]


def frames_of(codec, packets):
    return Assembler(track("1.1", "7", codec)).assemble(packets)


def annex_b(units):
    return nal.annex_b(units)


def test_single_units_are_mode_0():
    pictures = units_of()
    payloads = [
        (unit, i * 3000, j == len(units) - 1)
        for i, units in enumerate(pictures)
        for j, unit in enumerate(units)
    ]
    frames = frames_of(H264, numbered(payloads))
    assert [frame.data for frame in frames] == [annex_b(units) for units in pictures]
    assert [i for i, frame in enumerate(frames) if frame.keyframe] == [0, 6]
    assert {(f.width, f.height) for f in frames if f.keyframe} == {SIZE}


# --- interleaved -------------------------------------------------------------------------------


def stap_b(don, units):
    body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    return bytes([0x79]) + (don & 0xFFFF).to_bytes(2, "big") + body


def mtap(base, rows, ticks):
    """``rows``: (DON, timestamp offset, unit)."""
    body = b"".join(
        len(unit).to_bytes(2, "big")
        + bytes([(don - base) & 0xFF])
        + offset.to_bytes(ticks, "big")
        + unit
        for don, offset, unit in rows
    )
    return bytes([0x7A if ticks == 2 else 0x7B]) + (base & 0xFFFF).to_bytes(2, "big") + body


def fragments(don, unit, size):
    pieces = [unit[1:][at : at + size] for at in range(0, len(unit) - 1, size)]
    head, kind = unit[0] & 0xE0, unit[0] & 0x1F
    yield bytes([head | 29, 0x80 | kind]) + (don & 0xFFFF).to_bytes(2, "big") + pieces[0]
    for i, piece in enumerate(pieces[1:], 2):
        yield bytes([head | 28, kind | (0x40 if i == len(pieces) else 0)]) + piece


def interleaved_payloads(pictures, dice):
    """The units in a random order within a few pictures, in every kind of packet."""
    rows = [(i, unit) for i, units in enumerate(pictures) for unit in units]
    units = [(65_530 + don, i * 3000, unit) for don, (i, unit) in enumerate(rows)]
    sent = [one for at in range(0, len(units), 6) for one in shuffled(units[at : at + 6], dice)]
    payloads = []
    while sent:
        taken, sent = sent[: (count := dice.randint(1, 3))], sent[count:]
        don, timestamp, unit = taken[0]
        if len(taken) == 1 and len(unit) > 40:
            payloads += [(one, timestamp, 0) for one in fragments(don, unit, len(unit) // 3)]
        elif len(taken) == 1:
            payloads.append((stap_b(don, [unit]), timestamp, 0))
        else:
            first = min(each[1] for each in taken)
            base = min(each[0] for each in taken)
            found = [(number, at - first, each) for number, at, each in taken]
            payloads.append((mtap(base, found, dice.choice((2, 3))), first, 0))
    return payloads


def shuffled(row, dice):
    return dice.sample(row, len(row))


@pytest.mark.parametrize("seed", range(6))
def test_interleaved_units_come_back_in_decoding_order(seed):
    pictures = units_of(**{"x264-params": "slices=3"})
    payloads = interleaved_payloads(pictures, random.Random(seed))
    packets = numbered(payloads, first=65_000)
    made = interleaved.in_order(packets)
    assert [packet[3] for packet in made] == [unit for units in pictures for unit in units]
    times = [3000 * i for i, units in enumerate(pictures) for _ in units]
    assert [packet[5] for packet in made] == times
    walls = [T0 + time * NS // 90_000 for time in times]
    assert all(abs(packet[4] - wall) <= 1 for packet, wall in zip(made, walls, strict=True))
    frames = frames_of(MODE_2, packets)
    # The end of the last picture is not marked in this mode.
    assert [frame.data for frame in frames[:11]] == [annex_b(units) for units in pictures[:11]]
    assert all(frame.intact for frame in frames[:11])
    assert len(decoded("h264", [frame.data for frame in frames[:11]])) == 11


@pytest.mark.parametrize("seed", range(8))
def test_a_loss_in_interleaved_mode_leaves_no_torn_picture_called_whole(seed):
    dice = random.Random(seed)
    pictures = units_of(count=24, **{"x264-params": "slices=3"})
    payloads = interleaved_payloads(pictures, dice)
    payloads[dice.randrange(4, len(payloads) - 4)] = None
    frames = frames_of(MODE_2, numbered(payloads))
    whole = {annex_b(units) for units in pictures}
    found = [frame for frame in frames if frame is not None]
    assert {frame.data for frame in found} <= whole | {annex_b(pictures[-1])}
    assert 24 - 8 <= len(found) < 24
    lost = whole - {frame.data for frame in found}
    after = max(i for i, units in enumerate(pictures) if annex_b(units) in lost) + 1
    following = [f for f in found if after < len(pictures) and f.data == annex_b(pictures[after])]
    assert not any(frame.intact for frame in following)


@given(
    st.lists(
        st.tuples(st.binary(max_size=30), st.integers(0, 3), st.booleans()), min_size=1, max_size=8
    ),
    st.sampled_from([0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x67, 0x65, 0x00]),
    st.sampled_from([MODE_2, H264]),
)
def test_nonsense_in_any_mode_is_a_frame_or_none(rows, kind, codec):
    payloads = [(bytes([kind]) + body, at * 3000, marker) for body, at, marker in rows]
    frames = frames_of(codec, numbered(payloads))
    assert len(frames) <= sum(len(body) + 1 for body, _, _ in rows)


def test_mode_2_is_told_by_the_sdp():
    assert interleaved.is_interleaved("a=1; packetization-mode=2;b=3")
    assert not interleaved.is_interleaved("packetization-mode=1")
    assert not interleaved.is_interleaved("")


# --- parameter sets ----------------------------------------------------------------------------


def without_sets(units):
    return [unit for unit in units if nal.kind(unit) not in nal.SETS]


def sets_of(units):
    return [unit for unit in units if nal.kind(unit) in nal.SETS]


def on_tape(directory, pictures, *, step_ns=33 * MS, part_ns=NS):
    """A tape of these access units in parts of a second."""
    one, number, begun = track("1.1", "7", H264), 65_500, T0
    acts = [adds(one), tells(clock(one, 0, T0))]
    for i, units in enumerate(pictures):
        at_ns = T0 + i * step_ns
        if at_ns - begun >= part_ns:
            begun += part_ns
            acts.append(rotates(begun))
        payloads = H264Packetizer().payloads(annex_b(units), keyframe=False)
        for j, payload in enumerate(payloads):
            packet = build(
                pt=102,
                seq=number,
                timestamp=i * step_ns * 90_000 // NS,
                ssrc=5,
                payload=payload,
                marker=j == len(payloads) - 1,
            )
            number += 1
            acts.append(gives(one, packet, at_ns))
    tape(directory, acts)
    return Tape(directory)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Ten seconds with a key frame each second, the parameter sets before the first one only."""
    pictures = units_of(count=300, gop=30)
    sparse = [pictures[0]] + [without_sets(units) for units in pictures[1:]]
    return pictures, on_tape(tmp_path_factory.mktemp("once"), sparse)


def test_parameter_sets_sent_once_are_known_at_every_later_key_frame(once):
    pictures, whole = once
    sets = sets_of(pictures[0])
    frames = whole.frames(T0, T0 + 20 * NS)["1.1"]
    keys = [frame for frame in frames if frame.keyframe]
    assert len(keys) == 10
    assert all((frame.width, frame.height) == SIZE for frame in keys)
    assert all(frame.data.startswith(annex_b(sets)) for frame in keys)


@pytest.mark.parametrize("from_s", [0.5, 3, 5.01, 8.9])
def test_a_range_gives_the_same_frames_as_the_whole(once, from_s):
    _, whole = once
    begin, end = T0 + int(from_s * NS), T0 + int((from_s + 1.1) * NS)
    frames = whole.frames(T0, T0 + 20 * NS)["1.1"]
    again = Tape(whole.directory).frames(begin, end)["1.1"]
    assert again == [frame for frame in frames if begin <= frame.time_ns < end]
    key = next(i for i, frame in enumerate(again) if frame.keyframe)
    shown = [frame.data for frame in again[key:]]
    assert len(decoded("h264", shown)) == len(shown)


def test_the_sets_outlive_the_part_that_held_them(tmp_path):
    pictures = units_of(count=150, gop=30)
    made = on_tape(tmp_path, [pictures[0]] + [without_sets(units) for units in pictures[1:]])
    frames = made.frames(T0, T0 + 20 * NS)["1.1"]
    made.trim(T0 + 3 * NS)
    left = Tape(tmp_path)
    assert left.manifests()[0].from_ns >= T0 + 2 * NS
    again = left.frames(T0 + 3 * NS, T0 + 20 * NS)["1.1"]
    assert again[1:] == frames[1 - len(again) :]  # what the first one follows is gone
    assert [frame.width for frame in again if frame.keyframe] == [SIZE[0]]
    said = [e for part in left.manifests() for e in part.events if e.type is EventType.PARAMETERS]
    assert {event.at_ns for event in said} == {T0}


def test_a_change_between_key_frames_counts_from_there_on(tmp_path):
    """A picture parameter set that is sent again, changed, with a picture that is no key frame."""
    first = units_of(count=60, gop=30)
    other = units_of(count=60, gop=30, **{"x264-params": "chroma-qp-offset=4"})
    changed = next(unit for unit in other[0] if nal.kind(unit) == nal.PPS)
    assert changed not in first[0]
    pictures = [first[0]] + [without_sets(units) for units in first[1:30]]
    pictures[10] = [changed, *pictures[10]]
    pictures += [without_sets(units) for units in other[30:]]
    made = on_tape(tmp_path, pictures)
    for begin in (0, 1):
        frames = made.frames(T0 + begin * NS - 100 * MS, T0 + 20 * NS)["1.1"]
        last = [frame for frame in frames if frame.keyframe][-1]
        assert changed in list(nal_units(last.data))
        assert sets_of(first[0])[1] not in list(nal_units(last.data))


def test_sets_in_a_picture_that_is_lost_count_as_well():
    sps, pps, *slices = [u for u in units_of(count=1)[0] if nal.kind(u) in (7, 8, 5)]
    payloads = [
        (H264Packetizer().payloads(annex_b([sps, pps]), keyframe=True)[0], 0, 0),
        None,
        *[(unit, 3000, i == len(slices) - 1) for i, unit in enumerate(slices)],
    ]
    torn, key = frames_of(H264, numbered(payloads))
    assert torn is None
    assert key.data == annex_b([sps, pps, *slices])


def test_only_the_sets_that_a_key_frame_refers_to_are_put_before_it():
    sps, pps, idr = (
        next(unit for unit in units_of(count=1)[0] if nal.kind(unit) == kind) for kind in (7, 8, 5)
    )
    sets = ParameterSets([sps, pps, b"\x67\x42\x00\x1e\x40rest", b"\x68\x48rest"])
    assert len(sets.units()) == 4
    (frame,) = Assembler(track("1.1", "7", H264), sets).assemble(numbered([(idr, 0, 1)]))
    assert frame.data == annex_b([sps, pps, idr])


def test_a_delimiter_stays_in_front():
    sps, pps, idr = (
        next(unit for unit in units_of(count=1)[0] if nal.kind(unit) == kind) for kind in (7, 8, 5)
    )
    payloads = [(b"\x09\xf0", 0, 0), (idr, 0, 1)]
    sets = ParameterSets([sps, pps])
    (frame,) = Assembler(track("1.1", "7", H264), sets).assemble(numbered(payloads))
    assert list(nal_units(frame.data)) == [b"\x09\xf0", sps, pps, idr]


@given(st.binary(min_size=1, max_size=40))
def test_sets_are_looked_for_in_anything(payload):
    found = list(sets_in(payload))
    assert sum(map(len, found)) <= len(payload)
    ParameterSets(found)


@given(st.lists(st.tuples(st.sampled_from((0x67, 0x68)), st.binary(max_size=3000)), max_size=100))
def test_what_is_kept_is_bounded(rows):
    sets = ParameterSets(bytes([kind]) + body for kind, body in rows)
    assert sum(map(len, sets.units())) <= 64 * 2048


@pytest.mark.parametrize("fmtp", ["", "sprop-parameter-sets", "sprop-parameter-sets=,,###,Z0I"])
def test_what_the_sdp_says_wrongly_is_as_good_as_unsaid(fmtp):
    assert [unit for unit in from_fmtp(fmtp) if nal.kind(unit) not in nal.SETS] == []
    with contextlib.suppress(IndexError):
        ParameterSets(from_fmtp(fmtp))


def test_sets_without_a_picture_are_not_held_for_ever(monkeypatch):
    """A sender of nothing but parameter sets, until a picture comes."""
    longest = []
    join = h264.H264.join
    monkeypatch.setattr(
        h264.H264, "join", lambda self, some: longest.append(len(some)) or join(self, some)
    )
    first = units_of(count=1)[0]
    sets = [unit for unit in first if nal.kind(unit) in nal.SETS]
    payloads = [(sets[i % len(sets)], i * 3000, 1) for i in range(2000)]
    idr = next(unit for unit in first if nal.kind(unit) == nal.IDR)
    frames = frames_of(H264, numbered([*payloads, (idr, 2000 * 3000, 1)]))
    assert max(longest) <= 65
    assert [frame.keyframe for frame in frames] == [True]
    assert (frames[0].width, frames[0].height) == SIZE
