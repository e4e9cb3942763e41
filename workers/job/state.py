"""The life of a recording, as a table."""

from collections.abc import Mapping
from enum import StrEnum

from workers.job.errors import IllegalTransition


class State(StrEnum):
    """Where a recording stands."""

    QUEUED = "queued"  # accepted, no recorder has it
    JOINING = "joining"  # a recorder has it and enters the channel
    RECORDING = "recording"  # in the channel
    STOPPING = "stopping"  # asked to stop; the tape is still open
    DELIVERING = "delivering"  # the tape is closed; slices are cut and uploaded
    ENDED = "ended"  # everything is in the bucket
    FAILED = "failed"  # nothing can be delivered


class Event(StrEnum):
    """What moves a recording on."""

    CLAIMED = "claimed"
    JOINED = "joined"
    STOP_ASKED = "stop_asked"
    TAPE_CLOSED = "tape_closed"
    DELIVERED = "delivered"
    FATAL = "fatal"


_NEXT: Mapping[State, Mapping[Event, State]] = {
    State.QUEUED: {
        Event.CLAIMED: State.JOINING,
        Event.STOP_ASKED: State.STOPPING,
        Event.FATAL: State.FAILED,
    },
    State.JOINING: {
        Event.CLAIMED: State.JOINING,  # taken over before it joined
        Event.JOINED: State.RECORDING,
        Event.STOP_ASKED: State.STOPPING,
        Event.TAPE_CLOSED: State.DELIVERING,
    },
    State.RECORDING: {
        Event.CLAIMED: State.JOINING,  # taken over
        Event.JOINED: State.RECORDING,  # joined again after the channel was lost
        Event.STOP_ASKED: State.STOPPING,
        Event.TAPE_CLOSED: State.DELIVERING,
    },
    State.STOPPING: {
        Event.CLAIMED: State.STOPPING,  # taken over to close the tape
        Event.JOINED: State.STOPPING,
        Event.TAPE_CLOSED: State.DELIVERING,
    },
    State.DELIVERING: {Event.DELIVERED: State.ENDED, Event.FATAL: State.FAILED},
}

TERMINAL = frozenset(State) - _NEXT.keys()
RUNNING = frozenset(state for state, moves in _NEXT.items() if Event.STOP_ASKED in moves)
ON_AIR = frozenset(state for state, moves in _NEXT.items() if Event.CLAIMED in moves)


def advance(state: State, event: Event) -> State:
    """The state after an event.  Raises IllegalTransition and changes nothing."""
    try:
        return _NEXT[state][event]
    except KeyError:
        raise IllegalTransition(f"{event} in state {state}") from None


def allowed(event: Event) -> dict[State, State]:
    """From which state to which an event leads."""
    return {state: moves[event] for state, moves in _NEXT.items() if event in moves}
