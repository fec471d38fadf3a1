"""The last result of each detector as nodes of OPC UA, in the words of OPC 40100-1 (machine vision), ResultType.

They are plain variables by these names, not the companion specification's types, and there are no methods:
https://reference.opcfoundation.org/MachineVision/v100/docs/9
"""

import asyncio
import json
import logging
import math
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from asyncua import Node, Server, ua

from urushi.errors import InputError
from urushi.serving.announcements import Announcement, Subscription
from urushi.serving.history import SIMULATED, Query, plain
from urushi.serving.line.outbox import body_of
from urushi.serving.line.settings import OpcUa
from urushi.serving.server import is_loopback
from urushi.serving.station import Station

NAMESPACE = "urn:urushi:station"
_COMPLETED, _FAILED = 1, 4  # ResultStateDataType of OPC 40100-1
_EVALUATIONS = {"normal": 1, "anomalous": 2}  # OK and NotOK of ResultEvaluationEnum; 3: not decidable
_LOOK_SECONDS = 0.2
_START_SECONDS = 60
_KINDS = {  # in the order in which they are written: who waits for another ResultId finds the others written
    "IsPartial": ua.VariantType.Boolean,
    "IsSimulated": ua.VariantType.Boolean,
    "ResultState": ua.VariantType.Int32,
    "ResultEvaluation": ua.VariantType.Int32,
    "Decision": ua.VariantType.String,
    "Score": ua.VariantType.Double,
    "Threshold": ua.VariantType.Double,
    "PartId": ua.VariantType.String,
    "InternalRecipeId": ua.VariantType.String,
    "ProcessingTime": ua.VariantType.Double,
    "CreationTime": ua.VariantType.DateTime,
    "ResultContent": ua.VariantType.String,
    "ResultId": ua.VariantType.String,
}
_NONE: dict[str, Any] = {
    ua.VariantType.Boolean: False,
    ua.VariantType.Int32: 0,
    ua.VariantType.String: "",
    ua.VariantType.Double: math.nan,
    ua.VariantType.DateTime: datetime(1970, 1, 1, tzinfo=UTC),
}
_log = logging.getLogger("urushi.serving")


class OpcUaServer:
    """A thread of its own serves; all that it has can only be read."""

    def __init__(self, settings: OpcUa, name: str, station: Station) -> None:
        self._settings, self._name, self._station = settings, name, station
        self._is_ready: Future[None] = Future()
        self._is_closing = threading.Event()
        self._nodes: dict[str, dict[str, Node]] = {}  # by detector and variable
        self._thread = threading.Thread(target=self._run, name="urushi-opcua", daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"opc.tcp://{host}:{self._settings.port}/urushi"

    def begin(self) -> None:
        """Returns once it serves; raises InputError where the port is taken."""
        if not is_loopback(self._settings.host):
            _log.warning("OPC UA: results travel unencrypted, and anyone who reaches %s may read them", self.url)
        self._refuse_taken_port()
        self._thread.start()
        self._is_ready.result(_START_SECONDS)

    def _refuse_taken_port(self) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"OPC UA cannot be served at {self.url}: {reason}; give another port or host") from None

    def close(self) -> None:
        """Ends once the last results are written."""
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._is_ready.done():
            _log.error("OPC UA is served no more", exc_info=error)
        else:
            self._is_ready.set_exception(error)

    async def _serve(self) -> None:
        logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns of what the page says
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name(f"Urushi {self._name}")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        space = await server.register_namespace(NAMESPACE)
        top = await server.nodes.objects.add_object(ua.NodeId(self._name, space), self._name)
        state = await top.add_variable(ua.NodeId(f"{self._name}.State", space), "State", "Operational")
        with self._station.announcements.subscribe() as news:
            for name in await asyncio.to_thread(self._station.detectors.names):
                await self._show_last(server, top, name)
            async with server:
                self._is_ready.set_result(None)
                await self._follow(server, top, news)
                await state.write_value("Halted")

    async def _show_last(self, server: Server, top: Node, detector: str) -> None:
        """What it found before the station was started."""
        rows, _ = await asyncio.to_thread(self._station.history.page, Query(detector=detector), limit=1)
        if rows:
            await self._show(server, top, plain(rows[0]))
        else:
            await self._nodes_of(top, detector)

    async def _follow(self, server: Server, top: Node, news: Subscription) -> None:
        while True:
            is_last = self._is_closing.is_set()
            while (one := news.next(0)) is not None:
                if one.kind == "inspection":
                    await self._show(server, top, one.content)
            if is_last:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _show(self, server: Server, top: Node, content: Mapping[str, Any]) -> None:
        nodes = await self._nodes_of(top, content["detector"])
        for name, value in _values(content).items():
            variant = ua.Variant(_NONE[_KINDS[name]] if value is None else value, _KINDS[name])
            await server.write_attribute_value(nodes[name].nodeid, ua.DataValue(variant))

    async def _nodes_of(self, top: Node, detector: str) -> dict[str, Node]:
        """Of a detector that may be new."""
        if detector not in self._nodes:
            space = top.nodeid.NamespaceIndex
            one = await top.add_object(ua.NodeId(f"{self._name}.{detector}", space), detector)
            self._nodes[detector] = {
                name: await one.add_variable(
                    ua.NodeId(f"{self._name}.{detector}.{name}", space), name, _NONE[kind], kind
                )
                for name, kind in _KINDS.items()
            }
        return self._nodes[detector]


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    decision = content["decision"]
    values = {
        "IsPartial": False,
        "IsSimulated": SIMULATED in content["tags"],
        "ResultState": _FAILED if decision == "unreadable" else _COMPLETED,
        "ResultEvaluation": _EVALUATIONS.get(decision, 3),
        "Decision": decision,
        "Score": content["score"],
        "Threshold": content.get("threshold"),
        "PartId": content["part_id"],
        "InternalRecipeId": f"{content['detector']}/{content['version']}",
        "ProcessingTime": 1000 * content["seconds"],
        "CreationTime": content["time"],
        "ResultContent": json.dumps(json.loads(body_of(Announcement("inspection", dict(content))))["data"]),
        "ResultId": str(content["id"]),
    }
    return {name: values[name] for name in _KINDS}
