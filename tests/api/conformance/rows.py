"""The rows of the table, and how a row's value is written."""

import csv
import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

TABLE: Final = Path(__file__).with_name("table.tsv")
ABSENT: Final = "absent"
_TIMES = re.compile(r'(?:(?P<first>".*")\+)?(?P<piece>"[^"]*"|\[.*\])\*(?P<times>\d+)')


@dataclass(frozen=True)
class Row:
    ref: str
    call: str
    mode: str
    given: str
    field: str
    value: str
    status: str
    code: str
    says: str
    then: str

    @property
    def what(self) -> tuple[str, str, str]:
        """Which parameter at which bound."""
        return self.call, self.field, self.value


def table() -> list[Row]:
    with TABLE.open(newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert reader.fieldnames == [each.name for each in fields(Row)]
        return [Row(**line) for line in reader]


def value(text: str) -> Any:
    """What a row's value means."""
    many = _TIMES.fullmatch(text)
    if not many:
        return json.loads(text)
    pieces = (many["piece"].replace('"#"', f'"{n}"') for n in range(1, int(many["times"]) + 1))
    whole: Any = json.loads(many["first"] or ("[]" if many["piece"].startswith("[") else '""'))
    for piece in pieces:
        whole = whole + json.loads(piece)
    return whole
