"""Storage whose certificate a private authority signed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.azure import ACCOUNT, CONTAINER, KEY, azurite
from tests.certificate import certificate_of
from tests.workers.buckets import S3Server
from workers.job.errors import StorageUnavailable
from workers.job.spec import Storage
from workers.storage.opening import Buckets

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate_of(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def s3(
    tmp_path: Path, free_port: Callable[[], int], certificate: tuple[Path, Path]
) -> Iterator[Storage]:
    server = S3Server(tmp_path / "s3", free_port(), certificate)
    server.start()
    try:
        yield server.storage
    finally:
        server.stop()


@pytest.fixture
def azure(need: Callable[[str], str], certificate: tuple[Path, Path]) -> Iterator[Storage]:
    with azurite(need, certificate) as running:
        yield Storage(
            kind="azure",
            endpoint=running.address,
            bucket=CONTAINER,
            access_key=ACCOUNT,
            secret_key=SecretStr(KEY),
        )


@pytest.mark.parametrize("kind", ["s3", "azure"])
def test_only_who_knows_the_authority_sends_files_there(
    kind: str, request: pytest.FixtureRequest, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    storage: Storage = request.getfixturevalue(kind)
    path = tmp_path / "x.ts"
    path.write_bytes(b"media")
    bucket = Buckets(certificate[0]).open(storage)
    bucket.check()
    assert bucket.put("x.ts", path, "video/mp2t").size == 5
    with pytest.raises(StorageUnavailable, match="no trusted TLS connection"):
        Buckets().open(storage).check()


def test_the_systems_authorities_count_beside_it(certificate: tuple[Path, Path]) -> None:
    system, both = Buckets()._tls.cert_store_stats(), Buckets(certificate[0])._tls
    assert both.cert_store_stats()["x509_ca"] == system["x509_ca"] + 1


def test_what_is_no_pem_is_an_error_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(OSError, match=r"(?i)no certificate|pem"):
        Buckets(wrong)
