from collections.abc import Iterator

import pytest

from tests.janus import Janus, start_janus


@pytest.fixture(scope="module")
def janus(tmp_path_factory, need) -> Iterator[Janus]:
    need("janus")
    with start_janus(tmp_path_factory.mktemp("janus"), string_ids=True) as server:
        yield server


@pytest.fixture
def room(janus: Janus, request) -> str:
    """A room of this test's own."""
    name = request.node.name.replace("[", "-").replace("]", "")
    janus.create_room(name)
    return name
