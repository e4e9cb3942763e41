"""Where a Janus is, and what opens its doors."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit, urlunsplit

from media.errors import ChannelRefused

_PARTS = re.compile(r"(?:pin|token)=[^&]*(?:&(?:pin|token)=[^&]*)?")


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Read from the channel URL and the recording's token; shows no secret in a log."""

    address: str  # ws:// or wss://, without the query
    pin: str = ""  # of the room
    room_token: str = ""  # invitation, for a room with a list of allowed tokens
    api_secret: str = ""
    api_token: str = ""

    @classmethod
    def of(cls, url: str, token: str | None) -> "Access":
        """The query of the URL holds what counts for the whole farm, ``token`` goes before it.

        A plain token is sent as the room's PIN and as its invitation: Janus looks only at what
        the room asks for.  ``pin=…&token=…`` names them apart.  Raises ChannelRefused for a
        broken URL.
        """
        try:
            parts = urlsplit(url.removeprefix("janus+"))
            port = parts.port
        except ValueError as exc:
            raise ChannelRefused("the channel URL makes no sense") from exc
        if not parts.hostname or port == 0:
            raise ChannelRefused("the channel URL names no host")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        pin, invitation = query.get("pin", ""), ""
        if token and _PARTS.fullmatch(token):
            own = {name: values[-1] for name, values in parse_qs(token).items()}
            pin, invitation = own.get("pin", pin), own.get("token", "")
        elif token:
            pin = invitation = token
        return cls(
            urlunsplit((parts.scheme, parts.netloc, parts.path or "/", "", "")),
            pin,
            invitation,
            query.get("apisecret", ""),
            query.get("token", ""),
        )

    def to_api(self) -> dict[str, str]:
        """What every request to Janus itself carries."""
        given = {"apisecret": self.api_secret, "token": self.api_token}
        return {name: value for name, value in given.items() if value}

    def to_room(self) -> dict[str, str]:
        """What a request to enter the room carries."""
        given = {"pin": self.pin, "token": self.room_token}
        return {name: value for name, value in given.items() if value}
