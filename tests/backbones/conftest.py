"""What tests of backbones share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from random_networks import save


@pytest.fixture(scope="session")
def network_folder(shared: Callable[..., Path]) -> Callable[[str], Path]:
    """The folder of a random network of a model_type, licensed under Apache-2.0; none may change it."""
    return lambda model_type: shared(f"network-{model_type}", lambda place: save(model_type, place))
