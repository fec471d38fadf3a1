"""Comparisons on real data and their committed results. See README.md."""

import os
from pathlib import Path

CATEGORIES = ("screw", "magnetic_tile", "xray_fishbone", "xray_weld", "nanofiber_sem", "solar_cell", "screw_head")
DATA = Path(os.environ.get("URUSHI_DATA", Path(__file__).parents[2] / "shared" / "data"))
RESULTS = Path(__file__).parent / "results"
