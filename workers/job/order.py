"""What a customer changes while a recording runs, on its way from the call to the tape."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from media.cut.look import Look
from media.tape.model import EventType, TapeEvent
from media.tape.wanted import Wanted

Change = Look | Wanted

_NUMBER = "order"  # in the detail on the tape, beside what it changes


def kind_of(change: Change) -> EventType:
    """What the tape calls it."""
    return EventType.LOOK if isinstance(change, Look) else EventType.WANTED


@dataclass(frozen=True, slots=True)
class Order:
    """One change: it replaces all orders of its kind before."""

    number: int  # grows from order to order of a recording, of whatever kind
    at_ns: int  # when it was accepted, Unix nanoseconds
    kind: EventType  # LOOK or WANTED
    change: dict[str, Any]  # as Look and Wanted write it

    @classmethod
    def read(cls, number: int, text: str) -> Self:
        """What was written, with the number that the store gave it (see ``scripts.ORDER``)."""
        row = json.loads(text)
        return cls(number, row["at_ns"], EventType(row["kind"]), row["change"])

    @staticmethod
    def write(change: Change, at_ns: int) -> str:
        """As JSON."""
        row = {"at_ns": at_ns, "kind": kind_of(change).value, "change": change.to_json()}
        return json.dumps(row, separators=(",", ":"))

    def event(self, at_ns: int) -> TapeEvent:
        """What goes on the tape; the number says what is there already."""
        detail = json.dumps(
            self.change | {_NUMBER: self.number}, sort_keys=True, separators=(",", ":")
        )
        return TapeEvent(self.kind, at_ns, detail=detail)

    @classmethod
    def told(cls, event: TapeEvent) -> Self | None:
        """The order that a tape's event came from; None if that is of another kind, or damaged."""
        if event.type not in (EventType.LOOK, EventType.WANTED):
            return None
        try:
            change = dict(json.loads(event.detail))
            return cls(int(change.pop(_NUMBER, 0)), event.at_ns, event.type, change)
        except (TypeError, ValueError, RecursionError):
            return None

    @property
    def wanted(self) -> Wanted | None:
        """Whom to record from now on, if this order says so."""
        return Wanted.from_json(self.change) if self.kind is EventType.WANTED else None

    @property
    def look(self) -> Look | None:
        """How it is to look from now on, if this order says so."""
        return Look.from_json(self.change) if self.kind is EventType.LOOK else None


def standing(events: Iterable[TapeEvent]) -> list[Order]:
    """What holds after a tape's events: the last order of each kind, in order."""
    last: dict[EventType, Order] = {}
    for order in filter(None, map(Order.told, events)):
        before = last.get(order.kind)
        if before is None or (order.number, order.at_ns) > (before.number, before.at_ns):
            last[order.kind] = order
    return sorted(last.values(), key=lambda order: order.number)
