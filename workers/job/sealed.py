"""Specs at rest: what opens buckets and channels is encrypted with the farm's key."""

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


def seal(spec: RecordingSpec, farm_key: SecretStr) -> str:
    """A spec as JSON text in which its secrets are not readable without the farm's key.

    The channel URL is one: its query may hold a PIN or an API secret.
    """
    rows = json.loads(spec.model_dump_json(exclude={"storage", "token", "channel_url"}))
    secret = {
        "channel_url": spec.channel_url,
        "storage": {name: _revealed(value) for name, value in spec.storage},
        "token": _revealed(spec.token),
    }
    token = _cipher(farm_key.get_secret_value()).encrypt(json.dumps(secret).encode())
    rows["sealed"] = token.decode("ascii")
    return json.dumps(rows, separators=(",", ":"))


def unseal(text: str | bytes, farm_key: SecretStr) -> RecordingSpec:
    """The inverse of :func:`seal`.  Raises cryptography.fernet.InvalidToken for another key."""
    rows = json.loads(text)
    secret = _cipher(farm_key.get_secret_value()).decrypt(rows.pop("sealed").encode("ascii"))
    return RecordingSpec.model_validate(rows | json.loads(secret))
