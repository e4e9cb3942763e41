import pytest

from media.capture.idle import Idle


def test_a_channel_nobody_ever_entered_is_idle_in_time() -> None:
    idle = Idle(live=False, max_idle_s=30, now_s=100)
    assert idle.remaining_s(110) == 20
    assert idle.remaining_s(131) == 0


@pytest.mark.parametrize(("live", "counts"), [(False, True), (True, False)])
def test_listeners_count_in_communication_and_not_in_live(live: bool, counts: bool) -> None:
    idle = Idle(live=live, max_idle_s=30, now_s=0)
    idle.occupied(1, 5)
    assert (idle.remaining_s(10) is None) is counts


def test_the_time_begins_when_the_last_one_goes() -> None:
    idle = Idle(live=True, max_idle_s=30, now_s=0)
    idle.joined("a", 1)
    idle.joined("b", 2)
    idle.left("a", 50)
    assert idle.remaining_s(60) is None
    idle.left("b", 70)
    assert idle.remaining_s(80) == 20
    idle.joined("b", 90)
    assert idle.remaining_s(200) is None


def test_a_channel_that_cannot_be_seen_has_a_grace() -> None:
    idle = Idle(live=False, max_idle_s=30, now_s=0)
    idle.joined("a", 0)
    idle.lost(100, 300)
    assert idle.remaining_s(399) == 31
    idle.occupied(0, 200)
    assert idle.remaining_s(200) == 30
