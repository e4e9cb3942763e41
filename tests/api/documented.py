"""A test client that holds every call against ``/openapi.json``: only what is said may happen."""

import json
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from api.openapi.document import ARGUMENT, document

JSON = "application/json"


class DocumentedClient(FlaskClient):
    """Answers must have a status and a shape that the document names for the call.

    A body that was served must be one that the document allows.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        operation = _operation(self.application, answer)
        if operation is not None:
            _check_answer(operation, answer)
            if answer.status_code in {200, 202}:
                _check_request(operation, kwargs)
        return answer


def _operation(app: Flask, answer: TestResponse) -> str | None:
    """The place of the call in the document; None: no such route, or a half-made application."""
    request = answer.request
    try:
        rule, _ = app.url_map.bind_to_environ(request.environ).match(return_rule=True)
    except HTTPException:
        return None
    path = ARGUMENT.sub(r"{\1}", rule.rule).replace("~", "~0").replace("/", "~1")
    return f"/paths/{path}/{request.method.lower()}"


def _check_answer(operation: str, answer: TestResponse) -> None:
    said = at(operation)
    status = str(answer.status_code)
    assert status in said["responses"], f"{operation} answers {status}, which nobody expects"
    content = said["responses"][status]["content"]
    if JSON in content and "schema" in content[JSON]:
        schema = f"{operation}/responses/{status}/content/{JSON.replace('/', '~1')}/schema"
        validator(schema).validate(answer.get_json())


def _check_request(operation: str, sent: dict[str, Any]) -> None:
    if "requestBody" in at(operation):
        body = sent["json"] if "json" in sent else json.loads(sent["data"])
        validator(request_schema(operation)).validate(body)


def request_schema(operation: str) -> str:
    """The place of the schema of a call's body."""
    return f"{operation}/requestBody/content/{JSON.replace('/', '~1')}/schema"


def wrong(schema: str, instance: Any) -> ValidationError | None:
    """What a schema has against an instance."""
    return next(validator(schema).iter_errors(instance), None)


@cache
def validator(pointer: str) -> Draft202012Validator:
    """Validates against the schema at a JSON pointer (RFC 6901) into the document."""
    return Draft202012Validator(
        whole() | {"$ref": f"#{pointer.replace('{', '%7B').replace('}', '%7D')}"}
    )


@cache
def whole() -> dict[str, Any]:
    """The document of the application."""
    from tests.api.farm import Farm  # the farm's client is this one

    return document(Farm().app.url_map)


def at(pointer: str) -> Any:
    """The part of the document at a JSON pointer."""
    found: Any = whole()
    for step in pointer.split("/")[1:]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found
