"""When a publisher's sound or picture begins to arrive, and when it does not any more."""

from recorder import Recording, heard, until
from whip import Publisher

from media.capture.hearing import SILENCE_NS, Hearing
from media.tape.model import NS, Kind, Source, Track

MIC = Track("1", "ann", Kind.AUDIO, Source.MICROPHONE, 1, (), "c")
CAM = Track("2", "ann", Kind.VIDEO, Source.CAMERA, 2, (), "c")
SCREEN = Track("3", "ann", Kind.VIDEO, Source.SCREEN, 3, (), "c")


class Told:
    def __init__(self) -> None:
        self.rows: list[tuple[str, Kind, bool]] = []
        self.at_ns: list[int] = []

    def stream(self, uid: str, kind: Kind, arrives: bool, at_ns: int) -> None:
        self.rows.append((uid, kind, arrives))
        self.at_ns.append(at_ns)


def hearing() -> tuple[Hearing, Told]:
    told = Told()
    return Hearing(told), told  # type: ignore[arg-type]  # the rest of it is not used


def test_it_is_told_once_when_it_begins_and_once_when_it_ends():
    hears, told = hearing()
    hears.began(MIC, NS)
    for second in range(2, 9):
        hears.heard(MIC, second * NS)
        hears.tick(second * NS)
    hears.ended(MIC)
    hears.tick(9 * NS)
    hears.tick(10 * NS)
    assert told.rows == [("ann", Kind.AUDIO, True), ("ann", Kind.AUDIO, False)]
    assert told.at_ns == [NS, 9 * NS]


def test_a_track_that_follows_another_is_no_change():
    hears, told = hearing()
    hears.began(CAM, NS)
    hears.ended(CAM)
    hears.began(Track("9", "ann", Kind.VIDEO, Source.CAMERA, 9, (), "c"), NS)
    hears.tick(NS + 1)
    assert told.rows == [("ann", Kind.VIDEO, True)]


def test_a_screen_keeps_the_picture_of_a_publisher_alive():
    hears, told = hearing()
    hears.began(CAM, NS)
    hears.began(SCREEN, NS)
    hears.ended(CAM)
    hears.tick(NS + 1)
    hears.mute("ann", Source.SCREEN, muted=True, at_ns=NS + 2)
    hears.tick(NS + 3)
    assert [arrives for _, _, arrives in told.rows] == [True, False]


def test_who_falls_silent_is_told_of_and_who_speaks_again_too():
    hears, told = hearing()
    hears.began(MIC, NS)
    hears.tick(NS + SILENCE_NS - 1)
    assert len(told.rows) == 1
    hears.tick(NS + SILENCE_NS)
    hears.heard(MIC, 9 * NS)
    assert [arrives for _, _, arrives in told.rows] == [True, False, True]


def test_muted_it_does_not_arrive_and_unmuted_only_with_a_packet():
    hears, told = hearing()
    hears.began(MIC, NS)
    hears.mute("ann", Source.MICROPHONE, muted=True, at_ns=2 * NS)
    hears.heard(MIC, 2 * NS + 5)  # it was under way
    hears.tick(2 * NS + 6)
    hears.mute("ann", Source.MICROPHONE, muted=False, at_ns=3 * NS)
    hears.heard(MIC, 2 * NS + 7)
    hears.tick(3 * NS + 1)
    assert [arrives for _, _, arrives in told.rows] == [True, False]
    hears.heard(MIC, 3 * NS + 2)
    hears.tick(3 * NS + 3)
    assert [arrives for _, _, arrives in told.rows] == [True, False, True]


def test_who_joins_muted_is_not_heard_and_a_mute_goes_with_its_publisher():
    hears, told = hearing()
    hears.mute("ann", Source.CAMERA, muted=True, at_ns=NS)
    hears.began(CAM, 2 * NS)
    assert told.rows == []
    hears.left("ann")
    hears.heard(CAM, 3 * NS)
    assert told.rows == [("ann", Kind.VIDEO, True)]


def test_at_the_end_nobody_arrives():
    hears, told = hearing()
    hears.began(MIC, NS)
    hears.began(CAM, NS)
    hears.end(2 * NS)
    assert told.rows[2:] == [("ann", Kind.AUDIO, False), ("ann", Kind.VIDEO, False)]


def test_of_a_real_publisher(go) -> None:
    async def story(rec: Recording) -> None:
        alice = Publisher(rec.address, "c", "alice", rec.drain)
        await alice.join()
        await heard(rec, alice)
        await alice.mute("audio", True)
        await until(lambda: ("alice", Kind.AUDIO, False) in told(rec))
        await alice.mute("audio", False)
        await heard(rec, alice)
        await until(lambda: told(rec).count(("alice", Kind.AUDIO, True)) == 2)
        await alice.leave()
        await until(lambda: told(rec)[-1] == ("alice", Kind.VIDEO, False))

    def told(rec: Recording) -> list[tuple[str, Kind, bool]]:
        return [row[:3] for row in rec.seen.streams]

    rec = go(story)
    assert [row[2] for row in told(rec) if row[1] is Kind.AUDIO] == [True, False, True, False]
    assert [row[2] for row in told(rec) if row[1] is Kind.VIDEO] == [True, False]


def test_who_mutes_ten_times_a_second_is_told_of_once_at_a_look():
    hears, told = hearing()
    hears.began(MIC, NS)
    looks, step_ns = 120, NS // 20
    for step in range(looks * 10):
        at_ns = NS + step * step_ns
        muted = step % 2 == 0
        hears.mute("ann", Source.MICROPHONE, muted=muted, at_ns=at_ns)
        if not muted:
            hears.heard(MIC, at_ns + 1)
        if step % 10 in (0, 9):
            hears.tick(at_ns + 2)
    stops = [arrives for _, _, arrives in told.rows].count(False)
    assert looks * 0.9 < stops <= looks * 2
    assert len(told.rows) <= 2 * stops + 1
