"""MQTT 5: results go out, a heartbeat says that the station lives, and messages trigger its cameras.

Topics, below `urushi/STATION`: `DETECTOR/results`, `alarms`, `state` (kept by the broker), `CAMERA/trigger`,
`CAMERA/problems`.
"""

import json
import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic_core import to_json

from urushi import __version__
from urushi.errors import DeliveryError, InputError
from urushi.serving.database import now
from urushi.serving.line.settings import Mqtt
from urushi.serving.line.triggers import Triggers
from urushi.serving.metrics import Metrics
from urushi.serving.station import Camera
from urushi.serving.tables import Delivery

_MOST_BYTES = 16 << 10  # of a message that the broker may send
_MOST_UNDER_WAY = 32  # messages that the broker may send before the first is acknowledged
_SESSION_SECONDS = 24 * 3600  # in which the broker keeps triggers for a station that is away
_PATIENCE_SECONDS = 10.0  # until the broker has acknowledged a message
_LAST_SECONDS = 2.0
_KEEPALIVE_SECONDS = 15
_log = logging.getLogger("urushi.serving")


class MqttConnection:
    """To one broker; connects again by itself when it is lost."""

    name = "mqtt"

    def __init__(self, settings: Mqtt, station: str, base: Path, metrics: Metrics) -> None:
        """Raises InputError for a password or a certificate that is not there."""
        self.keep = timedelta(hours=settings.give_up_after_hours)
        self._settings, self._top, self._metrics = settings, f"urushi/{station}", metrics
        self._triggers: dict[str, Triggers] = {}
        self._refusals: dict[int | None, str] = {}  # by the number of the message
        self._is_closing, self._is_lost = threading.Event(), False
        self._client = self._made(station, base)
        self._heart = threading.Thread(target=self._beat, name="urushi-heartbeat", daemon=True)

    def begin(self, cameras: Mapping[str, Camera]) -> None:
        """Connects, now or as soon as the broker is there; triggers are for these cameras."""
        self._triggers = {f"{self._top}/{name}/trigger": Triggers(one, self) for name, one in cameras.items()}
        connect = Properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = _SESSION_SECONDS
        connect.MaximumPacketSize = _MOST_BYTES
        connect.ReceiveMaximum = _MOST_UNDER_WAY
        at = (self._settings.host, self._settings.port)
        self._client.connect_async(*at, _KEEPALIVE_SECONDS, clean_start=False, properties=connect)
        self._client.loop_start()
        self._heart.start()

    def send(self, delivery: Delivery) -> None:
        """A result to the topic of its detector; raises DeliveryError."""
        told = json.loads(delivery.body)
        topic = (
            f"{self._top}/{told['data']['detector']}/results" if told["type"] == "inspection" else f"{self._top}/alarms"
        )
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("id", delivery.key)
        properties.ContentType = "application/json"
        self._published(topic, delivery.body, properties)

    def tell_problem(self, camera: str, trigger: str | None, reason: str) -> None:
        """That there is no result for a trigger."""
        body = json.dumps({"id": trigger, "reason": reason})
        self._client.publish(f"{self._top}/{camera}/problems", body, qos=0 if trigger is None else 1)

    def acknowledge(self, message: MQTTMessage) -> None:
        """The broker need not send it again."""
        self._client.ack(message.mid, message.qos)

    def count(self, camera: str, outcome: str) -> None:
        """One trigger more."""
        self._metrics.triggers.labels(camera, outcome).inc()

    def stop_triggers(self) -> None:
        """Ends once those at hand are recorded; the broker keeps the others."""
        for one in self._triggers.values():
            one.close()

    def close(self) -> None:
        """Says that the station is off, and leaves."""
        self._is_closing.set()
        if not self._heart.ident:
            return
        self._heart.join()
        if self._client.is_connected():
            self._tell_state("offline").wait_for_publish(_LAST_SECONDS)
            self._client.disconnect()
        self._client.loop_stop()

    def _made(self, station: str, base: Path) -> Client:
        asked = self._settings
        client = Client(CallbackAPIVersion.VERSION2, f"urushi-{station}", protocol=MQTTv5, manual_ack=True)
        if asked.user is not None:
            client.username_pw_set(asked.user, None if asked.password is None else asked.password.read(base))
        if asked.tls:
            try:
                client.tls_set(None if asked.ca_file is None else str(base / asked.ca_file))
            except OSError as error:  # ssl.SSLError is one
                raise InputError(f"the certificate of the MQTT broker's authority cannot be used: {error}") from None
        client.reconnect_delay_set(1, 30)
        client.will_set(f"{self._top}/state", _state("offline"), qos=1, retain=True)
        client.on_connect, client.on_connect_fail = self._connected, self._lost
        client.on_disconnect, client.on_message, client.on_publish = self._lost, self._arrived, self._taken
        return client

    def _connected(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._note_loss(f"refuses the station: {reason}")
            return
        if self._is_lost:
            _log.warning("mqtt: the broker is there again")
        self._is_lost = False
        if self._triggers:
            client.subscribe([(topic, 1) for topic in self._triggers])
        self._tell_state("online")

    def _lost(self, *_: object) -> None:
        if not self._is_closing.is_set():
            self._note_loss("cannot be reached")

    def _note_loss(self, what: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            _log.warning("mqtt: the broker at %s:%d %s; tries again", self._settings.host, self._settings.port, what)

    def _arrived(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if (triggers := self._triggers.get(message.topic)) is not None:
            triggers.add(message)
        else:
            self.acknowledge(message)

    def _taken(self, _client: Client, _data: Any, number: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusals[number] = str(reason)

    def _published(self, topic: str, body: str, properties: Properties) -> None:
        if not self._client.is_connected():
            raise DeliveryError("there is no connection to the broker", is_reachable=False)
        try:
            sent = self._client.publish(topic, body, qos=1, properties=properties)
            sent.wait_for_publish(_PATIENCE_SECONDS)
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"cannot be published: {error}", is_reachable=False) from None
        if not sent.is_published():
            raise DeliveryError("the broker has not acknowledged a result", is_reachable=False)
        if (reason := self._refusals.pop(sent.mid, None)) is not None:
            raise DeliveryError(f"the broker refuses a result: {reason}", is_reachable=True)

    def _beat(self) -> None:
        while not self._is_closing.wait(self._settings.heartbeat_seconds):
            if self._client.is_connected():
                self._tell_state("online")

    def _tell_state(self, state: str) -> Any:
        return self._client.publish(f"{self._top}/state", _state(state), qos=1, retain=True)


def _state(state: str) -> bytes:
    if state == "offline":  # by the broker, too, which knows no time
        return to_json({"state": state})
    return to_json({"state": state, "time": now(), "urushi": __version__})
