"""The book of a recording's quality: taken in once, whatever dies or comes twice."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from media.quality import report as pages
from media.quality.model import SliceQuality
from media.quality.report import report
from tests.media.quality.test_quality_book import Story
from workers.job.spec import RecordingSpec
from workers.spool.spool import Closed, Delivery, Folder, SegmentFile, Unit
from workers.uploader import quality

Make = Callable[..., RecordingSpec]


@pytest.fixture(scope="module")
def slices() -> list[SliceQuality]:
    return list(Story(5, 400).tape.slices())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "sid")
    made.make("{}")
    return made


def cut(folder: Folder, number: int, one: SliceQuality) -> None:
    """What a cutter and an uploader do to a slice."""
    segment = SegmentFile(
        name=f"{number:06d}.ts",
        playlist="p.m3u8",
        uid="1",
        kind="audio",
        source=None,
        container="ts",
        codec="aac",
        start_ns=one.start_ns,
        duration_s=4.0,
        discontinuity=False,
    )
    unit = Unit(
        number=number,
        start_ns=one.start_ns,
        end_ns=one.end_ns,
        final=False,
        segments=(segment,),
        cursor={},
        keep_from_ns=0,
    )
    folder.save_quality(number, one)
    folder.save_unit(unit)
    folder.deliver(segment.name, Delivery(size=number, etag="e", sha256=f"{number:064x}"))


def told(folder: Folder, count: int) -> dict[str, object]:
    text = json.dumps(pages.document(quality.whole_book(folder, count)))
    return dict(json.loads(text))


def test_slices_in_any_order_and_twice_make_the_same_report(
    folder: Folder, slices: list[SliceQuality]
) -> None:
    rng = random.Random(3)
    waiting = list(enumerate(slices))
    rng.shuffle(waiting)
    waiting.sort(key=lambda row: row[0] // 8)  # cutters overtake each other by as much
    for number, one in waiting:
        cut(folder, number, one)
        quality.fold(folder, list(folder.units()))
        again = rng.randrange(number + 1)
        if rng.random() < 0.3 and folder.cut(again):
            folder.save_quality(again, slices[again])  # a second cutter came late
    assert folder.book().until > len(slices) // 2
    assert len(folder.measured()) < len(slices) // 2
    assert told(folder, len(slices)) == json.loads(json.dumps(report(slices)))


def test_dying_at_any_step_counts_nothing_twice(
    folder: Folder, slices: list[SliceQuality], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(slices):
        cut(folder, number, one)
    units = list(folder.units())
    for step in ("gather", "save_book", "measured"):
        with monkeypatch.context() as broken:
            if step == "measured":  # the book stands, its slices are still there
                stored = folder.save_book
                rows = {n: folder.quality(n) for n in folder.measured()}
                stored(quality.whole_book(folder, 30))
                for number, row in rows.items():
                    if row is not None:
                        folder.save_quality(number, row)
                continue

            def die(*_: object) -> None:
                raise OSError("no space left on device")

            broken.setattr(Folder, step, die)
            with pytest.raises(OSError):
                quality.fold(folder, units)
    quality.fold(folder, units)
    assert folder.book().until == len(slices)
    assert told(folder, len(slices)) == json.loads(json.dumps(report(slices)))
    assert folder.measured() == []


def test_what_is_not_delivered_waits(folder: Folder, slices: list[SliceQuality]) -> None:
    for number, one in enumerate(slices[:45]):
        cut(folder, number, one)
    (folder.path / "receipts" / "000030.ts.json").unlink()
    quality.fold(folder, list(folder.units()))
    assert folder.book().until == 30
    assert len(folder.measured()) == 15


def test_gathered_receipts_are_those_of_the_bucket(
    folder: Folder, slices: list[SliceQuality]
) -> None:
    for number, one in enumerate(slices[:50]):
        cut(folder, number, one)
    before = folder.receipts()
    quality.fold(folder, list(folder.units()))
    with (folder.path / "receipts.jsonl").open("a") as file:
        file.write('["000049.ts", 3, "')  # whoever wrote it died
    folder.gather(["000048.ts"])
    assert folder.receipts() == before


def test_redis_keeps_a_short_report(
    folder: Folder, make_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "MOST_FILES", 3)
    receipts = {f"{n}.ts": Delivery(size=n, etag="", sha256="s") for n in range(5)}
    closed = Closed(origin_ns=0, end_ns=0, units=0, reason="stop")
    whole = quality.document(make_spec(), closed, quality.whole_book(folder, 0), receipts)
    short = json.loads(quality.short(whole))
    assert (len(whole["files"]), whole["files_not_listed"]) == (5, 0)
    assert (len(short["files"]), short["files_not_listed"]) == (3, 2)
    assert {**short, "files": 0, "files_not_listed": 0} == {**whole, "files": 0}
