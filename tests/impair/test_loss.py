"""What a recording is worth that was made over a bad network."""

import asyncio
import itertools
import time

import pytest

from media.tape.model import NS, Kind
from tests.impair import table
from tests.impair.fates import Impairment
from tests.impair.table import DELAY_S, JITTER_S, Case
from tests.impair.take import Network, Stage, Take, record

SECONDS = 8.0
OUTAGE_S = 5.0


class Outage:
    """Nothing passes for a while."""

    began_ns = 0

    async def __call__(self, stage: Stage) -> None:
        await asyncio.sleep(4)
        self.began_ns = time.time_ns()
        stage.network.outage(OUTAGE_S)


@pytest.fixture(scope="module")
def outage() -> Outage:
    return Outage()


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory, outage: Outage) -> dict[str, Take]:
    """All recordings of this module, made at the same time: each takes its seconds."""
    way = {"delay_s": DELAY_S, "jitter_s": JITTER_S}
    disorder = Network.both(Impairment(reorder=0.05, duplicate=0.05, **way))
    quiet = Network.both(Impairment(**way))

    async def main() -> dict[str, Take]:
        to = tmp_path_factory.mktemp
        scenes = {
            "loss": table.play(Case(0.05), to("loss"), seconds=SECONDS),
            "bursts": table.play(Case(0.10, table.BURST), to("bursts"), seconds=SECONDS, seed=2),
            "uplink": table.play(Case(0.05, before_room=True), to("uplink"), seconds=SECONDS),
            "disorder": record(to("disorder"), disorder, seconds=SECONDS),
            "outage": record(to("outage"), quiet, seconds=SECONDS + OUTAGE_S, story=outage),
        }
        return dict(zip(scenes, await asyncio.gather(*scenes.values()), strict=True))

    return asyncio.run(main())


def assert_only_what_never_passed_is_missing(take: Take) -> None:
    """The tape is as whole as the network let it be, packet by packet, and nothing is twice."""
    log = take.log()
    for kind in Kind:
        (track,) = take.tracks(kind)
        numbers, missing = take.sequence(kind), take.missing(kind)
        never = log.never_passed(track.ssrc)
        assert missing <= never
        assert never & take.judged_numbers(kind) <= missing
        assert len(numbers) == len(set(numbers))


def test_five_percent_of_loss_are_repaired(takes: dict[str, Take]) -> None:
    take = takes["loss"]
    log = take.log()
    for kind in Kind:
        (track,) = take.tracks(kind)
        assert sum(ssrc == track.ssrc for ssrc, _ in log.dropped) > 5  # there was work to do
    assert_only_what_never_passed_is_missing(take)
    judged = take.judged()
    assert judged.seen.missing_share <= 0.01
    assert judged.seen.disordered == 0
    assert len(judged.offsets_s) >= SECONDS - 2
    assert judged.av_p95_s <= 0.080
    assert judged.heard >= 0.99


def test_bursts_are_repaired_nearly_as_well(takes: dict[str, Take]) -> None:
    take = takes["bursts"]
    assert_only_what_never_passed_is_missing(take)
    judged = take.judged()
    assert judged.seen.missing_share <= 0.03
    assert judged.av_p95_s <= 0.120
    assert judged.heard >= 0.97


def test_loss_on_the_publishers_way_is_repaired_through_the_room(takes: dict[str, Take]) -> None:
    take = takes["uplink"]
    assert take.uplink is not None
    (relay,) = take.uplink.relays
    for kind in Kind:
        (track,) = take.tracks(kind)
        assert take.missing(kind) <= relay.up.log.never_passed(track.ssrc)
    judged = take.judged()
    assert judged.seen.missing_share <= 0.01
    assert judged.heard >= 0.99


def test_what_is_reordered_and_doubled_is_there_once_and_in_order(takes: dict[str, Take]) -> None:
    take = takes["disorder"]
    for kind in Kind:
        numbers = take.sequence(kind)
        assert numbers != sorted(numbers)  # or nothing was reordered
        assert len(numbers) == len(set(numbers))
        assert take.missing(kind) == set()
        rtp = [frame.rtp_time for frame in take.frames(kind)]
        assert rtp == sorted(set(rtp))
    assert take.seen.given_up == 0
    judged = take.judged()
    assert judged.seen.missing_share <= 0.01
    assert judged.seen.disordered == 0
    assert judged.heard >= 0.99


def test_after_an_outage_the_recording_goes_on_and_time_is_not_shifted(
    takes: dict[str, Take], outage: Outage
) -> None:
    take = takes["outage"]
    ended_ns = outage.began_ns + int(OUTAGE_S * NS)
    for kind in Kind:
        assert len(take.tracks(kind)) == 1
        times = [frame.time_ns for frame in take.frames(kind)]
        # The room still has some of what was lost, and all of that comes back.
        holes = [(a, b) for a, b in itertools.pairwise(times) if b - a > NS // 4]
        assert sum(b - a for a, b in holes) <= (OUTAGE_S + 1) * NS
        for begin, end in holes:
            assert outage.began_ns - NS <= begin
            assert end <= ended_ns + NS
        assert times[-1] > take.end_ns - NS // 4
    judged = take.judged()
    assert judged.seen.disordered == 0
    heard = [offset for offset in judged.offsets_s if abs(offset) < 0.5]  # a flash with its beep
    assert len(heard) >= SECONDS - 2
    assert max(map(abs, heard)) <= 0.120


@pytest.mark.soak
def test_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(table.lines(table.SECONDS))
    with capsys.disabled():
        print("", *rows, sep="\n")
    assert len(rows) == 2 + len(table.CASES)
