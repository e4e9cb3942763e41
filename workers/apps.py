"""The customers of the farm, as every process knows them."""

from collections.abc import Iterable

from workers.settings import App


class Apps:
    """Who may call, and who is called back.  Used by many threads at once."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._apps = tuple(apps)

    def current(self) -> tuple[App, ...]:
        """All of them, as they stand at this moment."""
        return self._apps

    def find(self, app_id: str) -> App | None:
        """One of them."""
        return next((app for app in self.current() if app.app_id == app_id), None)
