"""With which settings the parts of a farm are started."""

from pathlib import Path

import pytest

from workers.apps_file import BadApps
from workers.embedded.home import Home
from workers.embedded.up import Options, Plan
from workers.settings import Settings

ELSEWHERE = {
    "redis": "redis://127.0.0.1:9/0",
    "s3": "http://a:b@127.0.0.1:9/b",
    "channel": "room+x",
}
MORE = '[[apps]]\napp_id = "more"\ncustomer_key = "k"\ncustomer_secret = "s"\n'


def plan(data: Path, **options: object) -> Plan:
    home = Home(data)
    with home.locked():
        return Plan(Options(data=data, port=0, **(ELSEWHERE | options)), home, ("x",))  # type: ignore[arg-type]


def settings_of(made: Plan, role: str, patch: pytest.MonkeyPatch) -> Settings:
    """As that process reads them."""
    [part] = [part for part in made.workers if part.name.startswith(role)]
    with patch.context() as only:
        for name, value in part.env.items():
            if name.startswith("TAPEFARM_"):
                only.setenv(name, value)
        return Settings()  # type: ignore[call-arg]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REQUESTS_PER_SECOND", "APPS_FILE", "CALLBACK_SOURCE_IPS"):
        monkeypatch.delenv(f"TAPEFARM_{name}", raising=False)
    return tmp_path / "data"


def test_a_farm_of_one_host_counts_no_requests(data: Path, monkeypatch) -> None:
    made = plan(data, callback_url="http://x")
    for role in ("api", "recorder", "cutter", "uploader", "reconciler"):
        settings = settings_of(made, role, monkeypatch)
        assert settings.requests_per_second == 0
        assert settings.apps_file is None
        assert [str(ip) for ip in settings.callback_source_ips] == ["127.0.0.1"]
        [own] = settings.apps
        assert (own.app_id, own.callback_url) == (made.keys.app_id, "http://x")
        assert own.pairs[0].customer_secret.get_secret_value() == made.keys.customer_secret


def test_more_apps_and_a_quota_when_asked_for(data: Path, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "apps.toml"
    file.write_text(MORE)
    monkeypatch.chdir(tmp_path)
    made = plan(data, apps=Path("apps.toml"), requests_per_second=2.5)
    for role in ("api", "recorder", "reconciler"):
        settings = settings_of(made, role, monkeypatch)
        assert settings.requests_per_second == 2.5
        assert settings.apps_file == file
        assert len(settings.apps) == 1


def test_what_the_caller_has_in_the_environment_is_passed_on(data: Path, monkeypatch) -> None:
    given = {
        "REQUESTS_PER_SECOND": "7",
        "APPS_FILE": "/etc/apps.toml",
        "CALLBACK_SOURCE_IPS": '["192.0.2.7"]',
        "MAX_RECORDINGS_PER_APP": "5",
        "FARM_KEY": "not the one of this farm",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"TAPEFARM_{name}", value)
    made = plan(data)
    settings = settings_of(made, "api", monkeypatch)
    assert settings.requests_per_second == 7
    assert settings.apps_file == Path("/etc/apps.toml")
    assert [str(ip) for ip in settings.callback_source_ips] == ["192.0.2.7"]
    assert settings.allowance.recordings == 5
    assert settings.farm_key.get_secret_value() == made.keys.farm_key
    made = plan(data, requests_per_second=0.0)
    assert settings_of(made, "api", monkeypatch).requests_per_second == 0


@pytest.mark.parametrize("text", [None, MORE[:-2], MORE + MORE, "own"])
def test_a_wrong_file_of_apps_is_said_before_anything_starts(
    data: Path, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "apps.toml"
    if text is not None:
        own = plan(data).keys.app_id
        file.write_text(MORE.replace("more", own) if text == "own" else text)
    with pytest.raises(BadApps):
        plan(data, apps=file)
