"""Every request and response pair of the reference's examples, replayed on a running farm."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e import agora_replay
from tests.e2e.agora_replay import CNAME, EXAMPLES, SID, responses
from tests.e2e.agora_show import OTHER_ROOM, Show
from tests.e2e.agora_stage import Stage, key, second_api, stage

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.timeout(400)]

_WEB = [name for name in EXAMPLES if "-web" in name and not name.startswith("acquire")]
REFUSED = dict.fromkeys(_WEB, "web") | {"start-mix-encrypted": "decryptionMode"}
NEVER = {  # answers that this farm has no way to give, and why
    ("acquire-rtc", 400, 400): "the gateway has said before that the App ID is invalid",
    ("acquire-rtc", 500, 500): "a fault of ours that nobody knows",
}
WITHOUT_REQUEST = {  # examples that are no calls -> where they are held against the farm
    "callbacks": "test_agora_events",
    "callback-signature": "test_agora_events",
    "file-names": "here, by the names in the bucket",
}
SPEAKERS = (  # channel, uid, options
    (CNAME, "101", ("--size", "160", "120")),
    (CNAME, "102", ("--video", "none")),
    (OTHER_ROOM, "101", ("--size", "160", "120", "--video", "h264")),
)
PAIRS = list(responses())
NAMES_NEVER = {  # names of files that this farm has no reason to give, and why
    "after_first_failover": "who takes over goes on with the same files",
    "late_copy_from_backup": "there is no storage but the customer's",
    "web": "there is no web page recording yet",
}


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
    free_port: Callable[[], int],
) -> Iterator[Stage]:
    need("redis-server")
    with ExitStack() as there:
        on = there.enter_context(stage(tmp_path_factory.mktemp("examples"), free_port))
        show = Show(on, REFUSED)
        pool = there.enter_context(ThreadPoolExecutor())
        acts = [pool.submit(act) for act in (show.tickets, show.gateway)]
        show.starts()
        for cname, uid, options in SPEAKERS:
            there.enter_context(on.farm.publisher(cname, uid, "--pattern", *options))
        acts.append(pool.submit(show.long_lives))
        acts.append(pool.submit(show.lives))
        with second_api(on, free_port()) as (replay, gate):
            show.lost_redis(replay, gate)
        for act in acts:
            act.result()
        show.full_farm()
        yield on


def test_every_example_is_held_against_the_farm() -> None:
    assert len(EXAMPLES) == 47  # and the geometry of layouts, in tests/media/cut
    calls = {name for name, _, _ in PAIRS}
    assert calls | set(WITHOUT_REQUEST) == set(EXAMPLES)
    assert set(REFUSED) | {name for name, _, _ in NEVER} <= calls


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [pair for pair in PAIRS if pair[0] not in REFUSED],
    ids=lambda value: value if isinstance(value, str | int) else str(value.get("code", "")),
)
def test_an_example_is_answered_as_documented(
    played: Stage, name: str, status: int, body: dict[str, Any]
) -> None:
    wanted = key(name, status, body)
    if wanted in NEVER or body.get("serverResponse", {}).get("uploadingStatus") == "backuped":
        return  # see NEVER; there is no storage but the customer's
    assert wanted in played.got, [known for known in played.got if known[0] == name]
    got, ours = played.got[wanted]
    if name == "errors-with-server-response":
        assert got["code"] == body["code"]  # clients do not read the rest (§1.4)
    else:
        agora_replay.check(body, got, ours)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_this_farm_does_not_do_is_refused_by_name(played: Stage, name: str) -> None:
    body, _ = played.got[name, 400, 2]
    assert set(body) == {"code", "reason"}
    assert REFUSED[name] in body["reason"]
    assert "not available on this farm" in body["reason"]


def test_no_answer_was_given_that_is_not_documented(played: Stage) -> None:
    documented = {key(*pair) for pair in PAIRS} | {(name, 400, 2) for name in REFUSED}
    assert sorted(set(played.got) - documented, key=str) == []


def test_the_files_have_the_names_of_the_example(played: Stage) -> None:
    names = played.bucket.names()
    patterns = dict(_patterns(EXAMPLES["file-names"]))
    unknown = [
        name
        for name in names
        if not any(re.fullmatch(pattern, name) for pattern in patterns.values())
        and not name.endswith("_report.json")
    ]
    assert not unknown
    missing = {
        where
        for where, pattern in patterns.items()
        if not any(re.fullmatch(pattern, name) for name in names)
    }
    assert not missing, names


def _patterns(example: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What each name of the example is called there, and what such names look like."""
    for kind, names in example.items():
        if not isinstance(names, dict) or kind in NAMES_NEVER:
            continue
        for what, name in names.items():
            yield f"{kind}.{what}", _pattern(name[0] if isinstance(name, list) else name)
    # Sound that one av.mpd lists beside WebM pictures (§5.2).
    webm = example["individual"]["audio_slice"].replace(".ts", ".webm")
    yield "individual.audio_slice_vp8_vp9", _pattern(webm)


def _pattern(name: str) -> str:
    text = re.escape(name).replace(SID, "[0-9a-f]{32}").replace(re.escape(CNAME), r"demo-room-\d")
    text = text.replace("__uid_s_101__", r"__uid_s_10\d__").replace("20251009085320000", r"\d{17}")
    text = text.replace("<codec>", "[a-z0-9]+").replace("<stream>", r"\d+")
    text = text.replace("<segment>", r"\d+").replace("__uid_e_0_", r"__uid_e_\d+_")
    return re.sub(r"_0(\\\.mp4)", r"_\\d+\1", text)
