"""All connections of a station: made ready together, begun together, ended with the station."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from urushi.serving.line.cameras import StationCamera
from urushi.serving.line.folders import WatchedFolder
from urushi.serving.line.outbox import Destination, Outbox
from urushi.serving.line.settings import LineSettings
from urushi.serving.line.webhooks import WebhookDestination
from urushi.serving.station import Station


class Line:
    """What the settings name."""

    def __init__(self, settings: LineSettings, folder: Path) -> None:
        self._settings, self._base = settings, folder
        self._destinations = list(_destinations(settings, folder))

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; nothing is connected yet. Raises InputError, also for a secret that is not there."""
        return cls(LineSettings.read(path), path.parent)

    def begin(self, station: Station) -> None:
        """Connects the station, until it is closed; raises InputError, NotFoundError for what is not there."""
        cameras = [StationCamera(name, one, self._base, station) for name, one in self._settings.cameras.items()]
        folders = [WatchedFolder(name, one, self._base, station) for name, one in self._settings.folders.items()]
        outbox = Outbox(station.database, station.announcements, station.metrics)
        outbox.open(self._destinations)
        station.listeners.append(outbox.close)
        station.cameras.update({camera.name: camera for camera in cameras})
        sources: list[StationCamera | WatchedFolder] = [*cameras, *folders]
        for source in sources:
            station.sources.append(source.close)
            source.begin()


def _destinations(settings: LineSettings, folder: Path) -> Iterator[Destination]:
    for name, webhook in settings.webhooks.items():
        yield WebhookDestination(name, webhook, webhook.key(folder))
