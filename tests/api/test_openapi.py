"""``/openapi.json`` says all that the application does, and nothing else; ``/docs`` shows it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openapi_spec_validator import validate
from playwright.async_api import ConsoleMessage, Request
from werkzeug.serving import make_server

from api.agora import codes
from api.agora.codes import Call
from api.openapi import examples
from api.openapi.document import document
from api.openapi.operations import OPERATIONS
from api.openapi.refusals import OF_ALL, OF_CALLS
from media.quality.book import Book
from tests.api.documented import JSON, at, request_schema, whole, wrong
from tests.api.farm import Farm
from tests.browser import chromium
from workers.callbacks import notice
from workers.spool.spool import Closed, Delivery
from workers.uploader import quality

NOT_HERE = {"web", "encrypted"}  # modes and keys that this farm has not
NEVER = {  # answers of the reference that this farm has no occasion for
    ("acquire", 400, 400): "an app that is unknown is refused by the gateway",
}
GATEWAY = {(400, None), (401, None), (429, None)}  # §1.5; no such route is no call's answer
IN_SESSION = {(206, 65), (400, 2), (400, 1001), (400, 1003), (404, 404), (504, 62)}
CHANGES = IN_SESSION | {(400, 8), (400, 432)}
PUBLISHED = {  # §1.6, and of §1.7 what has a place there
    "acquire": {(400, 2), (400, 8), (400, 400), (400, 401), (400, 405), (400, 406)}
    | {(500, 500), (500, 501), (500, 504)},
    "start": {(201, 7), (206, 65), (400, 2), (400, 8), (400, 53), (400, 109), (400, 110)}
    | {(400, 432), (400, 433), (400, 1001), (400, 1013), (500, 62), (500, 502)},
    "update": CHANGES,
    "updateLayout": CHANGES,
    "query": IN_SESSION,
    "stop": CHANGES | {(206, 435), (400, 49), (400, 50)},
}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in whole()["paths"].items():
        for method, said in item.items():
            yield f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{method}", said


def operation(name: str) -> tuple[str, dict[str, Any]]:
    return next((place, said) for place, said in operations() if said["operationId"] == name)


def answer_schema(place: str, status: int | str) -> str:
    return f"{place}/responses/{status}/content/{JSON.replace('/', '~1')}/schema"


def of_the_farm() -> Iterator[tuple[str, Any]]:
    """Examples of calls that this farm has."""
    for name, example in examples.load().items():
        if "request" in example and not set(name.split("-")) & NOT_HERE:
            yield name, example


def test_the_document_is_valid_and_answered_to_anybody(farm: Farm) -> None:
    farm.auth = None
    answer = farm.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.json == whole()
    validate(answer.json)


def test_every_route_is_said_and_every_operation_has_a_route(farm: Farm) -> None:
    routes = {
        (rule.endpoint, method)
        for rule in farm.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {endpoint for endpoint, _ in routes} == set(OPERATIONS)
    assert len(list(operations())) == len(routes)


def test_a_route_without_words_is_noticed(farm: Farm) -> None:
    farm.app.add_url_rule("/surprise", "surprise", lambda: "")
    with pytest.raises(KeyError, match="surprise"):
        document(farm.app.url_map)


def test_operations_are_told_apart_and_explained() -> None:
    said = [said for _, said in operations()]
    assert len({one["operationId"] for one in said}) == len(said)
    assert all(one["summary"] and one["tags"] for one in said)
    assert {tag for one in said for tag in one["tags"]} == {tag["name"] for tag in whole()["tags"]}


def test_only_what_is_open_to_anybody_needs_no_credentials() -> None:
    is_open = {said["operationId"] for _, said in operations() if not said["security"]}
    assert is_open == {"alive", "ready", "metrics", "openapi", "docs", "docsPart"}
    assert all("401" in said["responses"] for _, said in operations() if said["security"])


def test_every_field_of_a_request_is_explained() -> None:
    dumb = [
        f"{name}.{field}"
        for name, schema in whole()["components"]["schemas"].items()
        if name.endswith(("Request", "Config", "Body", "Params", "Region", "Background", "Lists"))
        for field, said in schema.get("properties", {}).items()
        if not said.get("description")
    ]
    assert not dumb


def test_constraints_and_defaults_are_those_that_validate() -> None:
    schemas = whole()["components"]["schemas"]
    hours = schemas["AcquireRequest"]["properties"]["resourceExpiredHour"]
    assert (hours["minimum"], hours["maximum"], hours["default"]) == (1, 720, 72)
    storage = schemas["StorageConfig"]
    assert {"vendor", "region", "bucket", "accessKey", "secretKey"} <= set(storage["required"])
    for name in ("accessKey", "secretKey", "stsToken"):
        assert storage["properties"][name]["format"] == "password"
        assert storage["properties"][name]["writeOnly"]


@pytest.mark.parametrize(("name", "example"), list(of_the_farm()), ids=lambda one: str(one)[:40])
def test_an_example_fits_what_is_said_of_its_call(name: str, example: Any) -> None:
    place, said = operation({"ncs": "callbackSources"}.get(name.split("-")[0], name.split("-")[0]))
    if "body" in example["request"]:
        assert not wrong(request_schema(place), example["request"]["body"])
    for answer in example["responses"]:
        status, body = answer["status"], answer["body"]
        assert str(status) in said["responses"]
        assert not wrong(answer_schema(place, status), body)
        if "code" in body and (said["operationId"], status, body["code"]) not in NEVER:
            assert f"code {body['code']}" in shown(place, status)


@pytest.mark.parametrize(("name", "example"), list(examples.shown("start")), ids=str)
def test_a_start_that_the_document_shows_is_served(farm: Farm, name: str, example: Any) -> None:
    client = example["request"]["body"]["clientRequest"]
    answer = farm.start(farm.acquire(), client, mode=name.partition("-")[0])
    assert answer.status_code == 200, answer.json


def shown(place: str, status: int | str) -> dict[str, Any]:
    return dict(at(f"{place}/responses/{status}/content/{JSON.replace('/', '~1')}")["examples"])


def test_what_the_document_shows_fits_what_it_says() -> None:
    count = 0
    for place, said in operations():
        contents = [(request_schema(place), said["requestBody"])] if "requestBody" in said else []
        for status, answer in said["responses"].items():
            contents.append((answer_schema(place, status), answer))
        for schema, holder in contents:
            for name, example in holder["content"].get(JSON, {}).get("examples", {}).items():
                assert not wrong(schema, example["value"]), (place, name)
                count += 1
    assert count > 150


def test_callbacks_are_what_the_document_says(farm: Farm) -> None:
    _, sid = farm.started()
    schema = "/webhooks/event/post/requestBody/content/application~1json/schema"
    for event in notice.EventType:
        made = notice.make(farm.control.specs[sid], event, {"status": 0})
        assert not wrong(schema, json.loads(notice.body(made.text, 3, 1_760_000_000_000)))
    shown = at(schema.replace("/schema", "/examples"))
    assert {example["value"]["eventType"] for example in shown.values()} == set(notice.EventType)
    for example in shown.values():
        assert not wrong(schema, example["value"])


def test_a_real_report_is_what_the_document_says(farm: Farm) -> None:
    _, sid = farm.started()
    told = quality.document(
        farm.control.specs[sid],
        Closed(origin_ns=0, end_ns=0, units=0, reason="idle"),
        Book(),
        {"a_report.json": Delivery(size=1, etag="0")},
    )
    place, _ = operation("getReport")
    assert not wrong(answer_schema(place, 200), json.loads(quality.text(told)))


@pytest.mark.parametrize("call", list(PUBLISHED))
def test_every_published_status_and_code_is_said(call: str) -> None:
    place, said = operation(call)
    told = {
        (int(status), example["value"].get("code"))
        for status in said["responses"]
        for example in shown(place, status).values()
    }
    assert GATEWAY | PUBLISHED[call] <= told | {row[1:] for row in NEVER if row[0] == call}


@pytest.mark.parametrize("call", list(Call))
def test_every_call_tells_its_statuses_and_codes(call: Call) -> None:
    place, said = operation(call[0].lower() + call[1:])
    for kind in OF_ALL + OF_CALLS[call]:
        entry = codes.listed(kind, call)
        assert str(entry.status) in said["responses"]
        if isinstance(entry, codes.Service):
            assert f"code {entry.code}" in shown(place, entry.status)


def test_every_error_of_the_tables_is_some_calls() -> None:
    tables = {*codes._GATEWAY, *codes._SERVICE, *codes._ACQUIRE}
    assert tables <= {*OF_ALL, *(kind for kinds in OF_CALLS.values() for kind in kinds)}


@pytest.mark.server
def test_a_browser_shows_calls_and_examples_and_asks_nobody_else(
    need: Callable[[str], str],
) -> None:
    path = need("chromium")
    with served(Farm()) as address:
        asyncio.run(asyncio.wait_for(look(path, address), 60))


async def look(path: str, address: str) -> None:
    complaints: list[str] = []
    strangers: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((address, "data:")):
            strangers.append(request.url)

    async with chromium(path) as context:
        page = await context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        answer = await page.goto(f"{address}/docs")
        assert answer is not None
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        await page.wait_for_selector("#operations-Agora-stop")
        calls = page.locator(".opblock:not([id*='-webhooks-'])")
        assert await calls.count() >= len(list(operations()))
        await page.click("#operations-Agora-start .opblock-summary-control")
        example = page.locator("#operations-Agora-start .opblock-section-request-body pre")
        await example.wait_for()
        assert "recordingConfig" in await example.inner_text()
        assert "already started" in await page.locator("#operations-Agora-start").inner_text()
    assert not complaints
    assert not strangers


@contextmanager
def served(farm: Farm) -> Iterator[str]:
    """The farm's application on a port of its own."""
    server = make_server("127.0.0.1", 0, farm.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
