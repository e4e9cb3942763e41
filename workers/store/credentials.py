"""Keys of customers' buckets that change while a recording goes on.

Redis and the spool both hold them, and either may have lost what came last: the newest win.
"""

import redis
import structlog
from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from workers.job.errors import NotFound, StoreUnavailable
from workers.job.sealed import renewed_ns, seal, unseal
from workers.job.spec import RecordingSpec, Storage
from workers.job.state import TERMINAL
from workers.store import keys, scripts
from workers.store.connect import our_errors

_TRIES = 5  # each is lost to another call that changed the same recording meanwhile

log = structlog.get_logger(__name__)


class Credentials:
    """Of all recordings."""

    def __init__(self, client: redis.Redis, farm_key: SecretStr) -> None:
        self._client = client
        self._farm_key = farm_key
        self._rekey = client.register_script(scripts.REKEY)

    def renew(self, sid: str, storage: Storage) -> None:
        """Give a recording's bucket other keys, unless it has newer ones.

        Raises NotFound for a recording that has ended, and StoreUnavailable.
        """
        for _ in range(_TRIES):
            with our_errors():
                text = self._client.hget(keys.recording(sid), "spec")
            if text is None:
                raise NotFound(sid)
            spec = unseal(text, self._farm_key)
            if spec.storage.renewed_ns >= storage.renewed_ns:
                return
            made = self.sealed(spec.model_copy(update={"storage": storage}))
            with our_errors():
                answer = self._rekey(
                    keys=[keys.recording(sid)], args=[text, made, *sorted(TERMINAL)]
                )
            if answer == "gone":
                raise NotFound(sid)
            if answer == "ok":
                return
        raise StoreUnavailable("the recording is busy, try again")

    def sealed(self, spec: RecordingSpec) -> str:
        """A spec as the spool keeps it."""
        return seal(spec, self._farm_key)

    def newest(self, spec: RecordingSpec, kept: str | None) -> RecordingSpec:
        """The same recording with the spool's keys, if those are newer than its own.

        ``kept`` is what the spool has of it, sealed.
        """
        if kept is None or renewed_ns(kept) <= spec.storage.renewed_ns:
            return spec
        try:
            storage = unseal(kept, self._farm_key).storage
        except (InvalidToken, ValueError):
            log.exception("keys in the spool cannot be read", sid=spec.sid)
            return spec
        return spec.model_copy(update={"storage": storage})
