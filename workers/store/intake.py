"""What the farm takes in: recorders that say how many they can hold, and recordings for them."""

from dataclasses import dataclass

import redis
from pydantic import SecretStr

from workers.job.allowance import UNLIMITED, Allowance
from workers.job.errors import Conflict, NoCapacity, QuotaExceeded
from workers.job.sealed import seal
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.store import intake_scripts, keys
from workers.store.connect import our_errors


@dataclass(frozen=True, slots=True)
class Room:
    """How much there is room for."""

    taken: int  # slots
    slots: int  # of all recorders that are alive
    within_quota: bool  # whether the app may have one more recording

    @property
    def free(self) -> bool:
        """Whether a slot is."""
        return self.taken < self.slots


class Intake:
    """In Redis.  Every method may raise StoreUnavailable."""

    def __init__(self, client: redis.Redis, farm_key: SecretStr) -> None:
        self.client = client
        self._farm_key = farm_key
        self._start = client.register_script(intake_scripts.START)
        self._room = client.register_script(intake_scripts.ROOM)
        self._heartbeat = client.register_script(intake_scripts.HEARTBEAT)

    def start(
        self,
        spec: RecordingSpec,
        nonce: str,
        allowance: Allowance = UNLIMITED,
        message: str = "",
    ) -> str | None:
        """Take a recording in and put the message into the queue of recorders, or do neither.

        Returns None, or the sid that this resource ID started before.  Raises Conflict,
        QuotaExceeded and NoCapacity; then nothing was written.
        """
        with our_errors():
            answer = self._start(
                keys=[
                    *(keys.recording(spec.sid), keys.ACTIVE, keys.ON_AIR),
                    *(keys.CLAIMS, keys.app(spec.app_id), keys.resource(nonce)),
                    *(keys.RECORDERS, keys.celery_queue(keys.RECORD)),
                ],
                args=[
                    *(spec.sid, seal(spec, self._farm_key), spec.accepted_ns, State.QUEUED.value),
                    keys.claim(spec.app_id, spec.cname, spec.recorder_uid),
                    *_limits(allowance),
                    spec.streams,
                    keys.SPENT_KEPT_S,
                    message,
                ],
            )
        if answer == "conflict":
            raise Conflict(spec.cname)
        if answer == "quota":
            raise QuotaExceeded("the app has as much going on as it may")
        if answer == "full":
            raise NoCapacity("no recorder slot is free")
        return answer.removeprefix("spent:") if answer != "ok" else None

    def busy(self, spec: RecordingSpec) -> str | None:
        """The recording that this recorder UID is busy with in this channel."""
        with our_errors():
            sid = self.client.hget(
                keys.CLAIMS, keys.claim(spec.app_id, spec.cname, spec.recorder_uid)
            )
        return None if sid is None else str(sid)

    def room(self, app_id: str = "", allowance: Allowance = UNLIMITED) -> Room:
        """How much there is room for; ``allowance`` is what the app may have."""
        with our_errors():
            taken, slots, over = self._room(
                keys=[keys.ON_AIR, keys.RECORDERS, keys.app(app_id)], args=_limits(allowance)
            )
        return Room(int(taken), int(slots), not over)

    def slots(self) -> int:
        """Slots of all recorders that are alive."""
        return self.room().slots

    def taken(self) -> int:
        """Slots in use."""
        with our_errors():
            return int(self.client.scard(keys.ON_AIR))

    def heartbeat(self, recorder: str, slots: int, ttl_s: float) -> None:
        """Say that a recorder process is alive."""
        with our_errors():
            self._heartbeat(keys=[keys.RECORDERS], args=[recorder, slots, int(ttl_s * 1000)])

    def retire(self, recorder: str) -> None:
        """Say that a recorder process takes nothing new."""
        with our_errors():
            self.client.hdel(keys.RECORDERS, recorder)


def _limits(allowance: Allowance) -> list[int | str]:
    return ["" if most is None else most for most in (allowance.recordings, allowance.streams)]
