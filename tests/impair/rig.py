"""A bad network before a room, in a thread of its own: ``room+{rig.address}`` is the channel."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tests.impair.fates import CLEAN, Impairment
from tests.impair.proxy import Proxy
from tests.impair.relay import Relay, Spare

_Result = TypeVar("_Result")

_START_S = 10.0
_HOST = "127.0.0.1"


class Rig:
    """All relays of one proxy.  Its methods may be called from any thread.

    ``up`` is the way from clients to the room, ``down`` the way back.
    """

    def __init__(self, up: Impairment, down: Impairment, seed: int, spare: Spare) -> None:
        self.address = ""
        self.relays: list[Relay] = []  # in the order of the offers
        self._up, self._down, self._seed, self._spare = up, down, seed, spare
        self._loop = asyncio.new_event_loop()

    def change(self, *, up: Impairment | None = None, down: Impairment | None = None) -> None:
        """From now on, for relays there and to come; None: as before."""
        self._call(lambda: self._change(up, down))

    def outage(self, seconds: float, *, up: bool = True, down: bool = True) -> None:
        """Nothing at all passes for so long, from now on."""
        self._call(lambda: self._outage(seconds, up=up, down=down))

    @contextmanager
    def running(self, room: str) -> Iterator[None]:
        proxy = Proxy(room, self._open_relay)
        thread = threading.Thread(target=self._loop.run_forever, name="impaired network")
        thread.start()
        try:
            self.address = self._run(proxy.start(_HOST))
            yield
        finally:
            self._run(proxy.close())
            self._call(self._close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    def _call(self, do: Callable[[], _Result]) -> _Result:
        async def work() -> _Result:
            return do()

        return self._run(work())

    def _open_relay(self) -> Relay:
        relay = Relay(
            up=self._up,
            down=self._down,
            seed=f"{self._seed}/{len(self.relays)}",
            spare=self._spare,
            host=_HOST,
        )
        self.relays.append(relay)
        return relay

    def _change(self, up: Impairment | None, down: Impairment | None) -> None:
        self._up, self._down = up or self._up, down or self._down
        for relay in self.relays:
            relay.up.change(self._up)
            relay.down.change(self._down)

    def _outage(self, seconds: float, *, up: bool, down: bool) -> None:
        for relay in self.relays:
            if up:
                relay.up.outage(seconds)
            if down:
                relay.down.outage(seconds)

    def _close(self) -> None:
        for relay in self.relays:
            relay.close()


@contextmanager
def impaired(
    room: str,
    *,
    up: Impairment = CLEAN,
    down: Impairment = CLEAN,
    seed: int = 1,
    spare_handshake: bool = True,
    spare_consent: bool = True,
) -> Iterator[Rig]:
    """A bad network before the room at an ``http://`` address.

    What is spared of STUN and DTLS is neither lost nor jittered; it takes the delay all the same.
    """
    rig = Rig(up, down, seed, Spare(spare_handshake, spare_consent))
    with rig.running(room):
        yield rig
