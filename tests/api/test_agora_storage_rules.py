"""Where an owner lets files go, and other keys for a recording that goes on."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tests.api.farm import STORAGE, Farm, error, start_body
from tests.api.test_agora_storage import NEW, azure
from workers.job.errors import StorageRefused
from workers.job.state import State


def start(storage: dict[str, Any], **settings: Any) -> tuple[Farm, Any]:
    farm = Farm(changes=settings)
    client = start_body() | {"storageConfig": STORAGE | storage}
    return farm, farm.start(farm.acquire(), client)


SELF_BUILT = {"extensionParams": {"endpoint": "https://minio.example.com:9000"}}


@pytest.mark.parametrize(
    ("settings", "storage", "field"),
    [
        ({"storage_vendors": [1, 2]}, SELF_BUILT, "vendor"),
        ({"storage_vendors": []}, SELF_BUILT, "vendor"),
        ({"storage_vendors": [11]}, SELF_BUILT, None),
        ({"storage_buckets": ["rec-*"]}, SELF_BUILT, None),
        ({"storage_buckets": ["film-*", "x"]}, SELF_BUILT, "bucket"),
        ({"storage_endpoints": ["*.Example.com"]}, SELF_BUILT, None),
        ({"storage_endpoints": ["minio.example.com:9000"]}, SELF_BUILT, None),
        ({"storage_endpoints": ["minio.example.com:9001"]}, SELF_BUILT, "extensionParams.endpoint"),
        ({"storage_endpoints": ["*.example.org"]}, SELF_BUILT, "extensionParams.endpoint"),
        ({"storage_endpoints": ["*.example.org"]}, {"vendor": 1}, "vendor"),
        ({"storage_endpoints": ["*.amazonaws.com"]}, {"vendor": 1}, None),
    ],
)
def test_an_owner_says_where_files_may_go(
    settings: dict[str, Any], storage: dict[str, Any], field: str | None
) -> None:
    farm, answer = start(storage, **settings)
    if field is None:
        assert answer.status_code == 200, answer.json
        return
    assert error(answer) == (400, 2)
    assert f"invalid storageConfig.{field} value!" in answer.json["reason"]
    assert not farm.control.specs


@pytest.mark.parametrize(("vendor", "region"), [(1, 7), (1, 26), (4, 2), (2, 18)])
def test_a_vendor_is_redirected_to_the_owners_own_storage(vendor: int, region: int) -> None:
    storage = {"vendor": vendor, "region": region}
    extras = {"sse": "kms", "tag": "a=b"} if vendor == 1 else {}
    farm, answer = start(
        storage | {"extensionParams": extras},
        storage_redirects={vendor: "https://minio.internal:9000"},
        storage_endpoints=["*.amazonaws.com"],
    )
    assert answer.status_code == 200, answer.json
    [spec] = farm.control.specs.values()
    place = spec.storage
    assert (place.endpoint, place.secure, place.path_style) == ("minio.internal:9000", True, True)
    assert (place.bucket, place.access_key) == ("rec-bucket", "AKIDEXAMPLE")
    assert (place.encryption, place.tags) == (("kms", (("a", "b"),)) if extras else ("", ()))


def test_what_is_redirected_may_say_its_own_endpoint_again() -> None:
    farm = Farm(changes={"storage_redirects": {11: "http://minio.internal"}})
    resource_id, sid = farm.started()
    config = STORAGE | {"accessKey": "AKNEW", "secretKey": "SECRETNEW"}
    answer = update((farm, resource_id, sid), storageConfig=config)
    assert answer.status_code == 200, answer.json
    assert farm.control.specs[sid].storage.endpoint == "minio.internal"


@pytest.mark.parametrize("url", ["ftp://minio", "http://minio/path", "minio:0", ""])
def test_a_redirect_to_nowhere_is_an_error_of_the_settings(url: str) -> None:
    with pytest.raises(ValidationError, match="storage_redirects"):
        Farm(changes={"storage_redirects": {1: url}})


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_a_file_without_authorities_is_an_error_of_the_settings(tmp_path: Path, text: str) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text(text)
    with pytest.raises(ValidationError, match=r"storage_ca_file[^$]*no certificate"):
        Farm(changes={"storage_ca_file": wrong})


def test_the_owners_own_storage_may_be_private_and_others_may_not() -> None:
    private = {"minio.internal": ["10.0.0.1"]}
    farm = Farm(addresses=private, changes={"storage_redirects": {1: "http://minio.internal"}})
    client = start_body() | {"storageConfig": STORAGE | {"vendor": 1}}
    assert farm.start(farm.acquire(), client).status_code == 200
    assert [spec.storage.public for spec in farm.control.specs.values()] == [False]
    for storage in (
        STORAGE | {"extensionParams": {"endpoint": "minio.internal"}},
        azure(extensionParams={"endpoint": "http://minio.internal/account1"}),
    ):
        answer = farm.start(farm.acquire(uid="8"), client | {"storageConfig": storage}, uid="8")
        assert error(answer) == (400, 2)
        assert "storageConfig.extensionParams.endpoint" in answer.json["reason"]


@pytest.mark.parametrize("private", [False, True])
def test_a_host_that_a_customer_names_stays_public_for_whoever_connects(private: bool) -> None:
    farm = Farm(changes={"allow_private_endpoints": private})
    resource_id, sid = farm.started()
    assert farm.control.specs[sid].storage.public is not private
    config = STORAGE | {"accessKey": "AKNEW", "secretKey": "SECRETNEW"}
    assert update((farm, resource_id, sid), storageConfig=config).status_code == 200
    assert farm.control.specs[sid].storage.public is not private


# -- other keys while it goes on


@pytest.fixture
def started() -> tuple[Farm, str, str]:
    farm = Farm()
    storage = STORAGE | NEW | {"vendor": 1, "region": 7, "fileNamePrefix": ["a", "b"]}
    storage |= {"stsToken": "first token", "extensionParams": {"sse": "kms", "tag": "a=b"}}
    resource_id = farm.acquire()
    answer = farm.start(resource_id, start_body() | {"storageConfig": storage})
    assert answer.status_code == 200, answer.json
    return farm, resource_id, answer.json["sid"]


def update(started: tuple[Farm, str, str], **client: Any) -> Any:
    farm, resource_id, sid = started
    body = {"cname": "demo-room-7", "uid": "900001", "clientRequest": client}
    return farm.call("POST", f"/resourceid/{resource_id}/sid/{sid}/mode/mix/update", body)


KEYS = NEW | {"accessKey": "AKNEW", "secretKey": "SECRETNEW"}
WHOLE = KEYS | {
    "vendor": 1,
    "region": 7,
    "bucket": "rec-bucket",
    "fileNamePrefix": ["a", "b"],
    "extensionParams": {"sse": "kms", "tag": "a=b"},
}


@pytest.mark.parametrize("config", [KEYS, WHOLE, KEYS | {"extensionParams": {"sse": ""}}, NEW])
@pytest.mark.parametrize("state", [State.RECORDING, State.STOPPING, State.DELIVERING])
def test_keys_are_refreshed(
    started: tuple[Farm, str, str], config: dict[str, Any], state: State
) -> None:
    farm, _, sid = started
    before = farm.control.specs[sid].storage
    farm.control.move(sid, state)
    farm.now_ns += 1
    answer = update(started, storageConfig=config)
    assert answer.status_code == 200, answer.json
    after = farm.control.specs[sid].storage
    assert farm.control.checked[-1] == after
    assert after.session_token == SecretStr("new token")
    assert after.secret_key == SecretStr(config.get("secretKey", "SECRETEXAMPLE"))
    assert after.access_key == config.get("accessKey", "AKIDEXAMPLE")
    assert after.renewed_ns == farm.now_ns > before.renewed_ns
    keys = {"access_key", "secret_key", "session_token", "renewed_ns"}
    assert before.model_dump(exclude=keys) == after.model_dump(exclude=keys)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"vendor": 2}, "vendor"),
        ({"region": 8}, "region"),
        ({"bucket": "another"}, "bucket"),
        ({"fileNamePrefix": ["c"]}, "fileNamePrefix"),
        ({"extensionParams": {"sse": "aes256"}}, "extensionParams.sse"),
        ({"extensionParams": {"tag": "a=c"}}, "extensionParams.tag"),
        ({"stsToken": ""}, "stsToken"),
        ({"stsToken": 7}, "stsToken"),
        ({"stsExpiration": NEW["stsExpiration"] - 1}, "stsExpiration"),
        ({"stsExpiration": None}, "stsExpiration"),
        ({"accessKey": "a b"}, "accessKey"),
    ],
)
def test_a_refresh_of_something_else_is_refused(
    started: tuple[Farm, str, str], changes: dict[str, Any], field: str
) -> None:
    before = dict(started[0].control.specs)
    answer = update(started, storageConfig=WHOLE | changes)
    assert error(answer) == (400, 2)
    assert f"invalid storageConfig.{field} value!" in answer.json["reason"]
    assert started[0].control.specs == before


def test_keys_that_the_bucket_refuses_change_nothing(started: tuple[Farm, str, str]) -> None:
    farm = started[0]
    before = dict(farm.control.specs)
    farm.control.storage_error = StorageRefused("SignatureDoesNotMatch")
    lists = {"audioUidList": {"subscribeAudioUids": ["1"]}}
    answer = update(started, storageConfig=KEYS, streamSubscribe=lists)
    assert error(answer) == (400, 2)
    assert answer.json["reason"] == "Update: storageConfig: SignatureDoesNotMatch"
    assert (farm.control.specs, farm.control.orders) == (before, [])


def test_lists_and_keys_may_change_together(started: tuple[Farm, str, str]) -> None:
    farm, _, sid = started
    lists = {"audioUidList": {"subscribeAudioUids": ["1"]}}
    assert update(started, storageConfig=KEYS, streamSubscribe=lists).status_code == 200
    assert farm.control.specs[sid].storage.access_key == "AKNEW"
    assert len(farm.control.orders) == 1


def test_permanent_keys_may_be_changed_as_a_pair() -> None:
    farm = Farm()
    resource_id, sid = farm.started()
    both = {"accessKey": "AKNEW", "secretKey": "SECRETNEW"}
    for config, status in ((both, 200), ({"accessKey": "AK3"}, 400), ({}, 400), (NEW, 400)):
        assert update((farm, resource_id, sid), storageConfig=config).status_code == status
    assert farm.control.specs[sid].storage.access_key == "AKNEW"


def test_an_ended_recording_takes_no_keys(started: tuple[Farm, str, str]) -> None:
    started[0].control.move(started[2], State.ENDED)
    assert error(update(started, storageConfig=KEYS)) == (404, 404)
