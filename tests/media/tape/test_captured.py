"""Packets of real senders; see ``captured/README.md``."""

import random
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.keyframe import begins_keyframe
from media.rtp.packet import parse_header
from media.tape.frames import Assembler
from media.tape.model import NS
from media.tape.reader import Tape
from media.tape.reorder import in_order

CAPTURED = Path(__file__).parent / "captured"
SMALL, MEDIUM, LARGE = (640, 360), (960, 540), (1280, 720)


def frames_of(name):
    (frames,) = Tape(CAPTURED / name).frames(0, 1 << 62).values()
    return frames


def decoded(decoder, frames):
    """The pictures that each frame gives, from the first key frame on; errors are errors."""
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1
    begin = next(i for i, frame in enumerate(frames) if frame.keyframe)
    return [context.decode(av.Packet(frame.data)) for frame in frames[begin:]]


@pytest.mark.parametrize(
    ("name", "decoder", "keys"),
    [
        ("chromium-h264", "h264", {0: SMALL, 21: SMALL}),
        ("chromium-vp9", "libvpx-vp9", {19: MEDIUM}),
        ("chromium-vp9-l2t2", "libvpx-vp9", {5: LARGE}),
        ("chromium-vp9-l3t3-key", "libvpx-vp9", {0: SMALL, 1: SMALL, 2: SMALL, 3: LARGE}),
        ("chromium-av1", "libdav1d", {14: MEDIUM}),
        ("chromium-av1-l2t2", "libdav1d", {3: LARGE}),
    ],
)
def test_every_picture_is_there_and_decodes_to_one(name, decoder, keys):
    tape = Tape(CAPTURED / name)
    packets = [parse_header(taped.data) for taped in tape.packets(0, 1 << 62)]
    times = {header.timestamp for header in packets}
    frames = frames_of(name)
    assert len(times) - 1 <= len(frames) <= len(times)  # the last one may be cut off
    assert {i: (f.width, f.height) for i, f in enumerate(frames) if f.keyframe} == keys
    assert all(frame.intact for frame in frames[1:])
    shown = decoded(decoder, frames)
    assert {len(pictures) for pictures in shown} == {1}
    first = shown[0][0]
    assert (first.width, first.height) == keys[min(keys)]
    spread = frames[-1].time_ns - frames[0].time_ns
    assert 0.3 * NS < spread < 4 * NS


def test_the_highest_layer_is_the_last_picture_of_a_superframe():
    """FFmpeg's own VP9 decoder shows every layer."""
    frames = frames_of("chromium-vp9-l3t3-key")
    last = [(p[-1].width, p[-1].height) for p in decoded("vp9", frames)]
    assert last == [SMALL] * 3 + [LARGE] * (len(frames) - 3)


@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURED.iterdir() if path.is_dir()))
def test_a_capture_is_small(name):
    assert sum(path.stat().st_size for path in (CAPTURED / name).iterdir()) <= 100_000


NAMES = sorted(path.name for path in CAPTURED.iterdir() if path.is_dir())


def numbered(name):
    tape = Tape(CAPTURED / name)
    packets = [taped.data for taped in tape.packets(0, 1 << 62)]
    found, _ = in_order([(i, packet) for i, packet in enumerate(packets)], lambda t, _: (t, t))
    return tape.manifests()[0].tracks[0], found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(20))
def test_damage_costs_frames_and_nothing_else(name, seed):
    dice = random.Random(seed)
    track, packets = numbered(name)
    whole = {frame.data for frame in Assembler(track).assemble(packets) if frame}
    torn = list(packets)
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(torn))
        number, timestamp, second, payload, *times = torn[at]
        match dice.choice(("drop", "cut", "flip", "noise")):
            case "drop":
                del torn[at]
                continue
            case "cut":
                payload = payload[: dice.randint(0, len(payload))]
            case "flip" if payload:
                place = dice.randrange(min(len(payload), 20))
                payload = payload[:place] + dice.randbytes(1) + payload[place + 1 :]
            case "noise":
                payload = dice.randbytes(dice.randint(0, 40))
        torn[at] = (number, timestamp, second, payload, *times)
    frames = Assembler(track).assemble(torn)
    left = [frame for frame in frames if frame and frame.data in whole]
    assert len(left) >= len(whole) - 2 * 12
    assert sum(len(f.data) for f in frames if f) <= 2 * sum(len(p[3]) for p in packets)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [5, 30, 60])
def test_a_lost_packet_costs_one_frame_and_the_chain(name, at):
    track, packets = numbered(name)
    whole = Assembler(track).assemble(packets)
    frames = Assembler(track).assemble(packets[:at] + packets[at + 1 :])
    if not packets[at][3]:
        return  # padding: nothing is lost but our knowledge that nothing is
    lost = [a for a in whole if a and a.data not in {b.data for b in frames if b}]
    assert len(lost) == 1
    # Of a layered picture the upper layers may be left; but they follow nothing.
    after = [frame for frame in frames if frame and frame.rtp_time >= lost[0].rtp_time]
    assert after[0].data not in {frame.data for frame in lost}
    assert after[0].keyframe or not after[0].intact


@pytest.mark.parametrize("name", sorted(path.name for path in CAPTURED.iterdir() if path.is_dir()))
def test_a_key_frame_shows_in_its_first_packet(name):
    """What a recorder sees of a key frame is what a cutter makes of it."""
    tape = Tape(CAPTURED / name)
    begun = set()
    for taped in tape.packets(0, 1 << 62):
        header = parse_header(taped.data)
        codec = taped.track.codec(header.pt)
        if begins_keyframe(codec.key, header.payload(taped.data)):
            begun.add(header.timestamp)
    assert begun == {frame.rtp_time & 0xFFFFFFFF for frame in frames_of(name) if frame.keyframe}


@given(st.sampled_from(["vp8", "vp9", "h264", "av1", "opus"]), st.binary(max_size=40))
def test_no_payload_upsets_the_look_for_key_frames(codec, payload):
    assert begins_keyframe(codec, payload) in (True, False)
