"""Where parts begin and end, what lies in them, and whose turn it is to send some."""

import hashlib
import threading
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from media.mux import file_numbers
from workers.storage.bucket import SMALLEST_PART
from workers.uploader import spans
from workers.uploader.content import Content, Payload
from workers.uploader.turns import Turns

MOST_PARTS = 10_000  # that S3 takes
heads = st.integers(1, 20_000_000)
payloads = st.integers(1, file_numbers.LARGEST)


@given(heads, payloads, st.booleans())
def test_parts_are_the_whole_file_and_such_as_s3_takes(
    head: int, payload: int, in_order: bool
) -> None:
    parts = spans.all_parts(head, payload, in_order=in_order)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert (parts[0].begin, parts[-1].end) == (-head, payload)
    assert all(a.end == b.begin for a, b in pairwise(parts))
    sizes = [part.end - part.begin for part in parts]
    assert min(sizes) > 0
    assert min(sizes[:-1], default=SMALLEST_PART) >= SMALLEST_PART
    assert len(parts) <= MOST_PARTS
    if in_order:
        assert len(set(sizes[:-1])) <= 1


@given(heads, payloads, payloads)
def test_what_is_sent_early_is_a_part_of_every_file_it_becomes(head: int, a: int, b: int) -> None:
    early, whole = list(spans.ahead(min(a, b))), spans.all_parts(head, max(a, b), in_order=False)
    assert early == whole[1 : 1 + len(early)]
    left = [part for part in whole if part not in early]
    if a == b:
        assert sum(part.end - part.begin for part in left) < head + 2 * spans.PART_BYTES


@given(
    st.binary(min_size=1, max_size=50),
    st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=6),
    st.data(),
)
def test_a_file_in_pieces_reads_as_a_whole(
    head: bytes, rows: list[bytes], data: st.DataObject
) -> None:
    whole = head + b"".join(rows)
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / str(i) for i in range(len(rows))]
        for path, row in zip(paths, rows, strict=True):
            path.write_bytes(row)
        content = Content(head, [Payload(*one) for one in zip(paths, map(len, rows), strict=True)])
        assert content.size == len(whole)
        assert content.read(begin - len(head), end - len(head)) == whole[begin:end]
        assert content.sha256() == hashlib.sha256(whole).hexdigest()


def test_few_work_at_a_time_and_nobody_is_forgotten() -> None:
    lock, at_work, most = threading.Lock(), 0, 0
    left = dict.fromkeys((f"{n}" for n in range(20)), 3)

    def step(sid: str) -> bool:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.001)
        with lock:
            at_work -= 1
            left[sid] -= 1
            return left[sid] > 0

    turns = Turns(step, at_once=2)
    threads = [threading.Thread(target=turns.ask, args=(sid,)) for sid in left]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(left.values()) == {0}
    assert most == 2


def test_each_gets_one_step_and_then_the_next_one_does() -> None:
    seen: list[str] = []

    def step(sid: str) -> bool:
        if not seen:
            turns.ask("b")
        seen.append(sid)
        return seen.count(sid) < 3

    turns = Turns(step, at_once=1)
    turns.ask("a")
    assert seen == ["a", "b", "a", "b", "a", "b"]


def test_who_may_wait_has_a_turn_when_there_is_nobody_else() -> None:
    seen: list[str] = []

    def step(sid: str) -> bool:
        if not seen:
            turns.ask("recut 2", later=True)
            turns.ask("live 1")
            turns.ask("live 2")
        seen.append(sid)
        return seen.count(sid) < 2

    turns = Turns(step, at_once=1)
    turns.ask("recut 1", later=True)
    live = ["live 1", "live 2"] * 2
    assert seen == ["recut 1", *live, "recut 2", "recut 1", "recut 2"]


def test_one_that_cannot_be_looked_after_does_not_hold_up_the_others() -> None:
    seen: list[str] = []

    def step(sid: str) -> bool:
        seen.append(sid)
        if sid == "bad":
            turns.ask("good")
            raise ValueError("a piece that makes no sense")
        return False

    turns = Turns(step, at_once=1)
    turns.ask("bad")
    turns.ask("good")
    assert seen == ["bad", "good", "good"]
