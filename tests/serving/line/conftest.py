from collections.abc import Iterator

import pytest
from other_end import Broker, Peer, Receiver, find_mosquitto


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Debian's mosquitto, on a free port of this machine; the tests that need it are skipped where it is not."""
    pytest.importorskip("paho.mqtt.client", reason="needs urushi[line]")
    if not find_mosquitto():
        pytest.skip("needs mosquitto: apt-get install mosquitto")
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.begin()
    yield broker
    broker.end()


@pytest.fixture
def peer(broker: Broker) -> Iterator[Peer]:
    """Another program at the broker."""
    peer = Peer(broker)
    yield peer
    peer.close()
