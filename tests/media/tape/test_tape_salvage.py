import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from taping import NS, T0, adds, gives, opus, tape, tells, track

from media.errors import TapeDamaged
from media.tape.format import PartReader
from media.tape.info import inspect_tape
from media.tape.model import EventType, TapeEvent
from media.tape.reader import Tape
from media.tape.salvage import salvage

ONE = track()


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    """The bytes of a small part with three packets."""
    directory = tmp_path_factory.mktemp("tape")
    joined = TapeEvent(EventType.JOINED, T0, uid="7")
    acts = [tells(joined), adds(ONE), *(gives(ONE, opus(i), T0 + i) for i in range(3))]
    tape(directory, acts)
    return (directory / "0001-000001.pcapng").read_bytes()


@pytest.fixture(scope="module")
def sealed(part, tmp_path_factory):
    """The part's manifest, as it is written."""
    directory = tmp_path_factory.mktemp("sealed")
    (directory / "0001-000001.pcapng").write_bytes(part)
    salvage(directory)
    return (directory / "0001-000001.json").read_bytes()


def block_ends(data):
    ends, pos = [], 0
    while pos < len(data):
        pos += int.from_bytes(data[pos + 4 : pos + 8], "little")
        ends.append(pos)
    return ends


def packets_in(data):
    """Read all that can be read; whether damage was met."""
    reader = PartReader(data)
    found = []
    try:
        found.extend(one.data for one in reader.packets())
    except TapeDamaged:
        return found, True
    return found, False


def test_a_crash_at_any_byte_costs_only_the_torn_block(part, tmp_path):
    ends = block_ends(part)
    packet_ends = ends[-3:]
    for size in range(len(part)):
        directory = tmp_path / str(size)
        directory.mkdir()
        (directory / "0001-000001.pcapng.open").write_bytes(part[:size])
        manifests = salvage(directory)
        whole = [end for end in ends if end <= size]
        if not whole:
            assert manifests == []
            assert [path.name for path in directory.iterdir()] == [
                "0001-000001.pcapng.open.damaged"
            ]
            continue
        count = sum(end <= size for end in packet_ends)
        (manifest,) = manifests
        assert manifest.salvaged
        assert (manifest.packets, manifest.bytes) == (count, whole[-1])
        assert manifest.from_ns == T0
        assert manifest.until_ns == (T0 + max(count, 1) if len(whole) > 2 else T0)
        read = [one.data for one in Tape(directory).packets(T0, T0 + NS)]
        assert read == [opus(i) for i in range(count)]
        assert inspect_tape(directory).whole
        assert salvage(directory) == []


def test_a_part_whose_manifest_was_not_written_any_more_is_sealed(part, tmp_path):
    (tmp_path / "0001-000001.pcapng").write_bytes(part)
    (tmp_path / "0001-000001.json.tmp").write_bytes(b'{"half')
    (manifest,) = salvage(tmp_path)
    assert Tape(tmp_path).manifests() == [manifest]
    assert manifest.tracks == (ONE,)


def test_zeros_at_the_end_are_what_a_power_cut_leaves(part, tmp_path):
    (tmp_path / "0001-000001.pcapng.open").write_bytes(part + bytes(5000))
    (manifest,) = salvage(tmp_path)
    assert (manifest.packets, manifest.bytes) == (3, len(part))
    assert (tmp_path / "0001-000001.pcapng").read_bytes() == part


def test_damage_in_the_middle_ends_the_part_there_and_nothing_is_thrown_away(part, tmp_path):
    ends = block_ends(part)
    at = ends[-3] + 4  # the length of the second packet
    hurt = part[:at] + b"\x01\x00\x00\x00" + part[at + 4 :]
    (tmp_path / "0001-000001.pcapng.open").write_bytes(hurt)
    (manifest,) = salvage(tmp_path)
    assert manifest.packets == 1
    assert (tmp_path / "0001-000001.pcapng").read_bytes() == hurt
    reader = Tape(tmp_path)
    assert [one.data for one in reader.packets(T0, T0 + NS)] == [opus(0)]
    assert reader.damaged.keys() == {"0001-000001"}
    info = inspect_tape(tmp_path)
    assert not info.whole
    assert "length" in info.parts[0].fault


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=400))
def test_noise_is_damage_or_nothing(data):
    found, _ = packets_in(data)
    assert found == []


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_in_a_part_only_damage_is_raised(part, data):
    hurt = bytearray(part)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(hurt) - 1))
        hurt[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(hurt)))
    found, _ = packets_in(bytes(hurt[:cut]))
    assert sum(map(len, found)) <= len(part)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_on_a_tape_only_damage_is_raised(part, sealed, data):
    files = {"0001-000001.pcapng": bytearray(part), "0001-000001.json": bytearray(sealed)}
    hurt = files[data.draw(st.sampled_from(sorted(files)))]
    for _ in range(data.draw(st.integers(1, 4))):
        hurt[data.draw(st.integers(0, len(hurt) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        one = Tape(Path(directory))
        for question in (
            lambda: list(one.packets(T0, T0 + NS)),
            lambda: one.frames(T0, T0 + NS),
            lambda: one.keyframe_before(ONE.id, T0 + NS),
            lambda: one.events(0, T0 + NS),
            lambda: one.roster(T0),
            lambda: inspect_tape(Path(directory)),
            lambda: salvage(Path(directory)),
        ):
            with contextlib.suppress(TapeDamaged):
                question()


def test_a_manifest_that_cannot_be_read_is_damage(part, tmp_path):
    (tmp_path / "0001-000001.pcapng").write_bytes(part)
    for text in ("", "[]", "{}", '{"name": 1}', "[" * 100_000, "\x00"):
        (tmp_path / "0001-000001.json").write_text(text)
        with pytest.raises(TapeDamaged):
            Tape(tmp_path).manifests()


def test_a_part_that_is_gone_is_damage(part, tmp_path):
    (tmp_path / "0001-000001.pcapng.open").write_bytes(part)
    salvage(tmp_path)
    (tmp_path / "0001-000001.pcapng").unlink()
    with pytest.raises(TapeDamaged):
        Tape(tmp_path).frames(T0, T0 + NS)


def test_a_part_never_takes_the_place_of_another(part, tmp_path):
    (tmp_path / "0001-000001.pcapng").write_bytes(part)
    (tmp_path / "0001-000001.pcapng.open").write_bytes(part[:-8])
    (manifest,) = salvage(tmp_path)
    assert manifest.packets == 3
    assert (tmp_path / "0001-000001.pcapng").read_bytes() == part


def test_a_manifest_cannot_send_us_to_other_files(part, sealed, tmp_path):
    outside = tmp_path / "outside.pcapng"
    outside.write_bytes(part)
    (tmp_path / "tape").mkdir()
    text = sealed.decode().replace("0001-000001", "../outside")
    (tmp_path / "tape" / "0001-000001.json").write_text(text)
    with pytest.raises(TapeDamaged):
        Tape(tmp_path / "tape").trim(T0 + 9000 * NS)
    assert outside.exists()


def test_a_manifest_and_its_part_may_be_moved(part, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0001-000001.pcapng.open").write_bytes(part)
    salvage(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert len(list(Tape(tmp_path / "b").packets(T0, T0 + NS))) == 3
