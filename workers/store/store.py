"""The farm's state in Redis: recordings, leases, slots.

A queue message is a hint; what stands here is the truth about who owns a recording.  What the
spool holds is the truth about its media.
"""

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

import redis
from pydantic import SecretStr

from workers.job.errors import AlreadyStopping, NotFound
from workers.job.sealed import seal, unseal
from workers.job.spec import RecordingSpec
from workers.job.state import ON_AIR, TERMINAL, Event, State, allowed
from workers.job.status import FileEntry
from workers.store import keys, notice_scripts, scripts
from workers.store.connect import our_errors
from workers.store.credentials import Credentials
from workers.store.intake import Intake
from workers.store.letter import Notices, letter
from workers.store.lock import locked
from workers.store.orders import Orders
from workers.store.recuts import Recuts
from workers.store.row import Row, read
from workers.store.seen import Seen
from workers.store.troubles import Troubles


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to tape a recording, until the lease lapses or a higher fence appears."""

    sid: str
    fence: int
    owner: str
    state: State


@dataclass(frozen=True, slots=True)
class Renewal:
    """What an owner hears when it renews its lease."""

    state: State
    stop_ns: int  # when it was asked to stop, 0 if it was not
    order: int  # number of the last order, 0 if there was none
    told: int = 0  # how many notices there were


# Names of notices that tell of the beginning, see Notice.once.
TOLD_AT_FIRST = ("started", "uploader")


class LeaseLost(Exception):
    """Somebody else owns the recording now."""


class Forgotten(Exception):
    """Redis lost its data and does not know the recording any more; see Store.restore."""


def _pairs(event: Event) -> list[str]:
    return [state for move in allowed(event).items() for state in move]


class Store(Intake):
    """Recordings in Redis.  Every method may raise StoreUnavailable."""

    def __init__(self, client: redis.Redis, farm_key: SecretStr) -> None:
        super().__init__(client, farm_key)
        self.orders = Orders(client, farm_key)
        self.credentials = Credentials(client, farm_key)
        self.recuts = Recuts(client, farm_key)
        self.troubles = Troubles(client)
        self._claim = client.register_script(scripts.CLAIM)
        self._renew = client.register_script(scripts.RENEW)
        self._release = client.register_script(scripts.RELEASE)
        self._move = client.register_script(scripts.MOVE)
        self._write = client.register_script(scripts.WRITE)
        self._free = client.register_script(scripts.FREE)
        self._finish = client.register_script(scripts.FINISH)
        self._restore = client.register_script(scripts.RESTORE)
        self._save_file = client.register_script(notice_scripts.SAVE_FILE)
        self._note = client.register_script(notice_scripts.NOTE)

    # -- by the API

    def ask_stop(self, sid: str, at_ns: int) -> None:
        """Ask for the end of a recording.  Raises NotFound and AlreadyStopping."""
        with our_errors():
            answer = self._move(
                keys=[keys.recording(sid)],
                args=["", "stop_ns", at_ns, "--", *_pairs(Event.STOP_ASKED), letter(())],
            )
            # A call that was sent twice because its answer was lost finds what it did itself.
            row = keys.recording(sid)
            if not answer.startswith("state:") or self.client.hget(row, "stop_ns") == str(at_ns):
                self.client.publish(keys.STOPS, sid)
                return
        state = answer.removeprefix("state:")
        if not state or State(state) in TERMINAL:
            raise NotFound(sid)
        raise AlreadyStopping(sid)

    def wait_finished(self, sid: str, timeout_s: float) -> bool:
        """Whether everything was delivered within the time."""
        with our_errors():
            token = self.client.blpop([keys.finished(sid)], timeout=timeout_s)
            if token is not None:
                self._say_finished(sid)  # others may wait too
        return token is not None

    def _say_finished(self, sid: str) -> None:
        with self.client.pipeline() as pipe:
            pipe.delete(keys.finished(sid))
            pipe.rpush(keys.finished(sid), "1")
            pipe.expire(keys.finished(sid), keys.FINISHED_KEPT_S)
            pipe.execute()

    # -- by recorders

    def stops(self) -> redis.client.PubSub:
        """A subscription to the sids of recordings that are asked to stop or to change.

        The caller closes it.
        """
        pubsub: redis.client.PubSub = self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py
        pubsub.subscribe(keys.STOPS)
        return pubsub

    def claim(self, sid: str, owner: str, ttl_s: float) -> Claim | None:
        """Become the owner, or None when somebody is or nobody need be."""
        with our_errors():
            answer = self._claim(
                keys=[keys.recording(sid), keys.lease(sid)],
                args=[owner, int(ttl_s * 1000), *_pairs(Event.CLAIMED)],
            )
        if isinstance(answer, str):
            return None
        return Claim(sid, int(answer[0]), owner, State(answer[1]))

    def renew(self, claim: Claim, ttl_s: float) -> Renewal:
        """Keep the lease.  Raises LeaseLost and Forgotten."""
        with our_errors():
            answer = self._renew(
                keys=[keys.recording(claim.sid), keys.lease(claim.sid), keys.sequence(claim.sid)],
                args=[claim.fence, claim.owner, int(ttl_s * 1000)],
            )
        if isinstance(answer, str):
            raise Forgotten(claim.sid) if answer == "gone" else LeaseLost(claim.sid)
        state, *numbers = answer
        return Renewal(State(state), *(int(number or 0) for number in numbers))

    def release(self, claim: Claim) -> None:
        """Give the lease back, so that another may take over at once."""
        with our_errors():
            self._release(
                keys=[keys.recording(claim.sid), keys.lease(claim.sid)],
                args=[claim.fence, claim.owner],
            )

    def move(
        self, claim: Claim, event: Event, *, notices: Notices = (), **fields: str | int
    ) -> State | None:
        """Move a recording we own, and tell; None if the event does not fit its state.

        Raises LeaseLost when a higher fence appeared, and Forgotten.
        """
        if event is Event.JOINED:
            fields["joined"] = 1
        pairs = [item for field in fields.items() for item in field]
        with our_errors():
            answer = self._move(
                keys=[keys.recording(claim.sid)],
                args=[claim.fence, *pairs, "--", *_pairs(event), letter(notices)],
            )
        if answer == "fence":
            raise LeaseLost(claim.sid)
        if answer == "state:":
            raise Forgotten(claim.sid)
        return None if answer.startswith("state:") else State(answer)

    def write(self, claim: Claim, **fields: str | int) -> None:
        """Set fields of a recording we own.  Raises LeaseLost and Forgotten."""
        pairs = [item for field in fields.items() for item in field]
        with our_errors():
            answer = self._write(keys=[keys.recording(claim.sid)], args=[claim.fence, *pairs])
        if answer != "ok":
            raise Forgotten(claim.sid) if answer == "gone" else LeaseLost(claim.sid)

    def restore(
        self, spec: RecordingSpec, state: State, fence: int, *, told: int = 0, **fields: int
    ) -> bool:
        """Tell Redis of a recording that it forgot; False if it had not.

        Whoever holds its tape knows what is true: its recorder, or the spool.  ``told``: how many
        notices there were, or more.
        """
        pairs = [item for field in fields.items() for item in field]
        row = ["spec", seal(spec, self._farm_key), "state", state.value, "fence", fence]
        with our_errors():
            return bool(
                self._restore(
                    keys=[
                        keys.recording(spec.sid),
                        keys.ACTIVE,
                        *(keys.ON_AIR, keys.CLAIMS, keys.app(spec.app_id)),
                        *(keys.recuts(spec.sid), keys.sequence(spec.sid), keys.said(spec.sid)),
                    ],
                    args=[
                        spec.sid,
                        int(is_on_air(state)),
                        keys.claim(spec.app_id, spec.cname, spec.recorder_uid),
                        *(spec.streams, told, keys.RESOURCE_KEPT_S, *TOLD_AT_FIRST),
                        *row,
                        "accepted_ns",
                        spec.accepted_ns,
                        *pairs,
                    ],
                )
            )

    def tape_closed(
        self, claim: Claim, spec: RecordingSpec, *, notices: Notices = (), **fields: str | int
    ) -> None:
        """The tape is closed: the slot, the UID and the lease are free again."""
        self.move(claim, Event.TAPE_CLOSED, notices=notices, **fields)
        with our_errors():
            self._free(
                keys=[
                    *(keys.ON_AIR, keys.CLAIMS, keys.app(spec.app_id)),
                    keys.lease(claim.sid),
                    *self.orders.keys(claim.sid),
                ],
                args=[claim.sid, keys.claim(spec.app_id, spec.cname, spec.recorder_uid)],
            )

    # -- by cutters, uploaders and the reconciler

    def row(self, sid: str) -> Row | None:
        """A recording, or None."""
        with our_errors():
            raw = self.client.hgetall(keys.recording(sid))
        return read(sid, {str(name): str(value) for name, value in raw.items()})

    def seen(self, sid: str) -> Seen | None:
        """All that there is to say of a recording, or None; one round trip."""
        with our_errors(), self.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.recording(sid))
            pipe.hgetall(keys.files(sid))
            pipe.exists(keys.lease(sid))
            raw, files, leased = pipe.execute()
        row = read(sid, raw)
        if row is None:
            return None
        return Seen(row, unseal(raw["spec"], self._farm_key), _files(files), bool(leased))

    def spec(self, sid: str) -> RecordingSpec:
        """What was asked for.  Raises NotFound."""
        with our_errors():
            text = self.client.hget(keys.recording(sid), "spec")
        if text is None:
            raise NotFound(sid)
        return unseal(text, self._farm_key)

    def active(self) -> list[str]:
        """Recordings that are not in a terminal state."""
        with our_errors():
            return sorted(str(sid) for sid in self.client.smembers(keys.ACTIVE))

    def on_air(self) -> list[str]:
        """Recordings that hold a recorder slot."""
        with our_errors():
            return sorted(str(sid) for sid in self.client.smembers(keys.ON_AIR))

    def unleased(self) -> list[str]:
        """Recordings that hold a recorder slot and that no recorder held a moment ago.

        However many there are, two commands: it is asked often.
        """
        sids = self.on_air()
        with our_errors():
            leases = self.client.mget([keys.lease(sid) for sid in sids]) if sids else []
        return [sid for sid, lease in zip(sids, leases, strict=True) if lease is None]

    def off_air(self) -> list[str]:
        """Recordings that are not in a terminal state and hold no recorder slot."""
        with our_errors():
            return sorted(str(sid) for sid in self.client.sdiff([keys.ACTIVE, keys.ON_AIR]))

    def leased(self, sid: str) -> bool:
        """Whether a recorder holds it now."""
        with our_errors():
            return bool(self.client.exists(keys.lease(sid)))

    def save_file(self, sid: str, file: FileEntry, notices: Notices = ()) -> None:
        """A playlist or an MP4 stands in the bucket; tell.  Raises NotFound if it has to tell."""
        with our_errors():
            answer = self._save_file(
                keys=[keys.files(sid), keys.recording(sid)],
                args=[file.name, json.dumps(asdict(file)), letter(notices)],
            )
        if answer == "gone":
            raise NotFound(sid)

    def note(self, sid: str, field: str, value: str | int, notices: Notices = ()) -> None:
        """Set a field of a recording, whoever owns it, and tell.  Raises NotFound."""
        with our_errors():
            answer = self._note(keys=[keys.recording(sid)], args=[field, value, letter(notices)])
        if answer == "gone":
            raise NotFound(sid)

    def files(self, sid: str) -> list[FileEntry]:
        """The playlists and MP4 files that stand in the bucket, by name."""
        with our_errors():
            return list(_files(self.client.hgetall(keys.files(sid))))

    def save_report(self, sid: str, text: str) -> None:
        """The quality report of a recording that is ending."""
        with our_errors():
            self.client.set(keys.report(sid), text, ex=keys.KEPT_S)

    def report(self, sid: str) -> str | None:
        """The quality report, JSON; None before the end, and when it was not wanted."""
        with our_errors():
            text = self.client.get(keys.report(sid))
        return None if text is None else str(text)

    def finish(
        self, sid: str, event: Event, at_ns: int, *, tape_s: int = 0, notices: Notices = ()
    ) -> bool:
        """End a recording, and tell; True for the one caller who did it.

        ``tape_s``: for how long its tape is kept, and so long it is remembered, with its files and
        recuts.
        """
        with our_errors():
            return bool(
                self._finish(
                    keys=[
                        *(keys.recording(sid), keys.ACTIVE, keys.ON_AIR, keys.finished(sid)),
                        *(keys.files(sid), keys.recuts(sid)),
                    ],
                    args=[
                        *(sid, at_ns, keys.KEPT_S + tape_s, keys.FINISHED_KEPT_S),
                        *_pairs(event),
                        letter(notices),
                    ],
                )
            )

    def tape_kept_s(self, sid: str) -> int:
        """For how long the tape of an ended recording is kept from now on, seconds; see finish."""
        with our_errors():
            return max(0, int(self.client.ttl(keys.recording(sid))) - keys.KEPT_S)

    def ask_once(self, sid: str, work: str, ttl_s: float) -> bool:
        """True for the first who asks within the time; keeps the queues free of repetitions."""
        with our_errors():
            key = keys.asked(sid, work)
            return bool(self.client.set(key, "1", nx=True, px=int(ttl_s * 1000)))

    def tried(self, sid: str, work: str) -> int:
        """Count that work was tried and failed; how often that was, this time included."""
        key = keys.tried(sid, work)
        with our_errors(), self.client.pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, keys.TRIED_KEPT_S)
            return int(pipe.execute()[0])

    def queue_depth(self, queue: str) -> int:
        """Messages that wait in a queue."""
        with our_errors():
            return int(self.client.llen(keys.celery_queue(queue)))

    def locked(self, name: str, *, ttl_s: float, wait_s: float) -> AbstractContextManager[bool]:
        """Hold a lock, see :func:`workers.store.lock.locked`."""
        return locked(self.client, name, ttl_s=ttl_s, wait_s=wait_s)


def _files(rows: Mapping[bytes | str, bytes | str]) -> tuple[FileEntry, ...]:
    """By name."""
    return tuple(FileEntry(**json.loads(rows[name])) for name in sorted(rows))


def is_on_air(state: State) -> bool:
    """Whether a recording in this state needs a recorder."""
    return state in ON_AIR


def now_ns() -> int:
    """The wall clock, Unix nanoseconds."""
    return time.time_ns()
