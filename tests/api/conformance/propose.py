"""``python -m tests.api.conformance.propose``: rows that the table lacks, each with a guess."""

from tests.api.conformance.constraints import Bound, bounds
from tests.api.conformance.rows import Row, table


def missing() -> list[Bound]:
    """Bounds that no row of the table is about."""
    known = {row.what for row in table()}
    return [each for each in bounds() if (each.call, each.field, each.value) not in known]


def guess(bound: Bound) -> Row:
    """The row as it ought to be if the model is right; ``ref`` is for who checks it."""
    says = bound.field.rpartition(".")[2] if not bound.good else ""
    status, code = ("200", "") if bound.good else ("400", "2")
    mode = "individual" if bound.field.startswith("snapshotConfig") else "mix"
    return Row("?", bound.call, mode, "", bound.field, bound.value, status, code, says, "")


if __name__ == "__main__":
    for each in missing():
        print("\t".join(vars(guess(each)).values()))
