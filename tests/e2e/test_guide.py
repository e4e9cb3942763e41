"""What docs/migrate-from-agora.md tells people to type works, word for word but for the waiting."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.farm import Farm

pytestmark = [pytest.mark.e2e, pytest.mark.server]

GUIDE = Path(__file__).parents[2] / "docs" / "migrate-from-agora.md"
QUERY = 'call "resourceid/$RESOURCE/sid/$SID/mode/mix/query"'
UNTIL_MEDIA = (
    f"until {QUERY} | jq -e '.serverResponse.sliceStartTime > 0'; do sleep 0.3; done\nsleep 2"
)


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL))


def run(command: list[str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_record_and_tell_how_it_ended(
    running_farm: Farm, need: Callable[[str], str]
) -> None:
    need("jq")
    text = re.sub("^J=.*", f"J={running_farm.data}/farm.json", blocks("sh"), flags=re.MULTILINE)
    assert text.count("sleep 20") == 1
    script = text.replace("sleep 20", UNTIL_MEDIA)
    said = run([need("bash"), "-euo", "pipefail", "-c", f"{script}\nkill $!"])
    assert '"uploadingStatus": "uploaded"' in said
    assert '"how": "it was asked to stop"' in said
    assert '"lost_s"' in said


def test_the_python_client_gets_a_resource_id(running_farm: Farm) -> None:
    facts = running_farm.facts
    port = facts["api"].rpartition(":")[2]
    text = blocks("python").replace('"127.0.0.1", 8080', f'"127.0.0.1", {port}')
    names = {"key": "customer_key", "secret": "customer_secret", "app_id": "app_id"}
    given = "\n".join(f"{name} = {facts[key]!r}" for name, key in names.items())
    assert len(run([sys.executable, "-c", f"{given}\n{text}"]).strip()) > 200


def test_the_farm_tells_its_calls(running_farm: Farm) -> None:
    with httpx.Client(base_url=running_farm.facts["api"], trust_env=False) as client:
        said = client.get("/openapi.json").json()
        assert said["openapi"].startswith("3.1")
        assert said["paths"]["/v1/apps/{app_id}/cloud_recording/acquire"]["post"]
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        for part in re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text):
            assert client.get(f"/{part}").status_code == 200
