"""Publishing into a Janus VideoRoom: join, offer, leave."""

from typing import Any

from media.channels.janus.access import Access
from media.channels.janus.ids import Ids
from media.channels.janus.session import Handle, Session
from media.channels.janus.wire import ID_EXISTS, INVALID_ELEMENT, JanusError, Message
from media.errors import ChannelError, ChannelRefused
from media.rtc.sdp import parse
from media.tape.model import Kind, Source

_GOODBYE_S = 1.0


class JanusPublisher:
    """One publisher in a VideoRoom, in a session of its own.

    PIN, API secret and API token come with the URL's query.
    """

    def __init__(self, url: str, *, cname: str, uid: str, source: Source) -> None:
        self._access = Access.of(url, None)
        self._session = Session(self._access)
        self._cname, self._uid, self._source = cname, uid, source
        self._handle: Handle | None = None
        self._mids: dict[Kind, str] = {}

    async def join(self, offer: str) -> str:
        """Enter the room and publish; the answer is Janus's."""
        try:
            await self._session.open()
            handle = await self._session.attach()
            await self._enter(handle)
            self._handle = handle
            return await self._publish(handle, offer)
        except JanusError as exc:
            if exc.code == ID_EXISTS:
                raise ChannelRefused("somebody is in the room under this UID already") from exc
            raise exc.verdict() from exc

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Janus relays nothing meanwhile.  It tells nobody: only a moderator's mute is news."""
        if self._handle is None:
            raise ChannelError("nothing to mute before joining")
        stream = {"mid": self._mids[kind], "send": not muted}
        await self._handle.ask({"request": "configure", "streams": [stream]})

    async def ended(self) -> str:
        """Waits until Janus is done with us."""
        if self._handle is None:
            raise ChannelError("nothing can end before joining")
        while True:
            try:
                reason = _end(await self._handle.inbox.get())
            except ChannelError as exc:
                return str(exc)
            if reason is not None:
                self._handle = None
                return reason

    async def leave(self) -> None:
        """Leave the room and end the session; a Janus that has gone is left as well."""
        handle, self._handle = self._handle, None
        try:
            if handle is not None and not self._session.over:
                await handle.ask({"request": "leave"}, timeout_s=_GOODBYE_S)
        finally:
            await self._session.close()

    async def _enter(self, handle: Handle) -> None:
        try:
            await self._enter_as(handle, Ids())
        except JanusError as exc:
            if exc.code != INVALID_ELEMENT:
                raise
            await self._enter_as(handle, Ids(numeric=True))

    async def _enter_as(self, handle: Handle, ids: Ids) -> None:
        await handle.ask(
            {
                "request": "join",
                "ptype": "publisher",
                "room": ids.to_wire(self._cname, "room"),
                "id": ids.to_wire(self._uid, "publisher"),
                "display": self._uid,
                **self._access.to_room(),
            }
        )

    async def _publish(self, handle: Handle, offer: str) -> str:
        sections = parse(offer).media
        self._mids = {Kind(section.kind): section.mid for section in sections}
        request: dict[str, Any] = {"request": "publish"}
        if self._source is Source.SCREEN:
            request["descriptions"] = [
                {"mid": mid, "description": "screen"} for mid in self._mids.values()
            ]
        reply = await handle.ask(request, offer=offer)
        if not reply.sdp:
            raise ChannelError("Janus did not answer our offer")
        return reply.sdp


def _end(message: Message) -> str | None:
    """Why we are out of the room, if this says that we are."""
    if message.kind in ("hangup", "detached"):
        return "Janus ended the connection"
    if message.data.get("leaving") == "ok":
        return "we were kicked out of the room"
    return "the room was destroyed" if message.about == "destroyed" else None
