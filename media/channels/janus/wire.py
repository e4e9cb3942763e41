"""Messages of the Janus API as frozen values (Janus documentation, "WebSockets Interface")."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from media.errors import ChannelError, ChannelRefused

PROTOCOL: Final = "janus-protocol"
PLUGIN: Final = "janus.plugin.videoroom"
LIMIT: Final = 4 * 1024 * 1024  # bytes of one message

NO_SUCH_SESSION: Final = 458
INVALID_ELEMENT: Final = 430
NO_SUCH_ROOM: Final = 426
ID_EXISTS: Final = 436

# What cannot get better by asking again (apierror.h and janus_videoroom.c of Janus).
_REFUSED = {
    403: "Janus refused its API secret or token",
    405: "Janus does not let this token use the VideoRoom",
    460: "this Janus has no VideoRoom",
    429: "the room asks for a PIN, and there is none",
    433: "the room refused its PIN or token",
    ID_EXISTS: "somebody else is in the room under the recorder's UID",
    INVALID_ELEMENT: "Janus does not take this channel name or UID",
}
_TOKENS = {403, 405, 429, 433}  # those of them that another token would help
_RETRIED = {
    NO_SUCH_SESSION: "Janus knows the session no more",
    NO_SUCH_ROOM: "there is no such room",
    428: "there is no such publisher",
}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class JanusError(ChannelError):
    """Janus answered a request with an error."""

    def __init__(self, code: int) -> None:
        # Janus's own words stay out: they quote what was sent.
        super().__init__(_REFUSED.get(code) or _RETRIED.get(code) or f"Janus error {code}")
        self.code = code

    def verdict(self) -> ChannelError:
        """The same as a ChannelRefused when asking again is of no use."""
        if self.code not in _REFUSED:
            return self
        return ChannelRefused(str(self), is_token=self.code in _TOKENS)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of Janus, or a notice of our own about the session."""

    kind: str  # "ack", "success", "error", "event", "hangup", "claimed" and others
    transaction: str = ""
    sender: int = 0  # the handle; 0 when the message is about the session
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)  # of the plugin or the core
    sdp: str = ""
    error: int = 0

    @property
    def about(self) -> str:
        """What the VideoRoom calls it."""
        about = self.data.get("videoroom")
        return about if isinstance(about, str) else ""


def parse(text: str) -> Message | None:
    """Read a message; None for what makes no sense, which is nobody's end."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(root, dict) or not isinstance(root.get("janus"), str):
        return None
    kind = root["janus"]
    plugin = _object(_object(root.get("plugindata")).get("data"))
    core = {"candidate": root.get("candidate")} if kind == "trickle" else root.get("data")
    return Message(
        kind,
        _text(root.get("transaction")),
        _number(root.get("sender")),
        plugin or _object(core),
        _text(_object(root.get("jsep")).get("sdp")),
        _number(plugin.get("error_code")) or _core_error(kind, root),
    )


def _core_error(kind: str, root: dict[str, Any]) -> int:
    if kind != "error":
        return 0
    return _number(_object(root.get("error")).get("code")) or 490  # JANUS_ERROR_UNKNOWN


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
