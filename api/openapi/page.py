"""``/openapi.json`` and ``/docs``.  The page needs nothing from any other host."""

from functools import cache
from importlib.resources import files
from typing import Final

from flask import Blueprint, Response, abort, current_app, json, send_file

from api.openapi.document import document

_OWN: Final = files(__package__) / "static"
_SWAGGER_UI: Final = files("flask_swagger_ui") / "dist"
_PARTS: Final = {
    "start.js": _OWN,
    "swagger-ui-bundle.js": _SWAGGER_UI,
    "swagger-ui.css": _SWAGGER_UI,
    "favicon-32x32.png": _SWAGGER_UI,
}
_HEADERS: Final = {
    # Swagger UI's style sheet holds its icons as data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def blueprint() -> Blueprint:
    """The routes; the document is about all routes of the application that they are part of."""
    routes = Blueprint("openapi", __name__)

    @cache
    def text() -> str:
        return json.dumps(document(current_app.url_map))

    @routes.after_request
    def guard(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @routes.get("/openapi.json", endpoint="document")
    def openapi() -> Response:
        return Response(text(), content_type="application/json")

    @routes.get("/docs")
    def page() -> Response:
        return send_file(str(_OWN / "index.html"))

    @routes.get("/docs/<name>")
    def part(name: str) -> Response:
        if name not in _PARTS:
            abort(404)
        return send_file(str(_PARTS[name] / name), max_age=3600)

    return routes
