"""The recorder's own place in a room: how it enters, and who else is there."""

import secrets
from collections.abc import Mapping
from typing import Any

import structlog

from media.channels.janus.access import Access
from media.channels.janus.feeds import Participant, read_participants
from media.channels.janus.ids import Ids
from media.channels.janus.session import Handle, Session
from media.channels.janus.wire import ID_EXISTS, INVALID_ELEMENT, JanusError, Message
from media.errors import ChannelError

DISPLAY = "Tapefarm recorder"  # by this recorders know each other

log = structlog.get_logger(__name__)


class Room:
    """Enters as a publisher that publishes nothing: so Janus tells it who publishes.

    When the UID is held by a recorder - one that was killed and that Janus still waits for, or
    one that is handing over to us - it enters under another id, until the other is gone.
    """

    def __init__(self, session: Session, access: Access, cname: str, uid: str) -> None:
        self.ids = Ids()
        self.uid = ""  # ours in the room
        self.rival = ""  # the UID that we should have and another recorder holds
        self._session = session
        self._access = access
        self._cname, self._wanted_uid = cname, uid
        self._handle: Handle | None = None
        self._private = 0
        self._inside = False

    async def enter(self) -> Message:
        """Who is there; also to look again.  Raises JanusError or ChannelError."""
        await self._withdraw()
        self.rival = ""
        self._handle = await self._session.attach()
        reply = await self._join(self._handle)
        try:
            self.uid = self.ids.text(reply.data.get("id"))
        except ValueError as exc:
            raise ChannelError("Janus let us in without an id") from exc
        private = reply.data.get("private_id")
        self._private = private if isinstance(private, int) else 0
        self._inside = True
        return reply

    async def news(self) -> Message:
        """The next message about the room.  Raises ChannelError when the session is over."""
        return await self._here().inbox.get()

    async def participants(self) -> dict[str, Participant]:
        """Everybody in the room, ourselves too.  Raises JanusError or ChannelError."""
        request = {"request": "listparticipants", "room": self._room()}
        reply = await self._here().ask(request)
        return read_participants(reply.data.get("participants"), self.ids)

    def left(self) -> None:
        """Janus told us that we are not in the room any more."""
        self._inside = False

    def of_subscriber(self) -> dict[str, Any]:
        """What a subscription to somebody in this room has to say when it joins."""
        private = {"private_id": self._private} if self._private else {}
        return {"room": self._room(), **private, **self._access.to_room()}

    async def _withdraw(self) -> None:
        """Leave the old place; the list of publishers comes with a new one only."""
        handle = self._handle
        if handle is None:
            return
        if self._inside:
            try:
                await handle.ask({"request": "leave"})
            except JanusError as exc:
                log.info("there was no place in the room to leave", code=exc.code)
            self._inside = False
        await handle.detach()
        self._handle = None

    async def _join(self, handle: Handle) -> Message:
        try:
            return await self._join_as(handle, self._wanted_uid)
        except JanusError as exc:
            if exc.code == INVALID_ELEMENT and not self.ids.numeric:
                self.ids = Ids(numeric=True)
                return await self._join(handle)
            if exc.code != ID_EXISTS or not await self._held_by_recorder():
                raise
        self.rival = self._wanted_uid
        log.warning("a recorder is in the room under our UID; entering under another")
        # Janus makes up a number; text is ours to make up.
        return await self._join_as(
            handle, "" if self.ids.numeric else f"{self._wanted_uid}-{secrets.token_hex(4)}"
        )

    async def _join_as(self, handle: Handle, uid: str) -> Message:
        request: dict[str, Any] = {
            "request": "join",
            "ptype": "publisher",
            "room": self._room(),
            "display": DISPLAY,
            **self._access.to_room(),
        }
        if uid:
            request["id"] = self.ids.to_wire(uid, "publisher")
        return await handle.ask(request)

    async def _held_by_recorder(self) -> bool:
        """Also where Janus does not say who it is: a recording goes on rather than ends."""
        try:
            people = await self.participants()
        except JanusError as exc:
            log.info("Janus does not say who holds our UID", code=exc.code)
            return True
        holder = people.get(str(self.ids.to_wire(self._wanted_uid, "publisher")))
        return holder is None or (holder.display == DISPLAY and not holder.publishing)

    def _room(self) -> str | int:
        return self.ids.to_wire(self._cname, "room")

    def _here(self) -> Handle:
        if self._handle is None:
            raise ChannelError("we are not in the room")
        return self._handle


def others(people: Mapping[str, Participant]) -> int:
    """How many are there who are no recorders: two recordings must not keep each other alive."""
    return sum(each.display != DISPLAY or each.publishing for each in people.values())
