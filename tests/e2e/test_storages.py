"""One farm, four storages at the same time: each gets a recording, whole and playable."""

import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from api.agora.client import Recording
from media.judge import decode
from tests.azure import KEY, Azurite, azurite
from tests.certificate import certificate_of
from tests.e2e import strict
from tests.e2e.farm import Farm, farm, until
from tests.workers.buckets import BUCKET, S3Server

pytestmark = [pytest.mark.e2e, pytest.mark.server]

LENGTH_S, REKEYED_S = 6.0, 3.0
CANVAS = {"width": 320, "height": 180, "fps": 15, "bitrate": 500, "mixedVideoLayout": 1}
FIRST, SECOND = ("first-access-key", "f" * 40), ("second-access-key", "s" * 40)


@dataclass
class World:
    """The farm and what is around it."""

    farm: Farm
    azure: Azurite
    private: S3Server  # https, by a private authority
    vendors: S3Server  # the same; what is for vendor 1 goes there

    def storage(self, name: str) -> dict[str, Any]:
        if name == "embedded":
            return self.farm.storage("to", name)
        if name == "azure":
            return self.azure.storage("to", name)
        base = {"bucket": BUCKET, "fileNamePrefix": ["to", name]}
        if name == "private":
            storage = self.private.storage
            place = {"vendor": 11, "region": 0}
            extras = {"endpoint": f"https://{storage.endpoint}"}
        else:
            storage = self.vendors.storage
            place = {"vendor": 1, "region": 7, **temporary("the first token")}
            extras = {"sse": "aes256", "tag": "retention=30d"}
        secret = storage.secret_key.get_secret_value()
        keys = {"accessKey": storage.access_key, "secretKey": secret}
        return {**base, **place, **keys, "extensionParams": extras}

    def names(self, name: str) -> list[str]:
        if name == "embedded":
            return self.farm.bucket.names(f"to/{name}/")
        if name == "azure":
            return self.azure.names()
        return (self.private if name == "private" else self.vendors).names()

    def get(self, name: str, key: str) -> bytes:
        if name == "embedded":
            return self.farm.bucket.get(key)
        if name == "azure":
            return self.azure.get(key)
        return (self.private if name == "private" else self.vendors).content(key)


def temporary(token: str) -> dict[str, Any]:
    return {"stsToken": token, "stsExpiration": int(time.time()) + 5 * 3600}


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    need: Callable[[str], str],
    free_port: Callable[[], int],
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("storages")
    certificate = certificate_of(folder)
    private, vendors = (
        S3Server(folder / name, free_port(), certificate) for name in ("private", "vendors")
    )
    redirects = {"1": f"https://{vendors.storage.endpoint}"}
    with ExitStack() as there, pytest.MonkeyPatch.context() as environment:
        for server in (private, vendors):
            there.callback(server.stop)
            server.start()
        vendors.rekey(*FIRST)
        azure = there.enter_context(azurite(need))
        environment.setenv("TAPEFARM_STORAGE_CA_FILE", str(certificate[0]))
        environment.setenv("TAPEFARM_STORAGE_REDIRECTS", json.dumps(redirects))
        running = there.enter_context(farm(folder / "data"))
        yield World(running, azure, private, vendors)


@dataclass(frozen=True, slots=True)
class Take:
    """One of the recordings."""

    name: str
    sid: str
    status: int  # of the answer to stop
    answer: dict[str, Any]


NAMES = ("embedded", "azure", "private", "vendors")


@pytest.fixture(scope="module")
def takes(world: World) -> dict[str, Take]:
    with world.farm.publisher("four", "7", "--pattern", "--video", "h264"):
        begun = {name: _start(world, name, f"90{n}") for n, name in enumerate(NAMES)}
        began_s = time.time()
        until(began_s + REKEYED_S)
        _rekey(world, begun["vendors"])
        until(began_s + LENGTH_S)
        with ThreadPoolExecutor() as pool:
            answers = pool.map(Recording.stop, begun.values())
            return {
                name: Take(name, recording.sid, *answer)
                for (name, recording), answer in zip(begun.items(), answers, strict=True)
            }


def _start(world: World, name: str, uid: str) -> Recording:
    mode = "mix" if name in ("embedded", "azure") else "individual"
    config: dict[str, Any] = {"channelType": 0}
    request: dict[str, Any] = {"recordingConfig": config, "storageConfig": world.storage(name)}
    if mode == "mix":
        config["transcodingConfig"] = CANVAS
    if name == "azure":
        request["recordingFileConfig"] = {"avFileType": ["hls", "mp4"]}
    return world.farm.agora.start("four", uid, mode, request)


def _rekey(world: World, recording: Recording) -> None:
    """The keys that it was started with are worth nothing from now on."""
    world.vendors.rekey(*SECOND)
    keys = dict(zip(("accessKey", "secretKey"), SECOND, strict=True))
    wrong = keys | {"secretKey": "wrong" * 8} | temporary("another token")
    status, answer = recording.update({"storageConfig": wrong})
    assert (status, answer["code"]) == (400, 2)
    assert "SignatureDoesNotMatch" in answer["reason"]
    status, answer = recording.update({"storageConfig": keys | temporary("another token")})
    assert status == 200, answer


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_recording(
    world: World, takes: dict[str, Take], name: str, need: Callable[[str], str]
) -> None:
    take = takes[name]
    assert take.status == 200, take.answer
    assert take.answer["serverResponse"]["uploadingStatus"] == "uploaded"
    names = world.names(name)
    assert all(key.startswith(f"to/{name}/{take.sid}_four") for key in names), names
    playlists = [key for key in names if key.endswith(".m3u8")]
    assert len(playlists) == (1 if name in ("embedded", "azure") else 2)
    seconds = {}
    for playlist in playlists:
        lines = world.get(name, playlist).decode().splitlines()
        assert lines[-1] == "#EXT-X-ENDLIST"
        segments = [f"to/{name}/{line}" for line in lines if line and line[0] != "#"]
        stream = decode.joined(world.get(name, key) for key in segments)
        strict.decodes(need("ffmpeg"), stream)
        listed = [float(line[8:].strip(",")) for line in lines if line.startswith("#EXTINF:")]
        seconds[playlist] = sum(listed)
    print(f"{name}: {len(names)} files, {seconds}")
    assert all(length_s > LENGTH_S - 2 for length_s in seconds.values())
    assert any(key.endswith("_report.json") for key in names)


def test_azure_has_its_mp4(
    world: World, takes: dict[str, Take], need: Callable[[str], str]
) -> None:
    name = f"to/azure/{takes['azure'].sid}_four_0.mp4"
    data = world.azure.get(name)
    strict.decodes(need("ffmpeg"), data)
    assert data.index(b"moov") < data.index(b"mdat")
    assert world.azure.content_type(name) == "video/mp4"
    with av.open(io.BytesIO(data)) as container:
        assert container.duration is not None
        assert container.duration / av.time_base > LENGTH_S - 2


def test_no_key_is_in_a_log(world: World, takes: dict[str, Take]) -> None:
    secrets = (KEY, FIRST[1], SECOND[1], "the first token", "another token")
    for path in Path(world.farm.data / "logs").iterdir():
        text = path.read_text(errors="replace")
        assert not any(secret in text for secret in secrets), path.name


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"secretKey": "d3Jvbmc="}, "Auth"),
        ({"bucket": "nosuchcontainer"}, "ContainerNotFound"),
        (
            {"extensionParams": {"endpoint": "http://127.0.0.1:9/devstoreaccount1"}},
            "the storage did not answer",
        ),
    ],
    ids=["wrong key", "no container", "unreachable"],
)
def test_an_azure_that_cannot_be_used_is_refused_at_start(
    world: World, wrong: dict[str, Any], reason: str
) -> None:
    request = {"recordingConfig": {}, "storageConfig": world.storage("azure") | wrong}
    with pytest.raises(RuntimeError, match=f"refused with 400.*'code': 2.*{reason}"):
        world.farm.agora.start("refused", "901", "mix", request)
