import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi.inspection import Inspection, MapScale, Region
from urushi.reporting.report import DetectorFacts, Evaluation, Report

SCALE = MapScale(low=0.1, high=0.9, region_threshold=0.5)


@pytest.fixture
def facts() -> DetectorFacts:
    return DetectorFacts(
        recipe="quick",
        model="pca_features",
        n_training_images=30,
        threshold=0.5,
        threshold_explanation="At most 10 % of normal parts raise a false alarm.",
        false_alarm_rate=0.1,
        calibration_scores=np.linspace(0.1, 0.5, 20),
        card={"seed": 0},
    )


@pytest.fixture
def inspect() -> Callable[..., Inspection]:
    def inspect(source: str = "a.png", score: float = 0.7, **changes: Any) -> Inspection:
        anomaly_map = np.full((32, 32), 0.2, np.float32)
        anomaly_map[8:16, 8:16] = score
        values: dict[str, Any] = {
            "source": source,
            "score": score,
            "threshold": 0.5,
            "decision": "anomalous" if score > 0.5 else "normal",
            "p_value": 0.05,
            "places": (Region(8, 8, 8, 8, 64, score),),
            "original_size": (32, 32),
            "image": np.full((32, 32, 3), 0.5, np.float32),
            "anomaly_map": anomaly_map,
            "map_scale": SCALE,
            "reconstruction": np.full((32, 32, 3), 0.4, np.float32),
            "brightness": 0.5,
        }
        values |= changes
        height, width = values["original_size"]
        values["to_original"] = np.diag([width / values["image"].shape[1], height / values["image"].shape[0], 1.0])
        return Inspection(**(values | changes))

    return inspect


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def written(report: Report, evaluation: Evaluation | None = None) -> str:
        report.write(tmp_path / "report.html", evaluation=evaluation)
        return (tmp_path / "report.html").read_text("utf-8")

    return written


@pytest.fixture
def data_of() -> Callable[[str], dict[str, Any]]:
    def data_of(page: str) -> dict[str, Any]:
        blocks = re.findall(r'<script type="application/json" id="urushi-report">(.*?)</script>', page, re.DOTALL)
        assert len(blocks) == 1
        return json.loads(blocks[0], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

    return data_of
