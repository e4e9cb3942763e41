from collections.abc import Callable

from workers.job.spec import RecordingSpec
from workers.uploader.patience import Patience

Make = Callable[..., RecordingSpec]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_bucket_that_fails_is_tried_less_and_less_often_by_one_at_a_time(make_spec: Make) -> None:
    clock, storage = Clock(), make_spec().storage
    patience, pauses = Patience(clock), []
    for _ in range(9):
        assert patience.may_try(storage)
        patience.failed(storage)
        began_s = clock.now_s
        while not patience.may_try(storage):
            clock.now_s += 0.5
        pauses.append(clock.now_s - began_s)
        assert not patience.may_try(storage)
        patience.failed(storage)
        clock.now_s += pauses[-1] * 2 + 1
    assert pauses[0] == 1
    assert pauses == sorted(pauses)
    assert max(pauses) == 60


def test_failures_at_the_same_time_count_once_and_success_ends_the_pause(make_spec: Make) -> None:
    clock, storage = Clock(), make_spec().storage
    patience = Patience(clock)
    for _ in range(4):
        patience.failed(storage)
    clock.now_s += 1
    assert patience.may_try(storage)
    patience.worked(storage)
    assert patience.may_try(storage)
    assert patience.may_try(storage)


def test_other_keys_to_the_same_bucket_are_not_held_up(make_spec: Make) -> None:
    storage = make_spec().storage
    patience = Patience(Clock())
    patience.failed(storage)
    assert not patience.may_try(storage.model_copy(update={"prefix": "c/"}))
    assert patience.may_try(storage.model_copy(update={"access_key": "ANOTHER"}))


def test_a_trial_that_never_came_to_the_bucket_lets_another_try(make_spec: Make) -> None:
    clock, storage = Clock(), make_spec().storage
    patience = Patience(clock)
    patience.failed(storage)
    clock.now_s += 1
    assert patience.may_try(storage)
    patience.tried(storage)
    assert patience.may_try(storage)
