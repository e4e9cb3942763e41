"""The dialect's routes (reference §1.3): who calls, what they sent, what they get."""

from typing import Final

import structlog
from flask import Blueprint, Response, g, jsonify, request

from api.agora import codes
from api.agora.codes import Call
from api.agora.errors import AppSuspended
from api.agora.service import AgoraService
from api.auth import Doorman
from api.document import Document, received
from api.quota import Quota
from media.errors import FarmError
from workers.settings import App

PREFIX: Final = "/v1/apps/"
_BASE: Final = "/v1/apps/<app_id>/cloud_recording"
_RESOURCE: Final = "/resourceid/<resource_id>"
_SESSION: Final = f"{_RESOURCE}/sid/<sid>/mode/<mode>"
_CALLS: Final = {
    "acquire": Call.ACQUIRE,
    "start": Call.START,
    "update": Call.UPDATE,
    "update_layout": Call.UPDATE_LAYOUT,
    "query": Call.QUERY,
    "stop": Call.STOP,
}
_BEGIN: Final = frozenset({Call.ACQUIRE, Call.START})
_log = structlog.get_logger(__name__)


def blueprint(service: AgoraService, doorman: Doorman, quota: Quota) -> Blueprint:
    """The routes over a service."""
    routes = Blueprint("agora", __name__, url_prefix=_BASE)

    @routes.before_request
    def admit() -> None:
        app_id = (request.view_args or {})["app_id"]
        g.app = doorman.admit(request.headers.get("Authorization"), app_id)
        quota.take(app_id)
        _check_active(g.app)

    @routes.errorhandler(FarmError)
    def refuse(error: FarmError) -> Response:
        status, body = codes.answer(error, _call())
        g.refused = error
        if status >= 500:
            _log.warning("call failed", call=_call(), exc_info=error)
        return answer(status, body)

    @routes.post("/acquire")
    def acquire(app_id: str) -> Response:
        return jsonify(service.acquire(app_id, received()))

    @routes.post(f"{_RESOURCE}/mode/<mode>/start")
    def start(app_id: str, resource_id: str, mode: str) -> Response:
        return jsonify(service.start(app_id, resource_id, mode, received()))

    @routes.get(f"{_SESSION}/query")
    def query(app_id: str, resource_id: str, sid: str, mode: str) -> Response:
        return jsonify(service.query(app_id, resource_id, sid, mode))

    @routes.post(f"{_SESSION}/stop")
    def stop(app_id: str, resource_id: str, sid: str, mode: str) -> Response:
        return jsonify(service.stop(app_id, resource_id, sid, mode, received()))

    @routes.post(f"{_SESSION}/update")
    def update(app_id: str, resource_id: str, sid: str, mode: str) -> Response:
        return jsonify(service.update(app_id, resource_id, sid, mode, received()))

    @routes.post(f"{_SESSION}/updateLayout")
    def update_layout(app_id: str, resource_id: str, sid: str, mode: str) -> Response:
        return jsonify(service.update_layout(app_id, resource_id, sid, mode, received()))

    return routes


def answer(status: int, body: Document) -> Response:
    """A JSON answer; a refusal of credentials names the scheme (RFC 9110 §11.6.1)."""
    response = jsonify(body)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="tapefarm"'
    return response


def _check_active(app: App) -> None:
    """What a suspended app has going on can still be asked about and stopped."""
    if app.suspended and _call() in _BEGIN:
        raise AppSuspended("the app is suspended")


def _call() -> Call:
    return _CALLS[(request.endpoint or "").rpartition(".")[2]]
