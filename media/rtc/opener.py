"""Makes the links of one connection: all alike, whichever way they go."""

from collections.abc import Callable
from dataclasses import dataclass

from media.rtc.counters import Counters
from media.rtc.network import IceServer, Network
from media.rtc.relay import Relay, open_relay
from media.rtc.wire import Wire


@dataclass(frozen=True, slots=True)
class Opener:
    """What links need to know of their connection."""

    network: Network
    receive_buffer_bytes: int
    counters: Counters
    on_dtls: Callable[[bytes], None]
    on_lost: Callable[[Relay], None]

    def wire(self, address: str, port: int = 0) -> Wire:
        """A socket of ours; port 0 is the system's choice.  Raises OSError."""
        return Wire(
            address,
            port,
            receive_buffer_bytes=self.receive_buffer_bytes,
            counters=self.counters,
            on_dtls=self.on_dtls,
        )

    async def relay(self, server: IceServer) -> Relay:
        """An allocation on a TURN server.  Raises ConnectFailed."""
        return await open_relay(
            server,
            tls=self.network.tls,
            receive_buffer_bytes=self.receive_buffer_bytes,
            counters=self.counters,
            on_dtls=self.on_dtls,
            on_lost=self.on_lost,
        )
