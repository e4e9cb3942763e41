"""The book of a recording's quality: taken in once, whatever dies or comes twice."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from media.quality import report as pages
from media.quality.model import SliceQuality
from media.quality.report import report
from tests.media.quality.test_quality_book import Story
from workers.job.spec import RecordingSpec
from workers.spool.spool import Closed, Delivery, Folder, SegmentFile, Unit
from workers.uploader import quality
from workers.uploader.uploader import Uploader

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
    for step in ("save_book", "gather", "measured"):
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


def test_what_cannot_be_read_costs_its_slice_only(
    folder: Folder, slices: list[SliceQuality]
) -> None:
    for number, one in enumerate(slices[:25]):
        cut(folder, number, one)
    row = folder.path / "quality" / "000010.json"
    row.write_text("")
    quality.fold(folder, list(folder.units()))
    assert (folder.book().until, folder.book().measured) == (25, 24)
    assert not row.exists()


def test_a_book_that_cannot_be_read_is_begun_again(
    folder: Folder, slices: list[SliceQuality]
) -> None:
    for number, one in enumerate(slices[:25]):
        cut(folder, number, one)
    quality.fold(folder, list(folder.units()))
    (folder.path / "quality" / "book.json").write_text('{"until": "many"}')
    assert quality.whole_book(folder, 25).measured == 0
    assert told(folder, 25)


def test_slices_that_go_into_the_book_while_it_is_read_are_not_lost(
    folder: Folder, slices: list[SliceQuality], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(slices[:25]):
        cut(folder, number, one)
    expected, quality_of = told(folder, 25), folder.quality

    def beside(number: int) -> SliceQuality | None:
        if number == 3:
            monkeypatch.setattr(folder, "quality", quality_of)
            quality.fold(folder, list(folder.units()))
        return quality_of(number)

    monkeypatch.setattr(folder, "quality", beside)
    assert told(folder, 25) == expected


def test_receipts_are_gathered_once(
    folder: Folder, slices: list[SliceQuality], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate(slices[:25]):
        cut(folder, number, one)
    gathered = folder.path / "receipts.jsonl"

    def full(_book: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(folder, "save_book", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                quality.fold(folder, list(folder.units()))
    assert not gathered.exists()
    quality.fold(folder, list(folder.units()))
    assert len(gathered.read_text().split()) >= 25


def test_whatever_is_wrong_with_the_figures_the_media_is_delivered(
    folder: Folder, make_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise ValueError("figures that make no sense")

    monkeypatch.setattr(quality, "fold", wrong)
    monkeypatch.setattr(quality, "whole_book", wrong)
    nobody: Any = None
    uploader = Uploader(nobody, nobody, nobody, nobody)
    closed = Closed(origin_ns=1, end_ns=2, units=25, reason="stopped")
    uploader._fold(make_spec(), folder, [])
    uploader._report(make_spec(), folder, nobody, closed)
    assert not folder.receipts()
