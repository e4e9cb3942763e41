"""Resource IDs: signed tickets that say who may start what, and until when.

The ID is URL-safe base64 of a fixed layout and an HMAC over it.  App, channel and uid are in it
as keyed digests, so its length does not depend on them and nobody can read them from it.  The
sid is derived from the ticket's nonce: a ticket can only ever start one recording, a repeated
start finds the same sid, and whether a sid belongs to a ticket needs no look-up.
"""

import base64
import binascii
import hmac
import secrets
import struct
from dataclasses import dataclass

from pydantic import SecretStr

from api.agora.errors import (
    ResourceExpired,
    ResourceForOther,
    ResourceMismatch,
    ResourceUnreadable,
)

NS = 1_000_000_000
START_WITHIN_NS = 5 * 60 * NS
_HOUR_NS = 3600 * NS
_CLOCK_SKEW_NS = 60 * NS  # between API processes on different hosts
_VERSION = 1
_LAYOUT = struct.Struct(">BBHQ32s32s64s")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Resource:
    """What a resource ID says."""

    scene: int
    hours: int
    issued_ns: int  # Unix nanoseconds
    nonce: str
    sid: str  # of the only recording that it can start
    owner: bytes  # digests of channel and uid

    def check_fresh(self, now_ns: int) -> None:
        """Raises ResourceExpired unless it may still be started."""
        if not -_CLOCK_SKEW_NS <= now_ns - self.issued_ns <= START_WITHIN_NS:
            raise ResourceExpired("the resource ID has expired, call acquire again")

    def serves(self, accepted_ns: int, now_ns: int) -> bool:
        """Whether the calls on a recording still work: the hours count from its start call."""
        return now_ns < accepted_ns + self.hours * _HOUR_NS

    def started(self, sid: str) -> bool:
        """Whether the sid is the one that this ticket starts."""
        return hmac.compare_digest(sid.encode(), self.sid.encode())


class ResourceIds:
    """Issues and reads resource IDs.  Every API process of a farm has the same key."""

    def __init__(self, farm_key: SecretStr) -> None:
        farm = farm_key.get_secret_value().encode()
        self._key = hmac.digest(farm, b"agora resource id 1", "sha256")

    def issue(
        self, app_id: str, cname: str, uid: str, *, scene: int, hours: int, now_ns: int
    ) -> str:
        """A new ID; two calls with the same arguments give different ones."""
        app, owner = self._digest(b"app", app_id), self._owner(cname, uid)
        nonce = secrets.token_bytes(32)
        body = _LAYOUT.pack(_VERSION, scene, hours, now_ns, nonce, app, owner)
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode()

    def read(self, text: str, app_id: str) -> Resource:
        """What an ID says.  Raises ResourceUnreadable, and ResourceMismatch for another app."""
        body = self._verified(text)
        _, scene, hours, issued_ns, nonce, app, owner = _LAYOUT.unpack(body)
        if not hmac.compare_digest(app, self._digest(b"app", app_id)):
            raise ResourceMismatch("the resource ID belongs to another app")
        return Resource(scene, hours, issued_ns, nonce.hex(), self._sid(nonce), owner)

    def check_owner(self, resource: Resource, cname: str, uid: str) -> None:
        """Raises ResourceForOther unless the ID was acquired for this channel and uid."""
        if not hmac.compare_digest(resource.owner, self._owner(cname, uid)):
            raise ResourceForOther("cname or uid does not match the resource ID")

    def _verified(self, text: str) -> bytes:
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as exc:
            raise ResourceUnreadable("the resource ID cannot be decoded") from exc
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        # One ID has one spelling: the decoder skips foreign characters and spare bits.
        spelled = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text
        if len(body) != _LAYOUT.size or not spelled or body[0] != _VERSION:
            raise ResourceUnreadable("the resource ID cannot be decoded")
        if not hmac.compare_digest(mac, self._mac(body)):
            raise ResourceUnreadable("the resource ID cannot be decoded")
        return body

    def _owner(self, cname: str, uid: str) -> bytes:
        return self._digest(b"cname", cname) + self._digest(b"uid", uid)

    def _digest(self, label: bytes, text: str) -> bytes:
        return hmac.digest(self._key, label + b"\0" + text.encode(), "sha256")

    def _sid(self, nonce: bytes) -> str:
        return hmac.digest(self._key, b"sid\0" + nonce, "sha256")[:16].hex()

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"mac\0" + body, "sha256")
