"""Calls that come again, and calls while the farm is not all there."""

from dataclasses import replace
from typing import Any

from api.memory import MemoryControl
from tests.api.farm import CNAME, UID, Farm, error, start_body
from workers.job.errors import StorageRefused, StoreTimeout
from workers.job.state import State
from workers.job.status import FileEntry

INDEX = FileEntry("a_demo-room-7.m3u8", "audio_and_video", "0", True, True, 1_760_000_000_150)


def test_a_repeated_start_is_201_whatever_else_is_wrong_with_it(farm: Farm) -> None:
    resource_id, sid = farm.started()
    farm.control.storage_error = StorageRefused("the bucket refused the keys")
    for client, mode in (
        (start_body(), "mix"),  # the bucket does not answer any more
        (start_body(maxIdleTime=300), "individual"),
        (start_body(maxIdleTime=1), "mix"),
        (start_body(), "web"),
    ):
        assert error(farm.start(resource_id, client, mode=mode)) == (201, 7)
    assert list(farm.control.specs) == [sid]
    farm.control.move(sid, State.ENDED)
    assert error(farm.start(resource_id)) == (400, 433)


def test_a_recording_without_a_recorder_is_not_found_but_can_be_stopped(farm: Farm) -> None:
    resource_id, sid = farm.started()
    farm.control._rows[sid] = replace(
        farm.control._rows[sid], state=State.RECORDING, orphan=True, files=(INDEX,)
    )
    answer = farm.query(resource_id, sid)
    assert error(answer) == (404, 404)
    assert answer.json["reason"] == "failed to find worker"
    for call in ("update", "updateLayout"):
        assert error(farm.change(call, resource_id, sid)) == (404, 404)
    assert not farm.control.orders
    assert farm.stop(resource_id, sid).status_code == 200


def test_the_status_follows_the_recording_and_never_goes_back(farm: Farm) -> None:
    resource_id, sid = farm.started()
    seen = []
    for state, changes in (
        (State.QUEUED, {}),
        (State.JOINING, {}),
        (State.RECORDING, {"joined": True}),
        (State.JOINING, {"joined": True}),  # another recorder takes over
        (State.RECORDING, {"files": (INDEX,)}),
        (State.JOINING, {}),
        (State.STOPPING, {}),
        (State.DELIVERING, {}),
    ):
        row = farm.control._rows[sid]
        farm.control._rows[sid] = replace(row, state=state, **changes)
        seen.append(farm.query(resource_id, sid).json["serverResponse"]["status"])
    assert seen == [1, 2, 4, 4, 5, 5, 6, 7]


class Slow(MemoryControl):
    """Redis may have heard a call, and its answer does not come."""

    away = False

    def start(self, *asked: Any) -> str | None:
        away, self.away = self.away, False
        done = super().start(*asked)
        self.away = away
        return self._told(done)

    def capacity(self, app_id: str = "", allowance: object = None) -> bool:
        return self._told(super().capacity())

    def status(self, sid: str) -> Any:
        return self._told(super().status(sid))

    def _told(self, answer: Any) -> Any:
        if self.away:
            raise StoreTimeout("redis did not answer in time")
        return answer


def test_a_call_whose_answer_is_lost_is_65_and_can_be_repeated() -> None:
    control = Slow()
    farm = Farm(control=control)
    resource_id = farm.acquire()
    control.away = True
    answer = farm.start(resource_id)
    assert error(answer) == (206, 65)
    assert answer.json["reason"] == "request not completed"
    [sid] = control.specs
    assert error(farm.query(resource_id, sid)) == (206, 65)
    assert error(farm.stop(resource_id, sid)) == (206, 65)
    for call in ("update", "updateLayout"):
        assert error(farm.change(call, resource_id, sid)) == (206, 65)
    body = {"cname": CNAME, "uid": UID, "clientRequest": {}}
    assert error(farm.call("POST", "/acquire", body)) == (500, 504)
    control.away = False
    repeated = farm.start(resource_id)
    assert (repeated.status_code, repeated.json["sid"]) == (200, sid)
    assert list(control.specs) == [sid]
    assert farm.query(resource_id, sid).status_code == 200
    other = Farm(control=control)  # another process of the API cannot know
    assert error(other.start(resource_id)) == (201, 7)
    control.move(sid, State.ENDED)
    assert error(farm.start(resource_id)) == (400, 433)
