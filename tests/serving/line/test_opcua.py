"""OPC UA: the last result of each detector, as a client reads it."""

import json
import math

import pytest
from other_end import free_port, inspected, until

from urushi.errors import InputError
from urushi.serving.line.settings import OpcUa
from urushi.serving.messages.inspections import InspectionFound

pytest.importorskip("asyncua", reason="needs urushi[line]")
from asyncua import ua
from asyncua.sync import Client

from urushi.serving.line.opcua import NAMESPACE, OpcUaServer

pytestmark = pytest.mark.thorough


@pytest.fixture
def served(opened):
    """A station with its server; `read` gives what a client reads now."""

    def served(port: int = 0):
        station = opened()
        server = OpcUaServer(OpcUa(port=port or free_port()), "line-1", station)
        station.listeners.append(server.close)
        server.begin()
        return station, server.url

    return served


@pytest.fixture
def client():
    """Connects one client after the other."""
    clients = []

    def client(url: str) -> Client:
        clients.append(Client(url))
        clients[-1].connect()
        return clients[-1]

    yield client
    for one in clients:
        one.disconnect()


def read(client: Client) -> dict[str, object]:
    space = client.get_namespace_index(NAMESPACE)
    nodes = client.get_node(ua.NodeId("line-1.exported", space)).get_children()
    return {node.read_browse_name().Name: node.read_value() for node in nodes}


def test_the_last_result_is_read_under_the_names_of_the_specification(served, client, pngs):
    station, url = served()
    there = client(url)
    before = read(there)
    assert (before["ResultId"], before["Decision"], before["ResultState"]) == ("", "", 0)
    assert math.isnan(before["Score"])
    row = inspected(station, pngs[-1], part_id="A-17")
    until(lambda: read(there)["ResultId"] == str(row.id))
    found = read(there)
    assert (found["PartId"], found["Decision"], found["ResultEvaluation"]) == ("A-17", "anomalous", 2)
    assert (found["ResultState"], found["IsPartial"], found["IsSimulated"]) == (1, False, False)
    assert (found["Score"], found["Threshold"]) == (row.score, row.details["threshold"])
    assert found["InternalRecipeId"] == "exported/1"
    assert abs(found["CreationTime"].timestamp() - row.time.timestamp()) < 1e-3
    assert InspectionFound.model_validate(json.loads(found["ResultContent"])).id == row.id
    score = there.get_node(ua.NodeId("line-1.exported.Score", there.get_namespace_index(NAMESPACE)))
    with pytest.raises(ua.UaStatusCodeError):  # nothing can be written
        score.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))


def test_other_results_are_evaluated_as_the_specification_has_it(served, client, pngs):
    station, url = served()
    there = client(url)
    for image, decision, evaluation, state in ((pngs[0], "normal", 1, 1), (b"no image", "unreadable", 3, 4)):
        row = inspected(station, image, tags=["simulated"])
        until(lambda row=row: read(there)["ResultId"] == str(row.id))
        found = read(there)
        assert (found["Decision"], found["ResultEvaluation"], found["ResultState"]) == (decision, evaluation, state)
        assert found["IsSimulated"]
        assert found["PartId"] == ""


def test_after_a_restart_the_last_result_is_that_of_the_history(served, client, pngs):
    station, _ = served()
    row = inspected(station, pngs[0], part_id="A-17")
    station.close()
    _, url = served()
    assert read(client(url))["ResultId"] == str(row.id)


def test_a_port_that_is_taken_is_said(served):
    station, url = served()
    port = int(url.rpartition(":")[2].partition("/")[0])
    second = OpcUaServer(OpcUa(port=port), "line-2", station)
    with pytest.raises(InputError, match="cannot be served"):
        second.begin()
