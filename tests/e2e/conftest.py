from collections.abc import Callable, Iterator

import pytest

from tests.e2e import together
from tests.e2e.farm import Farm, farm
from tests.e2e.janus_farm import JanusFarm, janus_farm


@pytest.fixture(scope="session")
def running_farm(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[Farm]:
    """One farm for all tests that do not hurt it."""
    need("redis-server")
    with farm(tmp_path_factory.mktemp("farm") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def made_together(
    running_farm: Farm, tmp_path_factory: pytest.TempPathFactory
) -> together.Together:
    """A mix, an individual recording and one of untouched sound."""
    return together.record(running_farm, tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="session")
def janus_world(
    tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]
) -> Iterator[JanusFarm]:
    """A Janus and a farm that records it."""
    with janus_farm(tmp_path_factory.mktemp("janus-farm"), need) as running:
        yield running
