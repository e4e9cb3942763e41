"""One subscription to one publisher over WHEP, kept alive until it is closed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import aiohttp
import structlog

from media.channels.base import Tap
from media.channels.listening import Listening
from media.errors import ChannelError, ChannelRefused
from media.tape.model import Kind

OFFER_TIMEOUT = aiohttp.ClientTimeout(total=8)
DELETE_TIMEOUT = aiohttp.ClientTimeout(total=2)
MAX_ANSWER = 256 * 1024  # bytes

log = structlog.get_logger(__name__)


@contextmanager
def channel_errors(what: str) -> Iterator[None]:
    """HTTP that fails is the channel's fault, and worth another try."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise ChannelError(f"{what}: {type(exc).__name__}") from exc


def refuse(status: int, what: str) -> None:
    """Raises what an HTTP status other than 2xx means."""
    if status in (400, 401, 403):
        is_token = status in (401, 403)
        raise ChannelRefused(f"{what} was refused with status {status}", is_token=is_token)
    if not 200 <= status < 300:
        raise ChannelError(f"{what} failed with status {status}")


class Subscription:
    """Listens to one publisher session: offers, connects, and tries again when a tap dies."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        open_tap: Callable[[], Tap],
        kinds: frozenset[Kind],
        unheard: Callable[[str], None],
    ) -> None:
        self._http = http
        self._url = url
        self._open_tap = open_tap
        self._kinds = kinds
        self._listening = Listening(self._listen, unheard)

    async def close(self) -> None:
        """Leave the publisher; bounded, idempotent."""
        await self._listening.close()

    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""
        tap, location = self._open_tap(), None
        try:
            answer, location = await self._post(await tap.offer(self._kinds))
            await tap.accept(answer)
            log.warning("a tap died", reason=await tap.ended())
        finally:
            await tap.close()
            if location is not None:
                await self._delete(location)

    async def _post(self, offer: str) -> tuple[str, str]:
        headers = {"Content-Type": "application/sdp"}
        with channel_errors("the offer to a publisher"):
            async with self._http.post(
                self._url, data=offer, headers=headers, timeout=OFFER_TIMEOUT
            ) as response:
                refuse(response.status, "the offer to a publisher")
                answer = await response.content.read(MAX_ANSWER)
                location = response.headers.get("Location", "")
        if not location:
            raise ChannelError("the answer of the channel has no Location")
        return answer.decode("utf-8", "replace"), urljoin(self._url, location)

    async def _delete(self, location: str) -> None:
        try:
            with channel_errors("leaving a publisher"):
                async with self._http.delete(location, timeout=DELETE_TIMEOUT):
                    pass
        except ChannelError as exc:
            # The server ends the session itself when our side of ICE falls silent.
            log.info("a publisher was left without a good-bye", error=str(exc))
