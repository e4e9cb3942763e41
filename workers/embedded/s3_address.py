"""Where the farm's own bucket is, and the keys to it."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from workers.embedded.errors import BadAddress

BUCKET = "recordings"


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket reached through the S3 API."""

    endpoint: str  # host:port
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str = BUCKET
    secure: bool = False

    @classmethod
    def parse(cls, url: str) -> Self:
        """From ``http[s]://ACCESS_KEY:SECRET_KEY@host[:port][/bucket]``.  Raises BadAddress."""
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            raise BadAddress(_FORM) from None  # its message would repeat the secret
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadAddress(_FORM)
        if not parts.username or not parts.password:
            raise BadAddress(_FORM)
        bucket = parts.path.strip("/") or BUCKET
        if "/" in bucket:
            raise BadAddress("the path of an S3 address is the name of a bucket, nothing more")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(
            f"{host}{port}",
            unquote(parts.username),
            unquote(parts.password),
            bucket,
            parts.scheme == "https",
        )


_FORM = "an S3 address looks like http://ACCESS_KEY:SECRET_KEY@host:9000/bucket"
