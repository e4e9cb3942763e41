"""Names of rooms and publishers: text with ``string_ids``, whole numbers without."""

from dataclasses import dataclass

from media.errors import ChannelRefused

_END = 1 << 63  # Janus reads signed 64 bits


@dataclass(frozen=True, slots=True)
class Ids:
    """How one Janus writes ids.  Everywhere else they are text."""

    numeric: bool = False

    def to_wire(self, name: str, what: str) -> str | int:
        """An id as Janus wants it.  Raises ChannelRefused for what should be a number."""
        if not self.numeric:
            return name
        if name.isascii() and name.isdigit() and len(name) < 20 and 0 < int(name) < _END:
            return int(name)
        raise ChannelRefused(f"this Janus knows {what}s by number, and {name!r} is none")

    def text(self, value: object) -> str:
        """An id as Janus wrote it.  Raises ValueError for what cannot be one."""
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise ValueError("neither text nor a number")
