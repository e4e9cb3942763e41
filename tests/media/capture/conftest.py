import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from recorder import Recording, recording


@pytest.fixture
def go(tmp_path: Path, free_port: Callable[[], int]) -> Callable[..., Recording]:
    """Run a scenario in a loop of its own; the recording with its tape."""

    def run(story: Callable[[Recording], Awaitable[None]], **options: Any) -> Recording:
        async def main() -> Recording:
            async with recording(tmp_path, free_port(), **options) as rec:
                await story(rec)
            return rec

        return asyncio.run(main())

    return run
