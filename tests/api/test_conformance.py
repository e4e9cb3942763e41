"""The table of the dialect's parameters, codes, order and spellings, row by row."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pytest

from tests.api.conformance.calls import send
from tests.api.conformance.propose import missing
from tests.api.conformance.rows import Row, table
from tests.api.conformance.situations import Faulty
from tests.api.farm import Farm

ROWS = table()


def heading(row: Row) -> str:
    """Rows that are tested together: those of one block of fields, or of one call."""
    block = row.field.partition(".")[0] if row.given == "" else "given"
    return f"{row.call}-{block}"


def groups() -> list[Any]:
    rows = sorted(ROWS, key=heading)
    return [pytest.param(list(those), id=name) for name, those in groupby(rows, heading)]


def test_the_table_is_large_enough_and_each_row_says_why() -> None:
    assert len(ROWS) >= 250
    assert [row for row in ROWS if not row.ref or row.ref == "?"] == []
    keys = [(row.call, row.mode, row.given, row.field, row.value) for row in ROWS]
    assert [key for key in set(keys) if keys.count(key) > 1] == []


def test_every_constraint_of_every_field_has_its_rows() -> None:
    assert missing() == []


@pytest.mark.parametrize("rows", groups())
def test_rows(rows: Iterable[Row]) -> None:
    farm = Farm(control=Faulty())
    wrong = [found for row in rows for found in differences(row, farm)]
    assert not wrong, "\n".join(wrong)


def differences(row: Row, farm: Farm) -> list[str]:
    """What is answered otherwise than the row says."""
    control = farm.control
    for kept in (control.specs, control._rows, control._spent):
        kept.clear()
    control.orders.clear()
    stage, answer = send(row, None if row.given else farm)
    found = answer.get_json()
    code = str(found.get("code", ""))
    says = found.get("reason") or found.get("message") or json.dumps(found)
    good = (str(answer.status_code), code) == (row.status, row.code) and row.says in says
    if not good:
        return [f"{row}: {answer.status_code} {found}"]
    if answer.status_code >= 400 and row.given == "":
        kept = control.orders or (row.call == "start" and control.specs)
        return [f"{row}: something is half-started"] if kept else []
    return [f"{row}: {wrong}" for wrong in unlike(row.then, stage.farm.control.specs, found)]


def unlike(then: str, specs: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    if not then:
        return []
    path, _, expected = then.partition("=")
    is_now: Any = specs[answer["sid"]].model_dump(mode="json")
    for step in path.split("."):
        is_now = is_now[step]
    is_now = sorted(is_now) if isinstance(is_now, list) else is_now
    return [] if is_now == json.loads(expected) else [f"{path} is {is_now}"]
