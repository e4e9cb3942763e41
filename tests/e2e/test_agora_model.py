"""The model that recordings are held against takes what is documented, and nothing else."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import agora_model, notices
from tests.e2e.agora_model import End, Kind, Seen
from tests.e2e.agora_replay import EXAMPLES, SID

MIX = Kind("mix", "string")
NAME = f"tenant42/rooms/{SID}_demo-room-7.m3u8"
STOP = (10.0, 11.0)
STORY = (40, 30, 44, 43, 42, 4, 43, 44, 41, 33, 31, 11)
END = End(idle=False, media=True, listed=(NAME,))

Change = Callable[[list[Any]], None]


def seen(*rows: tuple[float, int, str]) -> list[Seen]:
    """Answers at so many seconds, with a status (0: none) and a file."""
    sample = EXAMPLES["query-mix-hls"]["responses"]
    answers = []
    for at_s, status, name in rows:
        body = copy.deepcopy(sample[0 if status else -2]["body"])
        if status:
            body["serverResponse"] |= {"status": status, "fileList": name}
        answers.append(Seen(at_s, at_s, 200 if status else 404, body))
    return answers


def test_a_life_as_documented_is_taken() -> None:
    rows = seen((1, 1, ""), (2, 2, ""), (3, 4, ""), (8, 5, NAME), (12, 6, NAME), (13, 0, ""))
    agora_model.check_queries(MIX, rows, STOP)


@pytest.mark.parametrize(
    "rows",
    [
        ((1, 4, ""), (2, 2, "")),
        ((1, 5, NAME), (2, 4, "")),
        ((1, 5, ""),),
        ((1, 4, NAME),),
        ((1, 5, NAME), (2, 5, NAME.replace("room-7", "room-8"))),
        ((1, 5, NAME), (2, 0, "")),
        ((1, 6, NAME),),
        ((12, 5, NAME),),
        ((12, 0, ""), (13, 6, NAME)),
    ],
)
def test_a_life_that_is_not_as_documented_is_not_taken(
    rows: tuple[tuple[float, int, str], ...],
) -> None:
    with pytest.raises(AssertionError):
        agora_model.check_queries(MIX, seen(*rows), STOP)


def told() -> list[Any]:
    """A story of the examples' notices."""
    samples = {row["event"]: row["body"] for row in reversed(EXAMPLES["callbacks"]["events"])}
    rows = [copy.deepcopy(samples[number]) for number in STORY]
    states = {43: iter((0, 1)), 44: iter((0, 1))}
    for number, row in enumerate(rows):
        row["payload"]["sequence"] = number
        details = row["payload"]["details"]
        if row["eventType"] in states:
            details |= {"state": next(states[row["eventType"]]), "utcMs": details["UtcMs"]}
        if row["eventType"] == 42:
            details |= {"mixedAllUser": True, "streamUid": "0"}
        if row["eventType"] == 31:
            details["fileList"] = [details["fileList"][0] | entry()]
    return rows


def entry() -> dict[str, Any]:
    track = {"trackType": "audio_and_video", "isPlayable": True}
    return {"fileName": NAME, "uid": "0", "mixedAllUser": True, **track}


def test_a_story_as_documented_is_taken() -> None:
    agora_model.check_story(MIX, told(), END)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.pop(3),
        lambda rows: rows.insert(0, rows.pop(2)),
        lambda rows: rows.append(rows[5]),
        lambda rows: rows[2]["payload"]["details"].pop("utcMs"),
        lambda rows: rows[2]["payload"]["details"].update(state=1),
        lambda rows: rows[5]["payload"]["details"].update(fileList="another.m3u8"),
        lambda rows: rows[8]["payload"]["details"].update(leaveCode=4),
        lambda rows: rows[10].update(productId=1),
        lambda rows: rows[11]["payload"]["details"].update(exitStatus=1),
    ],
)
def test_a_story_that_is_not_as_documented_is_not_taken(change: Change) -> None:
    rows = told()
    change(rows)
    with pytest.raises(AssertionError):
        agora_model.check_story(MIX, rows, END)


@pytest.mark.parametrize("row", EXAMPLES["callbacks"]["events"], ids=lambda row: str(row["event"]))
def test_the_examples_of_notices_are_taken(row: dict[str, Any]) -> None:
    body = copy.deepcopy(row["body"])
    if row["event"] not in notices.EVENTS or body["payload"]["serviceScene"] == "web_record":
        return  # of what this farm has not: the web, postponed transcoding
    details = body["payload"]["details"]
    if "UtcMs" in details:
        details["utcMs"] = details["UtcMs"]
    notices.check(body)
