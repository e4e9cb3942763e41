"""Routes of the console: a recording seen from outside every dialect."""

from typing import Final
from uuid import uuid4

import structlog
from flask import Blueprint, Response, g, jsonify, request

from api.auth import BadCredentials, Doorman, NoCredentials
from api.console import recuts
from api.control import Control
from api.document import received
from api.quota import Quota, RateExceeded
from media.errors import Blame, FarmError
from workers.job.errors import NoTape, NoTapeYet, NotFound, SpoolUnseen, TooManyRecuts
from workers.job.status import RecordingStatus

PREFIX: Final = "/console/api"

_log = structlog.get_logger(__name__)


class NotYet(FarmError):
    """The recording has not ended, so there is no last word about it."""


def blueprint(control: Control, doorman: Doorman, quota: Quota) -> Blueprint:
    """The routes over a farm; a customer sees the recordings of the apps it owns."""
    routes = Blueprint("console", __name__, url_prefix=PREFIX)

    @routes.errorhandler(FarmError)
    def refuse(error: FarmError) -> Response:
        g.refused = error
        return _answer(error)

    def ours(sid: str, *, begins: bool = False) -> RecordingStatus:
        """A recording of the caller's, who may call; of others nobody learns that they exist."""
        header = request.headers.get("Authorization")
        owned = doorman.owned(header)
        found = control.status(sid)
        if found is None or found.app_id not in owned:
            quota.take(min(owned))
            raise NotFound("no such recording")
        quota.take(doorman.admit(header, found.app_id, begins=begins).app_id)
        return found

    @routes.get("/recordings/<sid>/report")
    def report(sid: str) -> Response:
        """The quality report of a recording that has ended."""
        recording = ours(sid)
        text = control.report(sid)
        if text is not None:
            return Response(text, content_type="application/json")
        if not recording.ended:
            raise NotYet("the recording goes on; its report is written at its end")
        raise NotFound("no report was asked for, or it is forgotten")

    @routes.get("/recordings/<sid>")
    def recording(sid: str) -> Response:
        """A recording, its files, and what recuts can be made from."""
        return jsonify(recuts.recording(ours(sid), control.tape(sid)))

    @routes.post("/recordings/<sid>/cuts")
    def recut(sid: str) -> tuple[Response, int]:
        """Make a recut from a recording's tape."""
        ours(sid, begins=True)
        asked = recuts.read(received())
        return jsonify(recuts.accepted(control.recut(sid, asked, uuid4().hex))), 202

    return routes


def _answer(error: FarmError) -> Response:
    status = status_of(error)
    if status >= 500 or isinstance(error, SpoolUnseen):
        _log.warning("console call failed", exc_info=error)
    message = str(error) if status < 500 else "the farm cannot answer now, try again"
    response = jsonify(message=message)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="tapefarm"'
    return response


def status_of(error: FarmError) -> int:
    """The HTTP status of an error; its class alone decides."""
    match error:
        case NoCredentials() | BadCredentials():
            return 401
        case NotFound():
            return 404
        case NotYet() | NoTapeYet() | SpoolUnseen():
            return 409  # of the last: asking again does not help, and no other call suffers
        case NoTape():
            return 410
        case TooManyRecuts() | RateExceeded():
            return 429
        case _:
            return 400 if error.blame is Blame.CUSTOMER else 503
