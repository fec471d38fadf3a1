"""A line from end to end: no part is lost and none comes twice, though the station is killed in between."""

import json
import signal

import cv2
import httpx2
import numpy as np
import pytest
from other_end import free_port, until
from studies.station_kills import Served, outcome_of, token_of

from urushi.serving.client import Client

pytest.importorskip("asyncua", reason="needs urushi[line]")
from asyncua import ua
from asyncua.sync import Client as OpcUaClient

from urushi.serving.line.opcua import NAMESPACE

SETTINGS = """
name = "line-1"

[webhooks.mes]
url = "{webhook}"
secret = {{ file = "key" }}

[cameras.top]
source = "film.avi"
detector = "exported"
station = "press 4"

[mqtt]
port = {mqtt}

[opcua]
port = {opcua}
"""
N_PARTS = 10


def film(path, textures) -> None:
    """Good parts, and every third with a white square."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 32))
    for number in range(N_PARTS + 4):
        part = textures[number % len(textures)].copy()
        if number % 3 == 1:
            part[8:20, 8:20] = 255
        writer.write(part if part.ndim == 3 else cv2.cvtColor(part, cv2.COLOR_GRAY2BGR))
    writer.release()


def is_good(client: Client, number: int) -> bool:
    """As a person sees it."""
    picture = cv2.imdecode(np.frombuffer(client.picture(number, "original"), np.uint8), cv2.IMREAD_GRAYSCALE)
    return picture[10:18, 10:18].mean() < 240


def last_result(port: int) -> dict[str, object]:
    with OpcUaClient(f"opc.tcp://127.0.0.1:{port}/urushi") as client:
        place = ua.NodeId("line-1.exported", client.get_namespace_index(NAMESPACE))
        return {node.read_browse_name().Name: node.read_value() for node in client.get_node(place).get_children()}


@pytest.mark.slow
def test_a_line_from_end_to_end(tmp_path, exported_autoencoder, textures, broker, peer, receiver):
    def send(*numbers: int) -> None:
        for number in numbers:
            peer.publish("urushi/line-1/top/trigger", {"id": f"cycle {number}", "part_id": f"part-{number}"})

    def published() -> dict[str, dict]:
        """By delivery: a result may come twice, under the same id."""
        heard = [one for one in peer.heard if one[0] == "urushi/line-1/exported/results"]
        return {properties["id"]: json.loads(payload)["data"] for _, payload, properties, _ in heard}

    def posted() -> dict[str, dict]:
        return {headers["webhook-id"]: json.loads(body)["data"] for headers, body in receiver.requests}

    film(tmp_path / "film.avi", textures)
    (tmp_path / "key").write_text("a secret of the line")
    port, folder, settings = free_port(), tmp_path / "station", tmp_path / "line.toml"
    settings.write_text(SETTINGS.format(webhook=receiver.url, mqtt=broker.port, opcua=port))
    token, how = token_of(folder, "line", "admin"), (folder, exported_autoencoder, "--line", str(settings))

    killed = Served(*how)
    until(lambda: peer.on("urushi/line-1/state"), 20)
    send(1, 2, 2, 3)
    until(lambda: len(published()) >= 2, 20)
    send(4, 5)
    killed.end(signal.SIGKILL)
    send(5, 6, 1, 7, 8)
    served = Served(*how)
    parts = [f"part-{number}" for number in range(1, 9)]
    for told in (published, posted):
        until(lambda told=told: sorted({one["part_id"] for one in told().values()}) == parts, 30)

    with httpx2.Client(base_url=served.url, timeout=60) as http:
        client = Client("", token, http=http)
        found = list(client.inspections())
        assert sorted(one.part_id for one in found) == parts
        assert {one.station for one in found} == {"press 4"}
        for told in (published, posted):
            assert sorted(one["id"] for one in told().values()) == sorted(one.id for one in found)
        assert last_result(port)["ResultId"] == str(found[0].id)

        verdicts = [client.judge(one.id, "ok" if is_good(client, one.id) else "ng") for one in found]
        assert {one.verdict.verdict for one in verdicts} == {"ok", "ng"}
        preview = client.preview("exported", rule="youden")
        after = client.recalibrate("exported", preview.version, "reviewed", rule="youden")
        assert (after.version, after.threshold["value"]) == (2, preview.after["value"])

        send(9)
        until(lambda: len(published()) == len(posted()) == 9, 20)
        newest = next(client.inspections())
        assert (newest.part_id, newest.version, newest.threshold) == ("part-9", 2, preview.after["value"])
        until(lambda: last_result(port)["PartId"] == "part-9")
        assert last_result(port)["InternalRecipeId"] == "exported/2"
        assert {one["version"] for one in posted().values() if one["part_id"] == "part-9"} == {2}
        assert "urushi_triggers_total" in client.metrics()
    assert served.end(signal.SIGTERM) == 0
    until(lambda: peer.on("urushi/line-1/state")[-1]["state"] == "offline")
    outcome = outcome_of(folder, [one.id for one in [*found, newest]])
    assert outcome.is_whole
    assert outcome.n_recorded == 9
    assert peer.on("urushi/line-1/top/problems") == []
