"""All connections of a station: made ready together, begun together, ended with the station."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from urushi.catalogue.extras import require
from urushi.serving.line.cameras import StationCamera
from urushi.serving.line.folders import WatchedFolder
from urushi.serving.line.outbox import Outbox
from urushi.serving.line.settings import LineSettings
from urushi.serving.line.webhooks import WebhookDestination
from urushi.serving.station import Station

if TYPE_CHECKING:
    from urushi.serving.line.mqtt import MqttConnection


class Line:
    """What the settings name."""

    def __init__(self, settings: LineSettings, folder: Path) -> None:
        self._settings, self._base = settings, folder
        if settings.mqtt is not None:
            require("paho", "line")
        if settings.opcua is not None:
            require("asyncua", "line")
        self._keys = {name: one.key(folder) for name, one in settings.webhooks.items()}

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file; nothing is connected yet.

        Raises InputError, also for a secret that is not there, and MissingPackageError.
        """
        return cls(LineSettings.read(path), path.parent)

    def begin(self, station: Station) -> None:
        """Connects the station, until it is closed; raises InputError, NotFoundError for what is not there."""
        try:
            self._begin(station)
        except BaseException:
            station.close()
            raise

    def _begin(self, station: Station) -> None:
        asked, base = self._settings, self._base
        cameras = [StationCamera(name, one, base, station) for name, one in asked.cameras.items()]
        folders = [WatchedFolder(name, one, base, station) for name, one in asked.folders.items()]
        webhooks = [WebhookDestination(name, one, self._keys[name]) for name, one in asked.webhooks.items()]
        mqtt = self._mqtt(station)
        outbox = Outbox(station.database, station.announcements, station.metrics)
        outbox.open([*webhooks, *mqtt])
        station.listeners.append(outbox.close)
        if asked.opcua is not None:
            from urushi.serving.line.opcua import OpcUaServer

            opcua = OpcUaServer(asked.opcua, asked.name, station)
            station.listeners.append(opcua.close)
            opcua.begin()
        station.sources.extend(one.stop_triggers for one in mqtt)  # before the cameras are closed
        sources: list[StationCamera | WatchedFolder] = [*cameras, *folders]
        for source in sources:
            station.sources.append(source.close)
            source.begin()
        station.cameras.update({camera.name: camera for camera in cameras})
        for one in mqtt:  # once the cameras are there
            one.begin({camera.name: camera for camera in cameras if camera.is_triggered})

    def _mqtt(self, station: Station) -> "list[MqttConnection]":
        """One or none."""
        if self._settings.mqtt is None:
            return []
        from urushi.serving.line.mqtt import MqttConnection

        return [MqttConnection(self._settings.mqtt, self._settings.name, self._base, station.metrics)]
