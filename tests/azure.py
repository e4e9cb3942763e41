"""Azure's storage emulator, Azurite, for tests; ``make test`` installs it."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

# The account that every Azurite has, and says so.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "recordings"
_MODULES = Path(__file__).parent / "azurite/node_modules"
_PROGRAM = _MODULES / "azurite/dist/src/blob/main.js"
_WHOLE = _MODULES / ".package-lock.json"  # npm writes it when everything is there


@dataclass
class Azurite:
    """One that runs, with a container."""

    scheme: str
    address: str  # host:port
    ca_file: Path | None = None
    container: ContainerClient = field(init=False)

    def __post_init__(self) -> None:
        service = BlobServiceClient(
            self.endpoint,
            {"account_name": ACCOUNT, "account_key": KEY},
            retry_total=0,
            connection_verify=str(self.ca_file) if self.ca_file else True,
        )
        self.container = service.create_container(CONTAINER)

    @property
    def endpoint(self) -> str:
        """As ``extensionParams.endpoint`` says it."""
        return f"{self.scheme}://{self.address}/{ACCOUNT}"

    def storage(self, *prefix: str) -> dict[str, Any]:
        """A ``storageConfig`` for the container."""
        return {
            "vendor": 5,
            "region": 0,
            "bucket": CONTAINER,
            "accessKey": ACCOUNT,
            "secretKey": KEY,
            "fileNamePrefix": list(prefix),
            "extensionParams": {"endpoint": self.endpoint},
        }

    def names(self) -> list[str]:
        """Of all blobs."""
        return sorted(self.container.list_blob_names())

    def get(self, name: str) -> bytes:
        """A blob's bytes."""
        return self.container.download_blob(name).readall()

    def content_type(self, name: str) -> str:
        """What the container says about a blob."""
        settings = self.container.get_blob_client(name).get_blob_properties().content_settings
        return str(settings.content_type)


@contextmanager
def azurite(need: Callable[[str], str], tls: tuple[Path, Path] | None = None) -> Iterator[Azurite]:
    """One of a test's own, which keeps all in memory.

    With ``tls``, a certificate that is its own authority and its key, it speaks https.
    """
    node = need("node")
    if not _WHOLE.exists():
        pytest.skip("Azurite is not installed (scripts/install-test-components)")
    options = ("--blobPort", "0", "--inMemoryPersistence", "--extentMemoryLimit", "512")
    quiet = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
    secure = ("--cert", str(tls[0]), "--key", str(tls[1])) if tls else ()
    process = subprocess.Popen(
        [node, str(_PROGRAM), *options, *quiet, *secure], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        scheme = address = ""
        for line in process.stdout:
            if "successfully listens on http" in line:
                scheme, _, address = line.strip().rpartition(" ")[2].partition("://")
                break
        assert address, "azurite did not start"
        yield Azurite(scheme, address, tls[0] if tls else None)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()
