"""What one room server holds at most."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds; whoever comes when one is reached is refused, nobody is thrown out."""

    publishers: int = 200  # per channel, sources counted apart
    sessions: int = 4000  # publishers and subscribers of the whole room
    watchers: int = 2000  # open event streams of the whole room
    body_bytes: int = 64 * 1024
    name_chars: int = 255  # channel names and uids
    waiting_events: int = 256  # of one event stream; a reader who is slower is cut off
    keep_alive_s: float = 10.0
