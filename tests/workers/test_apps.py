"""Apps from settings and from a file that changes while everybody works."""

import itertools
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from workers.apps import Apps
from workers.apps_file import BadApps
from workers.job.allowance import Allowance
from workers.settings import App, CustomerKey, Settings, load

FIXED = App(app_id="fixed", customer_key="fixed-key", customer_secret=SecretStr("fixed-secret"))
ONE = '[[apps]]\napp_id = "one"\ncustomer_key = "k1"\ncustomer_secret = "hush-hush"\n'
TWO = ONE.replace("one", "two")
_ages = itertools.count(1000)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds


def write(path: Path, text: str | bytes, *, age_s: float | None = None) -> Path:
    """No two with one age, so that each can be told from the one before."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    then = time.time() - (next(_ages) if age_s is None else age_s)
    os.utime(path, (then, then))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "apps.toml", ONE)


def names(apps: Apps) -> list[str]:
    return [app.app_id for app in apps.current()]


def test_apps_of_settings_and_of_the_file_stand_side_by_side(file: Path) -> None:
    apps = Apps((FIXED,), file)
    assert names(apps) == ["fixed", "one"]
    assert apps.find("one") is apps.current()[1]
    assert apps.find("fixed") is FIXED
    assert apps.find("two") is None


def test_a_change_is_seen_after_a_second_and_not_looked_for_before(file: Path) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    before = apps.current()
    write(file, TWO)
    clock.pass_by(0.9)
    assert apps.current() is before
    clock.pass_by(0.1)
    assert names(apps) == ["two"]
    assert apps.find("one") is None
    assert apps.current() is apps.current()


def test_a_change_that_kept_the_time_and_the_size_is_seen(file: Path) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    then = file.stat().st_mtime_ns
    file.write_text(TWO)
    os.utime(file, ns=(then, then))  # as cp -p and rsync -t do
    clock.pass_by(1)
    assert names(apps) == ["two"]


def test_a_file_of_another_name_that_takes_its_place_is_seen(file: Path, tmp_path: Path) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    stat = file.stat()
    other = write(tmp_path / "next", TWO)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert other.stat().st_size == stat.st_size
    other.replace(file)
    clock.pass_by(1.0)
    assert names(apps) == ["two"]


def test_a_file_that_was_written_just_now_waits_a_moment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    write(file, TWO)
    written_s = file.stat().st_mtime
    for age_s, wait_s, seen in ((0.1, 1.0, "one"), (0.15, 0.2, "one"), (0.3, 0.1, "two")):
        fake = SimpleNamespace(time=lambda age_s=age_s: written_s + age_s)
        monkeypatch.setattr("workers.apps_file.time", fake)
        clock.pass_by(wait_s)
        assert names(apps) == [seen]


def test_a_file_from_the_future_is_taken_at_once(file: Path) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    write(file, TWO, age_s=-1000.0)
    clock.pass_by(1.0)
    assert names(apps) == ["two"]


BROKEN = [
    b"",
    b"# nothing yet\n",
    ONE[:20].encode(),
    ONE[:-3].encode(),
    ONE.replace("customer_secret", "customer_sekret").encode(),
    (ONE + "max_recordings = 0\n").encode(),
    (ONE + 'certificates = ["hush-hush"]\n').encode(),
    (ONE + "colour = 1\n").encode(),
    (ONE + ONE).encode(),
    ONE.replace("one", "fixed").encode(),
    ONE.replace("k1", "k:1").encode(),
    b'apps = "hush-hush"\n',
    b"[[apps]]\n" + bytes(200),
    b"\xff\xfe hush-hush",
    b"a = " + b"[" * 100_000,
    b"#" + b"x" * (16 << 20),
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_changes_nothing_and_is_named_once(file: Path, text: bytes) -> None:
    clock = Clock()
    apps = Apps((FIXED,), file, clock)
    before = apps.current()
    write(file, text)
    with capture_logs() as logs:
        for _ in range(5):
            clock.pass_by(1.0)
            assert apps.current() is before
    assert [(row["event"], row["log_level"]) for row in logs] == [
        ("the file of apps is not taken, what stood before goes on", "error")
    ]
    assert "hush-hush" not in repr(logs)
    assert str(file) in logs[0]["reason"] or "there twice" in logs[0]["reason"]
    write(file, TWO)
    clock.pass_by(1.0)
    assert names(apps) == ["fixed", "two"]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_at_the_start_is_an_error(file: Path, text: bytes) -> None:
    write(file, text)
    with pytest.raises(BadApps) as caught:
        Apps((FIXED,), file)
    assert "hush-hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_is_an_error_at_the_start_and_later_changes_nothing(file: Path) -> None:
    clock = Clock()
    apps = Apps((), file, clock)
    file.unlink()
    with capture_logs() as logs:
        for _ in range(3):
            clock.pass_by(1.0)
            assert names(apps) == ["one"]
    assert len(logs) == 1
    with pytest.raises(BadApps, match="No such file"):
        Apps((), file)
    with pytest.raises(BadApps, match="directory"):
        Apps((), file.parent)
    write(file, TWO)
    clock.pass_by(1.0)
    assert names(apps) == ["two"]


def test_a_file_may_say_that_there_are_no_apps(file: Path) -> None:
    assert names(Apps((FIXED,), write(file, "apps = []\n"))) == ["fixed"]


def test_many_threads_see_one_version_or_the_other(file: Path) -> None:
    apps = Apps((FIXED,), file, itertools.count().__next__)  # every look is due
    done = threading.Event()
    seen: set[tuple[str, ...]] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add(tuple(names(apps)))
            assert apps.find("fixed") is FIXED
            time.sleep(0.001)

    threads = [threading.Thread(target=watch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200):
        write(file.with_name("draft"), (ONE, TWO)[number % 2]).replace(file)
        if number % 7 == 0:
            write(file, ONE[:30])
        time.sleep(0.005)
        if number > 20 and len(seen) == 2:
            break
    done.set()
    for thread in threads:
        thread.join()
    assert seen == {("fixed", "one"), ("fixed", "two")}


def test_an_app_with_several_keys_and_certificates() -> None:
    keys = ({"customer_key": "k2", "customer_secret": "s2"},)
    app = App(app_id="a", customer_key="k1", customer_secret="s1", keys=keys)  # type: ignore[arg-type]
    assert [pair.customer_key for pair in app.pairs] == ["k1", "k2"]
    assert all(isinstance(pair, CustomerKey) for pair in app.pairs)
    assert [pair.customer_key for pair in App(app_id="a", keys=keys).pairs] == ["k2"]  # type: ignore[arg-type]
    app = App(app_id="a", keys=keys, certificates=("0aF" + "0" * 29,))  # type: ignore[arg-type]
    assert "0aF" not in repr(app)
    assert "s2" not in repr(app)


@pytest.mark.parametrize(
    "changes",
    [
        {"customer_key": "", "customer_secret": ""},
        {"customer_secret": ""},
        {"customer_key": ""},
        {"customer_key": "a:b"},
        {"app_id": ""},
        {"keys": [{"customer_key": "k", "customer_secret": ""}]},
        {"certificates": ["0" * 31]},
        {"certificates": ["g" * 32]},
        {"callback_url": "customer.example/hook"},
        {"callback_url": "ftp://customer.example/"},
        {"callback_url": "http://"},
        {"callback_url": "http://customer.example:70000/"},
        {"max_streams": 0},
        {"requests_per_second": -1},
        {"requests_per_second": float("inf")},
    ],
)
def test_what_no_app_can_be(changes: dict[str, object]) -> None:
    good = {"app_id": "a", "customer_key": "k", "customer_secret": "s"}
    App.model_validate(good)
    with pytest.raises(ValidationError):
        App.model_validate(good | changes)


def test_an_app_twice_in_the_settings_is_an_error() -> None:
    with pytest.raises(ValidationError, match="twice"):
        Settings(farm_key=SecretStr("0123456789abcdef"), apps=(FIXED, FIXED))


def test_an_app_has_what_it_says_and_else_what_the_farm_gives(tmp_path: Path) -> None:
    config = tmp_path / "farm.toml"
    config.write_text('farm_key = "0123456789abcdef"\nmax_recordings_per_app = 50\n')
    default = load(config).allowance
    assert default == Allowance(recordings=50)
    assert FIXED.allowance(default) == default
    own = FIXED.model_copy(update={"max_streams": 7, "max_recordings": 3})
    assert own.allowance(default) == Allowance(recordings=3, streams=7)
    assert not Allowance(recordings=3).covers(4, 1)
    assert Allowance(recordings=3).covers(3, 10_000)
    assert not Allowance(streams=7).covers(1, 8)


def test_the_example_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "access.md"
    example = page.read_text().split("```toml\n")[1].split("```")[0]
    [app] = Apps((), write(tmp_path / "apps.toml", example)).current()
    assert [pair.customer_key for pair in app.pairs] == ["a1…", "b2…"]
