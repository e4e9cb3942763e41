from collections.abc import Callable, Iterator

import pytest

from tests.e2e.farm import Farm, farm


@pytest.fixture(scope="session")
def running_farm(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[Farm]:
    """One farm for all tests that do not hurt it."""
    need("redis-server")
    with farm(tmp_path_factory.mktemp("farm") / "data") as running:
        yield running
