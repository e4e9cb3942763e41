import json

import pytest
from taping import MS, NS, T0, adds, gives, opus, rotates, tape, tells, track

from media.errors import TapeDamaged
from media.tape import show
from media.tape.info import inspect_tape
from media.tape.model import EventType, TapeEvent

ONE = track()


def recorded(directory, numbers):
    acts = [adds(ONE), *(gives(ONE, opus(n), T0 + n * 20 * MS) for n in numbers)]
    acts.insert(len(acts) // 2, rotates(T0 + NS))
    return tape(directory, acts, end_ns=T0 + 2 * NS)


def test_losses_and_duplicates_are_counted_over_all_parts(tmp_path):
    recorded(tmp_path, [0, 1, 2, 2, 5, 4, 7, 8, 8, 9])
    info = inspect_tape(tmp_path)
    (row,) = info.tracks
    assert (row.track, row.packets, row.lost, row.duplicates) == (ONE, 10, 2, 2)
    assert row.seconds == pytest.approx(0.18)
    assert info.whole
    assert info.packets == 10
    assert info.seconds == 2
    assert info.events == 1


def test_one_part_alone_can_be_looked_at(tmp_path):
    recorded(tmp_path, range(10))
    info = inspect_tape(tmp_path / "0001-000002.pcapng")
    assert len(info.parts) == 1
    assert info.tracks[0].packets == 6
    assert info.whole


def test_a_missing_part_is_a_hole(tmp_path):
    acts = [adds(ONE), *(rotates(T0 + second * NS) for second in range(1, 5))]
    tape(tmp_path, acts, end_ns=T0 + 5 * NS)
    (tmp_path / "0001-000003.pcapng").unlink()
    info = inspect_tape(tmp_path)
    assert info.holes == ((T0 + 2 * NS, T0 + 3 * NS),)
    assert not info.whole


def test_a_part_that_changed_after_sealing_is_told(tmp_path):
    recorded(tmp_path, range(10))
    path = tmp_path / "0001-000001.pcapng"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert "torn" in inspect_tape(path).parts[0].fault
    reader_sees_less = whole[: -(len(whole) - 8) // 2 // 4 * 4]
    path.write_bytes(reader_sees_less)
    assert inspect_tape(path).parts[0].fault


def test_an_open_part_is_described_but_not_whole(tmp_path):
    recorded(tmp_path, range(10))
    sealed = tmp_path / "0001-000001.pcapng"
    (tmp_path / "0001-000001.json").unlink()
    sealed.rename(tmp_path / "0001-000001.pcapng.open")
    info = inspect_tape(tmp_path)
    assert [part.sealed for part in info.parts] == [False, True]
    assert info.parts[0].fault == ""
    assert not info.whole


def test_where_there_is_no_tape_there_is_an_error(tmp_path):
    with pytest.raises(TapeDamaged):
        inspect_tape(tmp_path)
    with pytest.raises(TapeDamaged):
        inspect_tape(tmp_path / "nothing")


def test_what_is_on_a_tape_can_be_printed(tmp_path, capsys):
    recorded(tmp_path, [0, 1, 3])
    show.info([tmp_path])
    printed = capsys.readouterr().out
    assert "2 parts, 2.0 s from 2023-11-14T22:13:20.000+00:00" in printed
    assert "uid 7 microphone opus ssrc 5: 3 packets" in printed
    assert "1 lost" in printed
    show.info([tmp_path], as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["tracks"][0]["lost"] == 1
    assert row["whole"] is True


def test_verifying_says_what_is_wrong(tmp_path, capsys):
    recorded(tmp_path, range(4))
    assert show.verify([tmp_path])
    path = tmp_path / "0001-000002.pcapng"
    path.write_bytes(path.read_bytes()[:-3])
    assert not show.verify([tmp_path])
    assert "0001-000002.pcapng: its end is torn off" in capsys.readouterr().out
    assert not show.verify([tmp_path], as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["whole"] is False


def tallied(second, **counts):
    told = tuple(sorted(counts.items()))
    return tells(TapeEvent(EventType.TALLY, T0 + second * NS, track=ONE.id, counts=told))


def test_what_the_recorder_counted_is_told_by_its_last_word(tmp_path, capsys):
    acts = [
        adds(ONE),
        *(gives(ONE, opus(n), T0 + n * 20 * MS) for n in range(50)),
        tallied(1, received=40, lost=1, drift_ppb=-9_000, skew_us=90),
        rotates(T0 + 2 * NS),
        tallied(3, received=50, lost=2, recovered=7, late=0, drift_ppb=-12_340, skew_us=1500),
    ]
    tape(tmp_path, acts, end_ns=T0 + 4 * NS)
    show.info([tmp_path])
    printed = capsys.readouterr().out
    assert "arrival: 50 received, 2 lost, 7 recovered; drift -12.3 ppm, skew +1.5 ms\n" in printed
    assert "late" not in printed
    show.info([tmp_path], as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["tracks"][0]["counts"]["recovered"] == 7
    assert row["tracks"][0]["counts"]["drift_ppb"] == -12_340


def test_a_track_without_a_tally_tells_none(tmp_path, capsys):
    recorded(tmp_path, range(4))
    assert inspect_tape(tmp_path).tracks[0].counts == {}
    show.info([tmp_path])
    assert "arrival" not in capsys.readouterr().out
