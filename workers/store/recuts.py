"""Recuts, and the ended recordings whose tape is kept for them."""

from collections.abc import Mapping

import redis
from pydantic import SecretStr

from workers.job.sealed import seal
from workers.job.spec import RecordingSpec
from workers.job.state import State
from workers.store import keys, scripts
from workers.store.connect import our_errors

_Row = Mapping[str, str | int]


class Recuts:
    """Of all recordings.  Every method may raise StoreUnavailable."""

    def __init__(self, client: redis.Redis, farm_key: SecretStr) -> None:
        self._client = client
        self._farm_key = farm_key
        self._begin = client.register_script(scripts.BEGIN_RECUT)
        self._write = client.register_script(scripts.WRITE)
        self._remember = client.register_script(scripts.REMEMBER)

    def begin(self, spec: RecordingSpec) -> bool:
        """Take a recording in that needs no recorder; False if it is known already."""
        row: _Row = {
            "spec": seal(spec, self._farm_key),
            "state": State.DELIVERING.value,
            "fence": 0,  # nobody ever claims it
            "accepted_ns": spec.accepted_ns,
            "origin_ns": spec.tape_from_ns,
            "units_sealed": 0,
            "tape_of": spec.tape_of,
        }
        with our_errors():
            return bool(
                self._begin(
                    keys=[
                        keys.recording(spec.sid),
                        keys.ACTIVE,
                        keys.recuts(spec.tape_of),
                        keys.recording(spec.tape_of),
                    ],
                    args=[spec.sid, keys.KEPT_S, *_pairs(row)],
                )
            )

    def follow(self, sid: str, **fields: str | int) -> None:
        """Say how far the tape is that it is cut from."""
        with our_errors():
            self._write(keys=[keys.recording(sid)], args=[0, *_pairs(fields)])

    def of(self, sid: str) -> list[str]:
        """Those that were made from a recording's tape, as long as it is remembered."""
        with our_errors():
            return sorted(str(cut) for cut in self._client.smembers(keys.recuts(sid)))

    def remember(self, spec: RecordingSpec, tape_s: int, **fields: int) -> bool:
        """Tell Redis of an ended recording whose tape is kept; False if it had not forgotten it."""
        row: _Row = {
            "spec": seal(spec, self._farm_key),
            "state": State.ENDED.value,
            "fence": 0,
            "accepted_ns": spec.accepted_ns,
            **fields,
        }
        with our_errors():
            return bool(
                self._remember(
                    keys=[keys.recording(spec.sid), keys.files(spec.sid), keys.recuts(spec.sid)],
                    args=[keys.KEPT_S + tape_s, *_pairs(row)],
                )
            )


def _pairs(row: _Row) -> list[str | int]:
    return [item for field in row.items() for item in field]
