"""What a new user runs first."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.server, pytest.mark.alone]


def test_the_demo_records_shows_and_checks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "api.cli", "demo", "--output", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=180,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
    assert "every file decodes and holds what was sent" in done.stdout
    assert done.stdout.count("quality report") == 2
    assert (tmp_path / "out" / "mix.png").stat().st_size > 1000
