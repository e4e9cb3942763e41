"""Who calls: Basic authentication (RFC 7617) against the apps of the settings."""

import base64
import binascii
import hmac

from media.errors import Blame, FarmError
from workers.apps import Apps
from workers.settings import App


class NoCredentials(FarmError):
    """The Authorization header is missing."""

    blame = Blame.CUSTOMER


class BadCredentials(FarmError):
    """The header is malformed, the pair is wrong, or it does not own the app."""

    blame = Blame.CUSTOMER


class UnknownApp(FarmError):
    """No such app on this farm."""

    blame = Blame.CUSTOMER


class Doorman:
    """Lets a key and secret in to the apps they own."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    def admit(self, header: str | None, app_id: str) -> App:
        """The app, if the header's pair owns it.

        Raises NoCredentials, BadCredentials and UnknownApp; the last one only to a caller whose
        pair is good for some app, so that strangers cannot find out which apps exist.
        """
        owned = self.owned(header)
        app = self._apps.find(app_id)
        if app is None:
            raise UnknownApp("no such app")
        if app_id not in owned:
            raise BadCredentials("the pair does not own this app")
        return app

    def owned(self, header: str | None) -> frozenset[str]:
        """The IDs of the apps that the header's pair owns; at least one.

        Raises NoCredentials and BadCredentials.
        """
        if header is None:
            raise NoCredentials("no Authorization header")
        given = _credentials(header)
        # Every pair is compared, whatever came before, so that time tells nothing.
        owned = frozenset(
            app.app_id
            for app in self._apps.current()
            if hmac.compare_digest(
                given, _joined(app.customer_key, app.customer_secret.get_secret_value())
            )
        )
        if not owned:
            raise BadCredentials("wrong key or secret")
        return owned


def _joined(key: str, secret: str) -> bytes:
    return f"{key}:{secret}".encode()


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
