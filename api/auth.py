"""Who calls: Basic authentication (RFC 7617) against the apps of the farm."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from media.errors import Blame, FarmError
from workers.apps import Apps
from workers.settings import App, CustomerKey

_DIGEST: Final = "sha256"


class NoCredentials(FarmError):
    """The Authorization header is missing."""

    blame = Blame.CUSTOMER


class BadCredentials(FarmError):
    """The header is malformed, the pair is wrong, or it does not own the app."""

    blame = Blame.CUSTOMER


class UnknownApp(FarmError):
    """No such app on this farm, or it may not begin anything."""

    blame = Blame.CUSTOMER


class Doorman:
    """Lets a key and secret in to the apps they own."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps
        self._ring = KeyRing(apps.current())

    def admit(self, header: str | None, app_id: str, *, begins: bool = False) -> App:
        """The app, if the header's pair owns it; ``begins``: for a call that begins something.

        Raises NoCredentials, BadCredentials and UnknownApp; the last one only to a caller whose
        pair is good for some app, so that strangers cannot find out which apps exist.
        """
        owned = self.owned(header)
        app = self._apps.find(app_id)
        if app is None:
            raise UnknownApp("no such app")
        if app_id not in owned:
            raise BadCredentials("the pair does not own this app")
        if begins and app.suspended:
            raise UnknownApp("the app is suspended")
        return app

    def owned(self, header: str | None) -> frozenset[str]:
        """The IDs of the apps that the header's pair owns; at least one.

        Raises NoCredentials and BadCredentials.
        """
        if header is None:
            raise NoCredentials("no Authorization header")
        apps = self._apps.current()
        ring = self._ring
        if ring.apps is not apps:
            ring = self._ring = KeyRing(apps)
        owned = ring.owned(_credentials(header))
        if not owned:
            raise BadCredentials("wrong key or secret")
        return owned


class KeyRing:
    """The pairs of all apps, made ready for comparing.

    Pairs are compared as digests under a key that only this object knows: all have one length,
    and how far two of them agree says nothing about the pairs.
    """

    def __init__(self, apps: tuple[App, ...]) -> None:
        self.apps = apps
        self._key = secrets.token_bytes(32)
        owners: dict[bytes, set[str]] = {}
        for app in apps:
            for digest in self._digests(app.pairs):
                owners.setdefault(digest, set()).add(app.app_id)
        self._owners = tuple((digest, frozenset(ids)) for digest, ids in owners.items())

    def owned(self, pair: bytes) -> frozenset[str]:
        """The IDs of the apps that have this ``key:secret``; each pair is compared every time."""
        given = self._digest(pair)
        found = [ids for digest, ids in self._owners if hmac.compare_digest(given, digest)]
        return frozenset().union(*found)

    def _digests(self, pairs: Iterable[CustomerKey]) -> Iterable[bytes]:
        for pair in pairs:
            yield self._digest(
                f"{pair.customer_key}:{pair.customer_secret.get_secret_value()}".encode()
            )

    def _digest(self, pair: bytes) -> bytes:
        return hmac.digest(self._key, pair, _DIGEST)


def _credentials(header: str) -> bytes:
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        raise BadCredentials("not Basic authentication")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadCredentials("not base64") from exc
    if b":" not in pair:
        raise BadCredentials("no colon between key and secret")
    return pair
