"""Routes of the console: a recording seen from outside every dialect."""

import math
from typing import Final
from uuid import uuid4

import structlog
from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from api.auth import BadCredentials, Doorman, NoCredentials
from api.console import recuts
from api.control import Control
from api.document import Document, parse
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

    @routes.get("/recordings/<sid>/report")
    def report(sid: str) -> Response:
        """The quality report of a recording that has ended."""
        recording = _owned(control, doorman, sid)
        text = control.report(sid)
        if text is not None:
            return Response(text, content_type="application/json")
        if not recording.ended:
            raise NotYet("the recording goes on; its report is written at its end")
        raise NotFound("no report was asked for, or it is forgotten")

    @routes.get("/recordings/<sid>")
    def recording(sid: str) -> Response:
        """A recording, its files, and what recuts can be made from."""
        return jsonify(recuts.recording(_owned(control, doorman, sid), control.tape(sid)))

    @routes.post("/recordings/<sid>/cuts")
    def recut(sid: str) -> tuple[Response, int]:
        """Make a recut from a recording's tape."""
        quota.take(_owned(control, doorman, sid).app_id)
        asked = recuts.read(_document())
        return jsonify(recuts.accepted(control.recut(sid, asked, uuid4().hex))), 202

    return routes


def _document() -> Document:
    raw = request.get_data(cache=False)
    if len(raw) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge  # a chunked body ends at the limit without a word
    return parse(raw, request.headers.get("Content-Type"))


def _owned(control: Control, doorman: Doorman, sid: str) -> RecordingStatus:
    """A recording of the caller's; of strangers' recordings nobody learns that they exist."""
    apps = doorman.owned(request.headers.get("Authorization"))
    recording = control.status(sid)
    if recording is None or recording.app_id not in apps:
        raise NotFound("no such recording")
    return recording


def _answer(error: FarmError) -> Response:
    status = _status(error)
    if status >= 500 or isinstance(error, SpoolUnseen):
        _log.warning("console call failed", exc_info=error)
    message = str(error) if status < 500 else "the farm cannot answer now, try again"
    response = jsonify(message=message)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="tapefarm"'
    return response


def _status(error: FarmError) -> int:
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
