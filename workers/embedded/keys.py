"""Credentials of an embedded farm: made once, kept in the data directory."""

import secrets
import string
import uuid
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.embedded.errors import EmbeddedError
from workers.embedded.private_file import write_private


def _hex() -> str:
    return secrets.token_hex(16)


def _letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


class Keys(BaseModel):
    """Every id and secret of the farm; a key that a newer version adds is made on load."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    app_id: str = Field(default_factory=_hex)
    customer_key: str = Field(default_factory=_hex)
    customer_secret: str = Field(default_factory=_hex)
    videosdk_api_key: str = Field(default_factory=lambda: str(uuid.uuid4()))
    videosdk_secret: str = Field(default_factory=lambda: secrets.token_hex(32))
    realtimekit_account_id: str = Field(default_factory=_hex)
    realtimekit_app_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    realtimekit_api_token: str = Field(default_factory=lambda: _letters(40))
    callback_secret: str = Field(default_factory=_hex)
    farm_key: str = Field(default_factory=lambda: secrets.token_hex(32))
    redis_password: str = Field(default_factory=lambda: _letters(40))
    # Letters and digits only: rclone takes "key,secret" as a row of CSV, and shorter ones
    # than a real S3 pair are "not on record" for it.
    s3_access_key: str = Field(
        default_factory=lambda: _letters(20, string.ascii_uppercase + string.digits)
    )
    s3_secret_key: str = Field(default_factory=lambda: _letters(40))

    @classmethod
    def kept(cls, path: Path) -> Self:
        """The keys in ``path``; made and written there (mode 0600) when there are none."""
        try:
            keys = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            keys = cls()
        except ValidationError as exc:
            where = ", ".join(".".join(map(str, row["loc"])) or row["msg"] for row in exc.errors())
            # Not "from exc": its text would print the secrets.
            raise EmbeddedError(f"{path} is not a file of keys ({where})") from None
        write_private(path, keys.model_dump_json(indent=2) + "\n")
        return keys
