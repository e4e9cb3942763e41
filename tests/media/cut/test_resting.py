"""A sender that rests in pauses: comfort noise that goes on over seams as if there were none."""

import numpy as np
import pytest

from media.cut import comfort, libopus
from media.cut.composite import cut_composite
from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.cut.sound import render
from media.tape.model import NS, Frame, Source
from tests.media.cut.look import concatenated, sound
from tests.media.cut.resting import NOISE, PACKET, RATE, speaker
from tests.media.cut.scene import OPUS, ORIGIN_NS, PCMU, moved, presence, telephone_tone, track
from tests.media.cut.tapes import on_tape
from tests.media.cut.units import cut_apart

MIC = track("1", Source.MICROPHONE, OPUS)
SECONDS = 20
SPEC = CompositeSpec(audio_profile=1, video=False)
LOOK_AHEAD_NS, LEAD_NS = 300_000_000, 5 * NS  # what a slice of a mix reads around it


def speaks(at):
    """Two seconds of every five."""
    return at % 5 < 2


@pytest.fixture(scope="module", params=[False, True], ids=["usual", "tireless"])
def frames(request):
    made = speaker(MIC, speaks, start_ns=ORIGIN_NS, seconds=SECONDS, tireless=request.param)
    assert any(map(comfort.rests, made))
    return made


@pytest.fixture(scope="module")
def whole(frames):
    return render([frames], ORIGIN_NS, first=0, count=SECONDS * RATE, channels=1)[0]


def part(frames, first, last):
    """The samples of a range, rendered by somebody who knows no more than a slice does."""
    begin_ns, end_ns = (ORIGIN_NS + at * NS // RATE for at in (first, last))
    known = [f for f in frames if begin_ns - LEAD_NS <= f.time_ns < end_ns + LOOK_AHEAD_NS]
    return render([known], ORIGIN_NS, first=first, count=last - first, channels=1)[0]


def db(wave):
    return 20 * np.log10(np.sqrt(np.mean(np.square(wave))))


@pytest.mark.parametrize("seam_s", np.round(np.arange(7.05, 15, 0.31), 2))
def test_wherever_a_seam_lies_both_sides_are_what_the_whole_would_be(frames, whole, seam_s):
    seam = round(seam_s * RATE)
    for first, last in ((seam - RATE, seam), (seam, seam + RATE)):
        assert np.abs(part(frames, first, last) - whole[first:last]).max() < 1e-5


def test_in_pauses_the_room_is_heard(whole):
    levels = [db(whole[i * 4800 : (i + 1) * 4800]) for i in range(SECONDS * 10 - 5)]
    for i, level in enumerate(levels):
        if i % 50 in range(22, 49):
            assert 20 * np.log10(NOISE) - 12 < level < 20 * np.log10(NOISE) + 3


@pytest.fixture(scope="module")
def tape(frames, tmp_path_factory):
    return on_tape(tmp_path_factory.mktemp("tape"), [frames], presence(MIC, ORIGIN_NS))


def _cut(tape, out, begin_s, end_s):
    begin, end = (ORIGIN_NS + round(at_s * NS) for at_s in (begin_s, end_s))
    part = Slice(round(begin_s), begin, end)
    return cut_composite(tape, SPEC, origin_ns=ORIGIN_NS, slice=part, out_dir=out).segments[0]


def test_a_mix_has_no_step_at_a_seam_within_a_pause(tape, tmp_path):
    """Against one cut of the whole range; other noise of that level would differ by +3 dB."""
    edges = (0, 3.3, 8.1, 9.7, 13.6, 18)
    apart = [_cut(tape, tmp_path / "apart", *edges[i : i + 2]).path for i in range(len(edges) - 1)]
    joined = sound(concatenated(apart, tmp_path / "joined.ts"))
    once = sound(_cut(tape, tmp_path / "once", 0, 18).path)
    for seam_s in edges[1:-1]:
        ours, theirs = (one.part(seam_s - 0.2, seam_s + 0.2) for one in (joined, once))
        print(f"{seam_s} s: differs by {db(ours - theirs) - db(theirs):.1f} dB of the noise")
        assert db(ours - theirs) < db(theirs) - 2
        halves = np.split(joined.part(seam_s - 0.1, seam_s + 0.1), 2)
        assert abs(db(halves[0]) - db(halves[1])) < 3


def test_the_same_slice_twice_gives_the_same_bytes(tape, tmp_path):
    one, other = (_cut(tape, tmp_path / name, 8.1, 13.6).path for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_sound_stored_apart_has_no_step_either(tape, tmp_path):
    segments = cut_apart(tape, tmp_path, SECONDS, IndividualSpec(video=False))
    assert len(segments) == 2
    joined = sound(concatenated([one.path for one in segments], tmp_path / "joined.ts"))
    seam_s = (segments[1].start_ns - ORIGIN_NS) / NS
    for at_s in np.arange(12.4, 14.9, 0.1):
        assert abs(db(joined.part(at_s, at_s + 0.1)) - 20 * np.log10(NOISE)) < 14
    assert 12 < seam_s < 20


def test_who_stays_away_is_silent_after_a_second(frames):
    """It ends softly, at the same time whether or not it is known that nothing comes."""
    rest = next(i for i, frame in enumerate(frames) if comfort.rests(frame))
    gone = frames[: rest + 1]
    end = (frames[rest].rtp_time - 7000) + PACKET
    back = moved(frames[rest + 1 :][-200:])
    alone, again = (
        render([sent], ORIGIN_NS, first=0, count=end + 2 * RATE, channels=1)[0]
        for sent in (gone, [*gone, *back])
    )
    assert db(alone[end + RATE // 2 : end + RATE - 480]) > 20 * np.log10(NOISE) - 12
    assert np.abs(alone[end + RATE :]).max() == 0
    assert np.abs(alone[end + RATE - 24 : end + RATE]).max() < NOISE / 4
    assert np.array_equal(alone, again)


def test_what_another_codec_said_is_no_noise(frames):
    rest = next(i for i, frame in enumerate(frames) if comfort.rests(frame))
    phone = track("1", Source.MICROPHONE, PCMU)
    before = telephone_tone(phone, 440, start_ns=ORIGIN_NS, seconds=1)
    after = moved(frames[rest : rest + 1], time_ns=ORIGIN_NS + NS, rtp_time=7000 + 8000)
    memory = comfort.Rest(1)
    memory.heard(before[-1])
    assert not memory.begins(after[0])
    heard = render([[*before, *after]], ORIGIN_NS, first=0, count=2 * RATE, channels=1)[0]
    assert db(heard[: RATE - 480]) > -18
    assert np.abs(heard[RATE + 480 :]).max() < NOISE


def _said(at, resting, *, rtp=None):
    """A packet of 2.5 ms; one that rests holds nothing."""
    data = bytes((0xE0,)) if resting else bytes((0xE0, *(at * 7 + k & 255 for k in range(20))))
    rtp = at * 120 if rtp is None else rtp
    return Frame(MIC, OPUS, ORIGIN_NS + rtp * NS // RATE, rtp, data, True, True)


def _to_and_fro():
    """RTP times on either side of every half second."""
    for at in range(4000):
        far = 960 * (1 + at % 9) if at % 2 else -960 * (1 + at % 7)
        yield _said(at, True, rtp=max(0, round(at / 500 * 2) * RATE // 2 + far))


def _damaged():
    """What rests cannot be decoded: two frames in one byte."""
    for at in range(4000):
        sent = _said(at, at % 2 == 1)
        yield sent._replace(data=bytes((0xE1, 0))) if at % 2 else sent


RESTLESS = {
    "every other": [_said(at, at % 2 == 1) for at in range(4000)],
    "to and fro": list(_to_and_fro()),
    "damaged": list(_damaged()),
}


@pytest.mark.parametrize("name", RESTLESS)
def test_rests_cost_little_however_often_they_begin(monkeypatch, name):
    """Each begins with what was heard in two seconds, and some senders rest all the time."""
    frames, decoded, decode = RESTLESS[name], [], libopus.Decoder.decode
    monkeypatch.setattr(
        libopus.Decoder, "decode", lambda one, data: decoded.append(1) or decode(one, data)
    )
    assert all(map(comfort.rests, frames[1::2]))
    render([frames], ORIGIN_NS, first=0, count=10 * RATE, channels=1)
    assert len(frames) // 2 <= len(decoded) <= 6 * len(frames)


def test_who_rests_after_every_word_sounds_the_same_whoever_asks():
    """Words of 60 ms, so that there are more rests than may begin."""
    frames = speaker(MIC, lambda at: at >= 0, start_ns=ORIGIN_NS, seconds=16)
    frames = [f if i % 4 else f._replace(data=f.data[:1]) for i, f in enumerate(frames)]
    once = render([frames], ORIGIN_NS, first=0, count=16 * RATE, channels=1)[0]
    for seam_s in np.arange(7.05, 14, 0.31):
        seam = round(seam_s * RATE)
        for first, last in ((seam - RATE, seam), (seam, seam + RATE)):
            assert np.abs(part(frames, first, last) - once[first:last]).max() < 1e-5
