"""What the simulator's platforms of Meta do alike."""

from collections.abc import Mapping

from tests.fakes.meta import App, FakeMeta
from tests.fakes.simulator.platforms.base import Simulated, Watcher


class SimulatedMeta(Simulated, FakeMeta):
    """Its app is the one that the hub was told of, by whatever id and secret."""

    def start(self, watcher: Watcher, url: str, settings: Mapping[str, str]) -> None:
        super().start(watcher, url, settings)
        self._app_id, self._app_secret = settings["HUB_META_APP_ID"], settings["HUB_META_APP_SECRET"]
        self.connect_hub(settings["HUB_WEBHOOK_URL"])

    @property
    def hub_app(self) -> App:
        return self.add_app(self._app_id, self._app_secret)
