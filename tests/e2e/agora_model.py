"""What a client of the reference may see of one recording, written from its pages alone.

§1.11 calls, §4.2 statuses, §4.3 and §4.4 lists, §5.1 names, §7.6 events.  Each function raises
AssertionError with what does not fit.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e import notices
from tests.e2e.notices import Notice

_RANK = {number: rank for rank, number in enumerate((0, 1, 2, 3, 4, 5, 6, 7, 8))} | {20: 9}
_RUNS = {0, 1, 2, 3, 4, 5}
_LEAVES = {6, 7, 8}
_ENTERING = {1, 2, 3}
_BY_REQUEST, _IDLE = 16, 4  # bits of leaveCode (§7.4)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a recording is asked for, and what is documented of its answers."""

    mode: str
    list_mode: str | None  # fileListMode; None: neither that nor a list (screenshots)
    mp4: bool = False
    scene: str = "rtc_record"

    @property
    def mixed(self) -> bool:
        """Everybody is in one file."""
        return self.mode == "mix"


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer to a query.  Times are Unix seconds."""

    asked_s: float
    answered_s: float
    code: int  # of HTTP
    body: dict[str, Any]

    @property
    def server(self) -> dict[str, Any]:
        """``serverResponse``."""
        return dict(self.body["serverResponse"])


def check_queries(kind: Kind, seen: Sequence[Seen], stop: tuple[float, float] | None) -> None:
    """Every answer to a query in its place; ``stop``: when one was asked for, and answered.

    The recording was on the air since before the first query, and no recorder of it died.
    """
    good = [one for one in seen if one.code == 200]
    for one in seen:
        if one.code == 404:
            assert one.body == {"code": 404, "reason": "failed to find worker"}, one
            assert stop is not None, f"404 while it ran: {one}"
            assert one.answered_s >= stop[0], f"404 while it ran: {one}"
        else:
            assert one.code == 200, one
            _check_frame(kind, one)
    codes = [one.code for one in seen]
    assert codes == sorted(codes), "it was there again after a 404"
    for one in good:
        number = one.server["status"]
        if stop is None or one.answered_s < stop[0]:
            assert number in _RUNS, f"status {number} before a stop"
        elif one.asked_s > stop[1]:
            assert number in _LEAVES, f"status {number} after a stop"
    for before, after in itertools.pairwise(good):
        _check_step(kind, before.server, after.server)


def _check_frame(kind: Kind, one: Seen) -> None:
    assert set(one.body) == {"cname", "uid", "resourceId", "sid", "serverResponse"}
    server = one.server
    expected = {"status", "sliceStartTime"}
    if kind.list_mode is not None:
        expected |= {"fileListMode", "fileList"}
        assert server["fileListMode"] == kind.list_mode, server
        check_names(kind, one.body["sid"], one.body["cname"], files(server))
    assert set(server) == expected, server
    assert server["status"] in _RANK, server
    assert isinstance(server["sliceStartTime"], int)
    if server["status"] in _ENTERING:
        assert not files(server)
    if kind.list_mode is not None and server["status"] in {4, 5}:  # 5: the first file is there
        assert (server["status"] == 5) == bool(files(server)), server


def _check_step(kind: Kind, before: dict[str, Any], after: dict[str, Any]) -> None:
    numbers = before["status"], after["status"]
    assert _RANK[numbers[0]] <= _RANK[numbers[1]], f"status {numbers[0]} became {numbers[1]}"
    if before["sliceStartTime"]:
        assert after["sliceStartTime"] == before["sliceStartTime"]
    check_grows(kind, files(before), files(after))


def files(server: dict[str, Any]) -> list[Any]:
    """What is listed: entries, or the one name of a mix."""
    listed = server.get("fileList", [])
    return listed if isinstance(listed, list) else [listed] if listed else []


def check_grows(kind: Kind, before: list[Any], after: list[Any]) -> None:
    """Nothing that was listed vanishes or changes."""
    lost = [entry for entry in before if not any(_is_same(entry, other) for other in after)]
    assert not lost, f"listed before, and not any more: {lost}; now {after}"
    names = [entry if isinstance(entry, str) else entry["fileName"] for entry in after]
    assert len(names) == len(set(names)), f"listed twice: {names}"
    if kind.mp4 and kind.mixed and names:  # MP4 files before the index (§4.4)
        assert [name for name in names if name.endswith(".m3u8")] == names[-1:]


def _is_same(before: Any, after: Any) -> bool:
    """The same file; an index of both media may have had one of them first."""
    if before == after:
        return True
    if isinstance(before, str) or after["trackType"] != "audio_and_video":
        return False
    more = {"trackType", "isPlayable", "sliceStartTime"}
    same = all(after[key] == value for key, value in before.items() if key not in more)
    return same and after["sliceStartTime"] <= before["sliceStartTime"]


def check_names(kind: Kind, sid: str, cname: str, listed: Iterable[Any]) -> None:
    """Entries of §4.3 with names of §5.1."""
    for entry in listed:
        name = entry if isinstance(entry, str) else entry["fileName"]
        if isinstance(entry, dict):
            assert notices.entry_is_good(entry), entry
            assert entry["mixedAllUser"] is kind.mixed
            pattern = _names(kind, sid, cname, entry["uid"], entry["trackType"])
        else:
            pattern = _names(kind, sid, cname, "0", "audio_and_video")
        assert re.fullmatch(pattern, name), f"{name} is not {pattern}"


def _names(kind: Kind, sid: str, cname: str, uid: str, track: str) -> str:
    base = rf"(?:[A-Za-z0-9]+/)*{sid}_{re.escape(cname)}"
    if kind.mixed:
        return base + (r"(?:\.m3u8|_\d+\.mp4)" if kind.mp4 else r"\.m3u8")
    of_uid = f"{base}__uid_s_{uid}__uid_e_"
    if kind.mode == "raw":
        return of_uid + r"(?:\d+_)?[a-z0-9_]+\.(?:m3u8|mpd|mp4|mp3)"
    return of_uid + {"audio_and_video": r"av\.(?:m3u8|mpd)"}.get(track, rf"{track}\.m3u8")


@dataclass(frozen=True, slots=True)
class End:
    """How a recording ended."""

    idle: bool  # else it was stopped
    media: bool  # something was recorded
    listed: tuple[Any, ...] | None  # in the answer to a stop that waited for all files
    misfits: int = 0  # calls that did not fit its state: started or stopped again


def check_story(kind: Kind, told: Sequence[Notice], end: End) -> None:
    """All notices of one recording that ran to its end, as they arrived."""
    for notice in told:
        notices.check(notice)
        scene = "rtc_snapshot" if notice["eventType"] == 45 else kind.scene
        assert notice["payload"]["serviceScene"] == scene, notice
    numbers = [notice["payload"]["sequence"] for notice in told]
    assert numbers == list(range(len(told))), f"sequence {numbers}"
    order = [notice["eventType"] for notice in told]
    counts = Counter(order)
    _check_once(counts, end, kind)
    assert not {41, 42, 43, 44} & set(order[: order.index(40)]), order
    assert order.index(41) < order.index(11), order
    last = order.index(11)
    if counts[31]:
        last = min(last, order.index(31))
        assert 41 in order[:last], order
        assert 30 in order[:last], order
    assert set(order[last:]) <= {3, 11, 31, 33, 43, 44}, order
    _check_details(kind, told, end)


def _check_once(counts: Counter[int], end: End, kind: Kind) -> None:
    assert (counts[40], counts[41], counts[11]) == (1, 1, 1), counts
    assert counts[30] <= 1
    assert counts[31] == (1 if end.media else counts[31])
    assert not {1, 2, 12, 32} & set(counts), counts
    assert counts[3] <= end.misfits, counts
    assert (counts[45] > 0) <= (kind.list_mode is None), counts


def _check_details(kind: Kind, told: Sequence[Notice], end: End) -> None:
    details = defaultdict(list)
    for notice in told:
        details[notice["eventType"]].append(notice["payload"]["details"])
    [leave], [left] = details[41], details[11]
    assert leave["leaveCode"] & (_IDLE if end.idle else _BY_REQUEST), leave
    assert left["exitStatus"] == 0
    names = [one["fileList"] for one in details[4]]
    assert len(names) == len(set(names)), f"said to be new twice: {names}"
    if end.media:
        final = [one["fileName"] for one in details[31][0]["fileList"]]
        check_names(kind, told[0]["sid"], told[0]["payload"]["cname"], details[31][0]["fileList"])
        indices = {name for name in final if not name.endswith((".mp4", ".mp3"))}
        assert indices <= set(names) <= set(final), f"told of {names}, then of {final}"
        if end.listed is not None:
            listed = [one if isinstance(one, str) else one["fileName"] for one in end.listed]
            assert sorted(listed) == sorted(final)
    progress = [one["progress"] for one in details[33]]
    assert progress == sorted(progress)
    _check_streams(told)
    for one in details[42]:
        assert one["mixedAllUser"] is kind.mixed is (one["streamUid"] == "0"), one
        assert one["discontinueUtcMs"] <= one["startUtcMs"], one


def _check_streams(told: Sequence[Notice]) -> None:
    """43 and 44: of each publisher's sound and picture, it comes before it goes, in turns."""
    states = defaultdict(list)
    for notice in told:
        if notice["eventType"] in {43, 44}:
            details = notice["payload"]["details"]
            assert details["UtcMs"] == details["utcMs"]
            states[notice["eventType"], details["streamUid"]].append(details["state"])
    for key, row in states.items():
        assert row == [number % 2 for number in range(len(row))], f"{key}: {row}"
