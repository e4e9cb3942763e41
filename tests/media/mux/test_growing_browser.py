"""Chromium plays and seeks what was made of pieces, from a plain web server."""

import asyncio
from dataclasses import replace

import pytest

from media.cut.model import CompositeSpec, IndividualSpec, Slice
from media.cut.stretches import cut_stretches
from media.mux import matroska, mp4
from media.mux.clusters import ClusterIndex
from media.mux.piece import Index
from media.tape.model import NS, Source
from tests.browser import chromium
from tests.media.cut.patterns import pattern, turning
from tests.media.cut.scene import OPUS, ORIGIN_NS, VP8, presence, tone, track
from tests.media.cut.tapes import on_tape
from tests.media.mux.growing import finished, slice_of, webm_pieces
from tests.media.mux.web_player import player

pytestmark = pytest.mark.server

SPEC = CompositeSpec(320, 180, 15, 300, mp4=True)
SMALL = CompositeSpec(160, 90, 15, 60, mp4=True)
HALF = 0.5 / 15  # into a picture


def _browse(need, folder, test):
    async def go():
        async with chromium(need("chromium")) as context, player(context, folder) as page:
            return await test(page)

    return asyncio.run(asyncio.wait_for(go(), 120))


def test_it_plays_an_mp4_over_its_seams_and_seeks_to_any_picture(tmp_path, need):
    finished(
        [slice_of(SPEC, k * 3.0, k * 3.0 + 3, tmp_path) for k in range(4)], tmp_path / "film.mp4"
    )

    async def test(page):
        duration_s = await page.load("film.mp4")
        shown = [await page.seek(number / 15 + HALF) for number in wanted]
        await page.seek(0)
        return duration_s, shown, await page.play()

    wanted = [100, 3, 44, 45, 46, 179, 0, 90, 134]
    duration_s, shown, played = _browse(need, tmp_path, test)
    assert duration_s == pytest.approx(12, abs=1 / 15)
    assert [one.number for one in shown] == wanted
    assert [one.at_s for one in shown] == pytest.approx([n / 15 + HALF for n in wanted], abs=1e-3)
    assert {one.size for one in shown} == {(320, 180)}
    assert played["at_s"] == pytest.approx(duration_s, abs=0.1)
    assert [name for name, _ in played["noted"] if name == "error"] == []
    assert played["audio_bytes"] > 40_000


def test_a_file_that_begins_later_keeps_its_pictures_in_time(tmp_path, need):
    # The sound begins 16 ms after the picture.
    finished(
        [slice_of(SPEC, k * 3.0, k * 3.0 + 3, tmp_path) for k in (2, 3)], tmp_path / "later.mp4"
    )

    async def test(page):
        duration_s = await page.load("later.mp4")
        return duration_s, [await page.seek(number / 15 + HALF) for number in wanted]

    wanted = [0, 44, 45, 88]
    duration_s, shown = _browse(need, tmp_path, test)
    assert duration_s == pytest.approx(6, abs=1 / 15)
    assert [one.number for one in shown] == [90 + number for number in wanted]


def test_two_hours_are_sought_at_once(tmp_path, need):
    # One slice 450 times over, as long as a whole number of pictures and of AAC frames.
    part = slice_of(SMALL, 0, 16, tmp_path)
    index, payload = Index.read(part.piece.index), part.piece.payload.read_bytes()
    with (tmp_path / "film.mp4").open("wb") as file:
        file.write(mp4.head([_later(index, k * 16) for k in range(450)]))
        for _ in range(450):
            file.write(payload)

    async def test(page):
        duration_s = await page.load("film.mp4")
        return duration_s, [await page.seek(at_s + HALF) for at_s in wanted]

    wanted = [3600, 7199, 15, 5432.2, 14.8, 7123.4]
    duration_s, shown = _browse(need, tmp_path, test)
    assert duration_s == pytest.approx(7200, abs=0.1)
    assert [one.number for one in shown] == [round(at_s * 15) % 240 for at_s in wanted]
    assert [one.at_s for one in shown] == pytest.approx([at + HALF for at in wanted], abs=1e-3)


def _later(index, seconds):
    moved = []
    for one in index.tracks:
        ahead = seconds * one.format.timescale
        moved.append(replace(one, times=one.times + ahead, end=one.end + ahead))
    return Index(tuple(moved), index.chunks)


def test_a_change_of_the_encoder_in_the_middle(tmp_path, need):
    other = replace(SPEC, width=480, height=270)
    made = [
        slice_of(spec, k * 2.0, k * 2.0 + 2, tmp_path) for k, spec in enumerate((SPEC, other, SPEC))
    ]
    finished(made, tmp_path / "film.mp4")

    async def test(page):
        await page.load("film.mp4")
        return [await page.seek(number / 15 + HALF) for number in wanted], await page.play()

    wanted = [10, 40, 70, 31]
    shown, played = _browse(need, tmp_path, test)
    assert [one.number for one in shown] == wanted
    assert [name for name, _ in played["noted"] if name == "error"] == []


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1"])
def test_it_plays_a_webm_over_its_seams_and_seeks_to_any_picture(tmp_path, need, codec):
    pieces = webm_pieces(codec, 12, slice_s=3)
    head = matroska.head([index for _, index in pieces])
    (tmp_path / "film.webm").write_bytes(head + b"".join(payload for payload, _ in pieces))

    async def test(page):
        duration_s = await page.load("film.webm")
        shown = [await page.seek(number / 15 + HALF) for number in wanted]
        await page.seek(0)
        return duration_s, shown, await page.play()

    wanted = [100, 3, 44, 45, 46, 179, 0, 90, 134]
    duration_s, shown, played = _browse(need, tmp_path, test)
    assert duration_s == 12
    assert [one.number for one in shown] == wanted
    assert {one.size for one in shown} == {(320, 180)}
    assert played["at_s"] == pytest.approx(duration_s, abs=0.1)
    assert [name for name, _ in played["noted"] if name == "error"] == []


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_it_shows_a_webm_upright_however_the_camera_was_held(tmp_path, need, rotation):
    camera = turning(track("1", Source.CAMERA, VP8))
    frames = pattern(camera, start_ns=ORIGIN_NS, seconds=4, rotations={0: rotation})
    tape = on_tape(tmp_path / "tape", [frames], presence(camera, ORIGIN_NS))
    cut = cut_stretches(
        tape,
        IndividualSpec(),
        origin_ns=ORIGIN_NS,
        slice=Slice(0, ORIGIN_NS, ORIGIN_NS + 4 * NS),
        cursor={},
        final=True,
        out_dir=tmp_path,
    )
    (piece,) = cut.pieces
    head = matroska.head([ClusterIndex.read(piece.index)])
    (tmp_path / "film.webm").write_bytes(head + piece.payload.read_bytes())

    async def test(page):
        await page.load("film.webm")
        return [await page.seek(number / 15 + HALF) for number in wanted]

    wanted = [3, 40, 17]
    shown = _browse(need, tmp_path, test)
    assert [one.number for one in shown] == wanted
    assert {one.size for one in shown} == {(320, 180)}


def test_sound_of_a_webm_lasts_as_long_as_its_pauses(tmp_path, need):
    mic = track("1", Source.MICROPHONE, OPUS)
    frames = tone(mic, 500, start_ns=ORIGIN_NS, seconds=6)
    sent = [frame for i, frame in enumerate(frames) if not 150 <= i < 225]
    tape = on_tape(tmp_path / "tape", [sent], presence(mic, ORIGIN_NS))
    cut = cut_stretches(
        tape,
        IndividualSpec(),
        origin_ns=ORIGIN_NS,
        slice=Slice(0, ORIGIN_NS, ORIGIN_NS + 6 * NS),
        cursor={},
        final=True,
        out_dir=tmp_path,
    )
    (piece,) = cut.pieces
    head = matroska.head([ClusterIndex.read(piece.index)])
    (tmp_path / "sound.webm").write_bytes(head + piece.payload.read_bytes())

    async def test(page):
        return await page.load("sound.webm"), await page.heard("sound.webm"), await page.play()

    duration_s, levels, played = _browse(need, tmp_path, test)
    assert duration_s == pytest.approx(6, abs=0.001)
    assert len(levels) == pytest.approx(60, abs=1)
    assert min(levels[1:29]) > 0.1
    assert max(levels[33:44]) < 0.02
    assert min(levels[46:59]) > 0.1
    assert played["at_s"] == pytest.approx(6, abs=0.1)
