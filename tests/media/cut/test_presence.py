import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.cut.presence import Presence, timeline
from media.tape.model import NS, EventType, Kind, Source, TapeEvent
from media.tape.wanted import EVERYBODY, Wanted
from tests.media.cut.scene import OPUS, VP8, track

ALL = frozenset(Kind)
CAM1, CAM2 = track("1", Source.CAMERA, VP8), track("2", Source.CAMERA, VP8)
AGAIN1 = track("1", Source.CAMERA, VP8, number=2)
MIC1, MIC2 = track("1", Source.MICROPHONE, OPUS), track("2", Source.MICROPHONE, OPUS)
SHARE1 = track("1", Source.SCREEN, VP8)
AGAIN_SHARE1 = track("1", Source.SCREEN, VP8, number=2)
TRACKS = {one.id: one for one in (CAM1, CAM2, AGAIN1, MIC1, MIC2, SHARE1, AGAIN_SHARE1)}
START = 1000 * NS


def joined(uid, at_s):
    return TapeEvent(EventType.JOINED, START + int(at_s * NS), uid=uid)


def left(uid, at_s):
    return TapeEvent(EventType.LEFT, START + int(at_s * NS), uid=uid)


def added(of, at_s):
    return TapeEvent(EventType.TRACK_ADDED, START + int(at_s * NS), track=of.id)


def removed(of, at_s):
    return TapeEvent(EventType.TRACK_REMOVED, START + int(at_s * NS), track=of.id)


def muted(of, at_s, *, on=True):
    kind = EventType.MUTED if on else EventType.UNMUTED
    return TapeEvent(kind, START + int(at_s * NS), uid=of.uid, source=of.source)


def states(*events, start_s=0.0, kinds=lambda uid, at_ns: ALL):
    """(seconds since START, occupants) after each change."""
    presence = Presence(TRACKS, kinds)
    found = timeline(presence, events, START + int(start_s * NS))
    return [((at_ns - START) / NS if at_ns else 0.0, who) for at_ns, who in found]


def who(state):
    return [f"{one.uid}s" if one.screen else one.uid for one in state[1]]


def test_the_order_is_that_of_joining_not_of_publishing():
    found = states(joined("1", -2), joined("2", -1), added(CAM2, 1), added(CAM1, 2))
    assert [who(state) for state in found] == [[], ["2"], ["1", "2"]]


def test_a_region_is_kept_until_leaving_whatever_stops():
    events = [joined("1", -9), added(CAM1, -9), added(MIC1, -9), joined("2", -8), added(CAM2, -8)]
    events += [removed(CAM1, 1), removed(MIC1, 2), left("1", 60)]
    found = states(*events)
    assert [who(state) for state in found] == [["1", "2"], ["1", "2"], ["2"]]
    assert [at_s for at_s, _ in found] == [0, 4.5, 60]
    assert [state[1][0].stopped for state in found] == [False, True, False]


@pytest.mark.parametrize("start_s", [0, 5, 40, 59.9])
def test_it_makes_no_difference_where_a_slice_begins(start_s):
    events = [joined("1", -9), added(CAM1, -9), joined("2", -8), added(CAM2, -8)]
    events += [muted(CAM1, 1), removed(CAM2, 30), left("1", 60)]
    whole = states(*events)
    late = states(*events, start_s=start_s)
    at_start = [state for at_s, state in whole if at_s <= start_s][-1]
    later = [(at_s, state) for at_s, state in whole if at_s > start_s]
    assert late == [(0.0, at_start), *later]


def test_video_counts_as_stopped_after_the_grace_and_as_going_on_at_once():
    events = [joined("1", -9), added(CAM1, -9), muted(CAM1, 2), muted(CAM1, 20, on=False)]
    found = states(*events)
    assert [(at_s, state[0].stopped) for at_s, state in found] == [
        (0, False),
        (5.5, True),
        (20, False),
    ]


def test_a_short_mute_changes_nothing():
    events = [joined("1", -9), added(CAM1, -9), muted(CAM1, 2), muted(CAM1, 5, on=False)]
    assert len(states(*events)) == 1


def test_who_sends_only_sound_counts_as_stopped_and_has_no_video():
    (_, (before,)), (at_s, (after,)) = states(joined("1", -1), added(MIC1, -1))
    assert (before.stopped, after.stopped, at_s) == (False, True, 2.5)
    assert not after.tracks


def test_a_hand_over_of_recorders_changes_nothing_but_the_tracks():
    events = [joined("1", -9), added(CAM1, -9), removed(CAM1, 5), added(AGAIN1, 7)]
    found = states(*events)
    assert [(at_s, state[0].stopped) for at_s, state in found] == [(0, False), (7, False)]
    assert found[-1][1][0].tracks == {CAM1.id, AGAIN1.id}


def test_after_rejoining_older_tracks_do_not_count_and_the_place_is_the_last():
    events = [joined("1", -9), added(CAM1, -9), joined("2", -8), added(CAM2, -8)]
    events += [left("1", 1), removed(CAM1, 1), joined("1", 2), added(AGAIN1, 3)]
    found = states(*events)
    assert [who(state) for state in found] == [["1", "2"], ["2"], ["2", "1"]]
    assert found[-1][1][1].tracks == {AGAIN1.id}


def test_a_screen_is_as_another_publisher_and_frees_its_region_after_the_grace():
    events = [joined("1", -9), added(CAM1, -9), joined("2", -8), added(CAM2, -8)]
    events += [added(SHARE1, 1), removed(SHARE1, 10), added(AGAIN_SHARE1, 20)]
    found = states(*events)
    assert [(at_s, who((at_s, state))) for at_s, state in found] == [
        (0, ["1", "2"]),
        (1, ["1", "2", "1s"]),
        (13.5, ["1", "2"]),
        (20, ["1", "2", "1s"]),
    ]


def test_a_screen_whose_recorder_changes_keeps_its_place():
    events = [joined("1", -9), added(SHARE1, -9), joined("2", -8), added(CAM2, -8)]
    events += [removed(SHARE1, 3), added(AGAIN_SHARE1, 5)]
    assert {tuple(who(state)) for state in states(*events)} == {("1s", "2")}


def wanting(*steps):
    """Kinds by lists that change at times."""

    def kinds(uid, at_ns):
        now = EVERYBODY
        for at_s, wanted in steps:
            if at_ns >= START + at_s * NS:
                now = wanted
        return now.kinds(uid)

    return kinds


def test_who_is_not_wanted_any_more_is_gone_at_that_time():
    wanted = Wanted(not_audio_uids=frozenset("1"), not_video_uids=frozenset("1"))
    events = [joined("1", -9), added(CAM1, -9), added(MIC1, -9), joined("2", -8), added(CAM2, -8)]
    events += [wanted.event(START + 3 * NS), EVERYBODY.event(START + 6 * NS)]
    found = states(*events, kinds=wanting((3, wanted), (6, EVERYBODY)))
    assert [(at_s, who((at_s, state))) for at_s, state in found] == [
        (0, ["1", "2"]),
        (3, ["2"]),
        (6, ["1", "2"]),
    ]


def test_of_whom_only_sound_is_wanted_no_video_counts():
    wanted = Wanted(video_uids=frozenset())
    events = [joined("1", -9), added(CAM1, -9), added(MIC1, -9)]
    ((_, (one,)),) = states(*events, kinds=lambda uid, at_ns: wanted.kinds(uid))
    assert not one.tracks
    assert one.stopped
    assert states(*events[:2], kinds=lambda uid, at_ns: wanted.kinds(uid)) == [(0, ())]


def test_who_is_wanted_again_does_not_come_back_with_what_was_before():
    nobody = Wanted(frozenset(), frozenset())
    events = [joined("1", -9), added(CAM1, -9), removed(CAM1, 1)]
    events += [nobody.event(START + 3 * NS), EVERYBODY.event(START + 6 * NS), added(AGAIN1, 7)]
    found = states(*events, kinds=wanting((3, nobody), (6, EVERYBODY)))
    assert [who(state) for state in found] == [["1"], [], ["1"]]
    assert found[-1][1][0].tracks == {AGAIN1.id}


_ACTS = [
    lambda at_s: joined("1", at_s),
    lambda at_s: left("1", at_s),
    lambda at_s: added(CAM1, at_s),
    lambda at_s: removed(CAM1, at_s),
    lambda at_s: added(SHARE1, at_s),
    lambda at_s: removed(SHARE1, at_s),
    lambda at_s: muted(CAM1, at_s),
    lambda at_s: muted(CAM1, at_s, on=False),
    lambda at_s: joined("2", at_s),
    lambda at_s: added(MIC2, at_s),
    lambda at_s: removed(MIC2, at_s),
]


@given(st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 30)), max_size=14))
def test_slices_agree_with_one_cut_of_the_whole_whatever_happens(acts):
    events = sorted((act(at_s) for act, at_s in acts), key=lambda event: event.at_ns)
    whole = states(*events, start_s=-1)
    for start_s in (5, 15, 25):
        late = states(*events, start_s=start_s)
        before = [state for at_s, state in whole if at_s <= start_s or not at_s][-1]
        assert late[0][1] == before
        assert late[1:] == [one for one in whole if one[0] > start_s]
    times = [at_s for at_s, _ in whole[1:]]
    assert all(a <= b for a, b in itertools.pairwise(times))
