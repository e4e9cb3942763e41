"""Live bars of what the farm has taped, cut and uploaded, read from its own metrics."""

from types import TracebackType
from typing import Any, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_SLICES = 4  # two recordings of two slices


class Bars:
    """A context manager; ``tick`` refreshes."""

    def __init__(self, console: Console, metrics: dict[str, Any]) -> None:
        self._urls = [url for role in ("recorder", "cutter", "uploader") for url in metrics[role]]
        self._http = httpx.Client(timeout=2, trust_env=False)
        self._bars = Progress(
            TextColumn("  {task.description:<16}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[words]}"),
            console=console,
            refresh_per_second=5,
        )
        self._taped = self._bars.add_task("slices taped", total=_SLICES, words="")
        self._cut = self._bars.add_task("slices cut", total=_SLICES, words="")
        self._sent = self._bars.add_task("files uploaded", total=None, words="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._bars.stop()
        self._http.close()

    def tick(self, words: str) -> None:
        """Read the metrics and show them; ``words`` say what is going on."""
        values = self._values()
        made = values.get("tapefarm_segments_total", 0)
        sent = values.get("tapefarm_uploads_total", 0)
        taped = values.get("tapefarm_slices_taped_total", 0)
        self._bars.update(self._taped, completed=taped, words=words)
        self._bars.update(self._cut, completed=values.get("tapefarm_slices_total", 0))
        self._bars.update(self._sent, completed=sent, total=max(sent, made) or None)

    def _values(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for url in self._urls:
            try:
                text = self._http.get(url).text
            except httpx.HTTPError:
                continue  # the next look will see it
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    found[sample.name] = found.get(sample.name, 0) + sample.value
        return found
