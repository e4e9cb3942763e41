"""Where a storage is, as people write it."""

import re
from dataclasses import dataclass
from typing import Final

_HOST: Final = re.compile(
    r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII
)
_HOST_CHARS: Final = 253
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What ``[http[s]://]host[:port][/path]`` says."""

    address: str  # host[:port], in lower case
    secure: bool
    path: str  # without slashes around it


def read_endpoint(text: str) -> Endpoint:
    """Raises ValueError, whose text says what would be right.  Without a scheme it is https."""
    scheme, mark, rest = text.rpartition("://")
    if mark and scheme.lower() not in {"http", "https"}:
        raise ValueError("The scheme must be http or https")
    address, _, path = rest.partition("/")
    host, colon, port = address.partition(":")
    if len(host) > _HOST_CHARS or not _HOST.fullmatch(host):
        raise ValueError("It must be [http[s]://]host[:port]")
    if colon and not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        raise ValueError("The port must be an integer from 1 to 65535")
    return Endpoint(host.lower() + colon + port, scheme.lower() != "http", path.removesuffix("/"))
