"""How much is sent in one measurement, and by whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from media.tape.model import Kind

CONNECTIONS_PER_SENDER = 100  # one Python process sends this much without being late


@dataclass(frozen=True, slots=True)
class Load:
    """Connections spread over channels, each with one track of each of the kinds."""

    connections: int
    channels: int
    kinds: tuple[Kind, ...] = (Kind.AUDIO,)

    @property
    def tracks(self) -> int:
        """Of all connections."""
        return self.connections * len(self.kinds)

    def channel(self, connection: int) -> int:
        """The channel that a connection publishes in."""
        return connection % self.channels

    def at_most(self, tracks: int) -> "Load":
        """The same with fewer connections, at least one, and never more channels than those."""
        connections = max(1, min(self.connections, tracks // len(self.kinds)))
        return Load(connections, min(self.channels, connections), self.kinds)

    def batches(self, size: int) -> Iterator[range]:
        """Connection numbers, so many at a time."""
        for first in range(0, self.connections, size):
            yield range(first, min(first + size, self.connections))
