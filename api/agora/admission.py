"""What an app's certificates and quotas mean for a recording."""

from dataclasses import dataclass

from api.agora.errors import TokenWrong
from api.agora.rtc_token import Bearer, expires_ns
from api.auth import UnknownApp
from workers.apps import Apps
from workers.job.allowance import Allowance
from workers.job.spec import RecordingSpec
from workers.settings import App


@dataclass(frozen=True, slots=True)
class Admission:
    """Asks the apps as they stand at the moment of the call."""

    apps: Apps
    default: Allowance  # of apps that do not say themselves

    def allowance(self, app_id: str) -> Allowance:
        """How much an app may have going on at once.  Raises UnknownApp."""
        return self._app(app_id).allowance(self.default)

    def admitted(self, spec: RecordingSpec) -> RecordingSpec:
        """The same recording, which ends with its token if the app has certificates.

        Without any nobody here can tell a good token from a bad one: that is left to the media
        server.  Raises TokenWrong, TokenExpired and UnknownApp.
        """
        certificates = self._app(spec.app_id).certificates
        if not certificates:
            return spec
        if spec.token is None:
            raise TokenWrong("invalid token: the app has a certificate, so one is required")
        until_ns = expires_ns(
            spec.token.get_secret_value(),
            Bearer(spec.app_id, spec.cname, spec.recorder_uid),
            [each.get_secret_value() for each in certificates],
            spec.accepted_ns,
        )
        limits = spec.limits.model_copy(update={"until_ns": until_ns})
        return spec.model_copy(update={"limits": limits})

    def _app(self, app_id: str) -> App:
        app = self.apps.find(app_id)
        if app is None:
            raise UnknownApp("no such app")
        return app
