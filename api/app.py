"""The Flask application: dialects, health, metrics, and what every request gets."""

import re
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import structlog
from flask import Flask, Response, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from api.agora import codes as agora_codes
from api.agora import ncs
from api.agora import routes as agora
from api.agora.admission import Admission
from api.agora.owner import Owner
from api.agora.resource import ResourceIds
from api.agora.service import AgoraService
from api.auth import Doorman
from api.console import routes as console
from api.control import Control
from api.openapi import page as openapi
from api.quota import Quota
from workers.addresses import Border, Resolver, lookup
from workers.apps import Apps
from workers.metrics.metrics import Metrics
from workers.settings import Settings

MAX_BODY_BYTES: Final = 64 * 1024  # the largest legal start body is a few kilobytes
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger(__name__)


def create_app(
    control: Control,
    settings: Settings,
    metrics: Metrics,
    *,
    apps: Apps | None = None,
    requests_per_second: float = 0.0,
    clock: Callable[[], int] = time.time_ns,
    resolver: Resolver = lookup,
) -> Flask:
    """The API over a farm.

    ``apps`` are those of the settings unless given.  ``requests_per_second`` is the quota in this
    process of each app that has none of its own (0: no quota).  ``clock`` gives Unix nanoseconds.
    Raises BadApps.
    """
    apps = apps or Apps(settings.apps, settings.apps_file)
    app = Flask("tapefarm", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.url_map.merge_slashes = False  # no redirects: a wrong path is a wrong path
    _watch(app, metrics)
    _answer_faults(app)
    _add_service_routes(app, control, metrics)
    service = AgoraService(
        control=control,
        admission=Admission(apps, settings.allowance),
        ids=ResourceIds(settings.farm_key),
        border=Border(
            allow_private=settings.allow_private_endpoints,
            timeout_s=settings.storage_check_s,
            resolver=resolver,
        ),
        channel_url=settings.channel_url,
        quality_report=settings.quality_report,
        stop_wait_s=settings.stop_wait_s,
        owner=Owner.of(settings),
        clock=clock,
    )
    quota = Quota(apps, requests_per_second, time.monotonic)
    doorman = Doorman(apps)
    app.register_blueprint(agora.blueprint(service, doorman, quota))
    app.register_blueprint(ncs.blueprint(settings.callback_source_ips, doorman, quota))
    app.register_blueprint(console.blueprint(control, doorman, quota))
    app.register_blueprint(openapi.blueprint())
    return app


def _watch(app: Flask, metrics: Metrics) -> None:
    """An id, a duration and a log line for each request."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.began = time.perf_counter()
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        took = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "none"
        metrics.api_request.labels(route, str(response.status_code)).observe(took)
        response.headers["X-Request-Id"] = g.request_id
        fields = {"route": route, "status": response.status_code, "seconds": round(took, 6)}
        _log.info("request answered", **fields, refused=_refusal())
        return response


def _refusal() -> str | None:
    """The class of the error alone: its text may quote what the customer sent."""
    error = g.get("refused")
    return type(error).__name__ if error is not None else None


def _answer_faults(app: Flask) -> None:
    """Faults outside a route's own code, in the shape of the dialect whose path it is."""

    @app.errorhandler(HTTPException)
    def http_fault(fault: HTTPException) -> Response:
        return _fault(fault.code or 500, fault.name)

    @app.errorhandler(Exception)
    def crash(error: Exception) -> Response:
        # A bug of ours: the customer gets a clean answer, the log gets all of it.
        _log.exception("request crashed", exc_info=error)
        return _fault(500, "Internal Server Error")


def _fault(status: int, name: str) -> Response:
    if request.path.startswith(agora.PREFIX) or request.path in ncs.PATHS:
        return agora.answer(*agora_codes.http_answer(status))
    response = jsonify(message=name)
    response.status_code = status
    return response


def _add_service_routes(app: Flask, control: Control, metrics: Metrics) -> None:
    @app.get("/healthz")
    def alive() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def ready() -> tuple[dict[str, Any], int]:
        parts = {name: wrong or "ok" for name, wrong in control.readiness().items()}
        fit = all(state == "ok" for state in parts.values())
        return {"status": "ok" if fit else "not ready", "parts": parts}, 200 if fit else 503

    @app.get("/metrics")
    def exposition() -> Response:
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)
