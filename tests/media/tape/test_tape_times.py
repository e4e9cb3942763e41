import pytest
from taping import (
    AUDIO,
    FAR,
    MS,
    NS,
    STEP,
    T0,
    adds,
    audio,
    clock,
    gives,
    opus,
    recorded,
    rotates,
    tells,
)

from media.tape.clockmap import SETTLE_NS


@pytest.mark.parametrize("second_in_next_part", [False, True])
def test_time_between_two_clock_points_lies_between_them(second_in_next_part):
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(range(25))]
    if second_in_next_part:
        acts.append(rotates(T0 + 500 * MS))
    acts += audio(range(25, 50))
    acts += [tells(clock(AUDIO, 48_000, T0 + NS + 10 * MS)), *audio(range(50, 100))]
    for range_ in ((T0, FAR), (T0 + 200 * MS, T0 + 300 * MS)):
        frames = recorded(acts).frames(*range_)[AUDIO.id]
        for frame in frames:
            number = int(frame.data.split()[1])
            drift = 10 * MS if number > 50 else number * 10 * MS // 50
            assert frame.time_ns == T0 + number * STEP + drift


def test_before_the_first_point_and_after_the_last_one_the_nominal_rate_holds():
    acts = [adds(AUDIO), *audio(range(50)), tells(clock(AUDIO, 50 * 960, T0 + NS))]
    acts += audio(range(50, 100))
    frames = recorded(acts).frames(T0, FAR)[AUDIO.id]
    assert [frame.time_ns for frame in frames] == [T0 + n * STEP for n in range(100)]


def test_a_pause_of_the_senders_clock_is_a_step_in_time():
    """Four seconds of silence in which RTP time stood still, as the recorder noted it."""
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(range(50))]
    late = [gives(AUDIO, opus(n), T0 + 4 * NS + n * STEP) for n in range(50, 100)]
    known_ns = T0 + 5 * NS + 500 * MS
    acts += late[:25]
    acts.append(tells(clock(AUDIO, 49 * 960, T0 + 49 * STEP, known_ns)))
    acts.append(tells(clock(AUDIO, 50 * 960, T0 + 4 * NS + 50 * STEP, known_ns)))
    acts += late[25:]
    for rotation in (None, rotates(T0 + 3 * NS)):
        both = acts if rotation is None else [*acts[:52], rotation, *acts[52:]]
        frames = recorded(both).frames(T0, FAR)[AUDIO.id]
        pause = [4 * NS * (n >= 50) for n in range(100)]
        assert [frame.time_ns for frame in frames] == [T0 + n * STEP + pause[n] for n in range(100)]


def test_without_clock_points_the_least_delayed_packet_of_the_first_second_sets_the_time():
    delays = [30, 12, 7, 55] * 25
    acts = [adds(AUDIO)]
    acts += [gives(AUDIO, opus(n), T0 + n * STEP + delays[n] * MS) for n in range(100)]
    for between in (len(acts), 40, 3):
        split = [*acts[:between], rotates(T0 + between * STEP), *acts[between:]]
        frames = recorded(split).frames(T0, FAR)[AUDIO.id]
        assert [frame.time_ns - T0 for frame in frames] == [n * STEP + 7 * MS for n in range(100)]
        some = recorded(split).frames(T0 + NS, T0 + NS + 200 * MS)[AUDIO.id]
        assert some == [f for f in frames if 0 <= f.time_ns - T0 - NS < 200 * MS]


@pytest.mark.parametrize("with_points", [True, False])
@pytest.mark.parametrize("jump", [5_000_000, -3_000_000_000, 2**31])
def test_timestamps_set_anew_do_not_move_time(with_points, jump):
    acts = [adds(AUDIO)]
    if with_points:
        acts.append(tells(clock(AUDIO, 0, T0)))
    acts += audio(range(100), delay_ns=0)
    acts += [
        gives(AUDIO, opus(n, timestamp=n * 960 + jump), T0 + n * STEP) for n in range(100, 300)
    ]
    whole = recorded(acts).frames(T0, FAR)[AUDIO.id]
    assert [frame.time_ns for frame in whole] == [T0 + n * STEP for n in range(300)]
    for first in (90, 100, 140, 290):
        range_ = (T0 + first * STEP, T0 + (first + 7) * STEP)
        split = [*acts[:120], rotates(T0 + 118 * STEP), *acts[120:]]
        assert recorded(split).frames(*range_)[AUDIO.id] == whole[first : first + 7]


def test_a_restarted_sequence_number_is_a_gap_and_no_more():
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(range(100), delay_ns=0)]
    acts += [
        gives(AUDIO, opus(n - 80, b"%d" % n, timestamp=n * 960), T0 + n * STEP)
        for n in range(100, 150)
    ]
    frames = recorded(acts).frames(T0, FAR)[AUDIO.id]
    assert len(frames) == 150
    assert [n for n, frame in enumerate(frames) if not frame.intact] == [100]


def test_points_that_came_after_a_cut_do_not_move_what_it_saw():
    """Whatever they say: a cut made again on a longer tape is the same."""
    acts = [adds(AUDIO), tells(clock(AUDIO, 0, T0)), *audio(range(100))]
    found = recorded(acts).frames(T0, T0 + NS)
    until_ns = T0 + 2 * NS + SETTLE_NS
    acts.append(tells(clock(AUDIO, 200 * 960, T0 + 4 * NS + 20 * MS, until_ns)))
    assert recorded(acts).frames(T0, T0 + NS) == found
    acts.append(tells(clock(AUDIO, 200 * 960, T0 + 4 * NS + 20 * MS, until_ns - 1)))
    assert recorded(acts).frames(T0, T0 + NS) != found


def test_a_trimmed_tape_knows_the_line_on_which_its_first_packets_lie():
    """Points are written ahead: those around a part's beginning came before it."""
    acts = [adds(AUDIO)]
    acts += [tells(clock(AUDIO, n * 48_000, T0 + n * (NS + 5 * MS), T0 + n)) for n in range(5)]
    acts += [*audio(range(100)), rotates(T0 + 100 * STEP), *audio(range(100, 200))]
    tape = recorded(acts)
    whole = tape.frames(T0 + 3 * NS, FAR)
    assert tape.trim(T0 + 2 * NS)
    assert tape.frames(T0 + 3 * NS, FAR) == whole
