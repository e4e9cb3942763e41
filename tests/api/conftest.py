"""Fixtures of the API's tests."""

import pytest

from tests.api.farm import Farm


@pytest.fixture
def farm() -> Farm:
    return Farm()
