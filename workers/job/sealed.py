"""At rest: what opens buckets and channels, and whole orders, are encrypted with the farm's key."""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr

from workers.job.spec import RecordingSpec


@lru_cache(maxsize=4)
def _cipher(farm_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(farm_key.encode()).digest()))


def _revealed(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def seal_text(text: str, farm_key: SecretStr) -> str:
    """A text that is not readable without the farm's key."""
    return _cipher(farm_key.get_secret_value()).encrypt(text.encode()).decode("ascii")


def unseal_text(token: str, farm_key: SecretStr) -> str:
    """The inverse of :func:`seal_text`.  Raises cryptography.fernet.InvalidToken."""
    return _cipher(farm_key.get_secret_value()).decrypt(token.encode("ascii")).decode()


def seal(spec: RecordingSpec, farm_key: SecretStr) -> str:
    """A spec as JSON text in which its secrets are not readable without the farm's key.

    URLs may hold one in their query: that of the channel, and those of a look's images.
    """
    rows = spec.model_dump(mode="json", exclude={"storage", "token", "channel_url", "look"})
    secret = {
        "channel_url": spec.channel_url,
        "look": spec.look.to_json(),
        "storage": {name: _revealed(value) for name, value in spec.storage},
        "token": _revealed(spec.token),
    }
    rows["renewed_ns"] = spec.storage.renewed_ns
    rows["sealed"] = seal_text(json.dumps(secret), farm_key)
    return json.dumps(rows, separators=(",", ":"))


def unseal(text: str | bytes, farm_key: SecretStr) -> RecordingSpec:
    """The inverse of :func:`seal`.  Raises cryptography.fernet.InvalidToken for another key."""
    rows = json.loads(text)
    rows.pop("renewed_ns", None)
    secret = unseal_text(rows.pop("sealed"), farm_key)
    return RecordingSpec.model_validate(rows | json.loads(secret))


def renewed_ns(text: str | bytes) -> int:
    """When the bucket of a sealed spec got the keys it has; see Storage."""
    return int(json.loads(text).get("renewed_ns", 0))
