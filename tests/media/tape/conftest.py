import pytest
from taping import recorded


@pytest.fixture(autouse=True)
def home(tmp_path):
    recorded.home = tmp_path
