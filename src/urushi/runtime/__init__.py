"""Running a fitted graph on prepared images, behind one seam. Only `torch_backend` knows torch."""

import os

# From 1.29 on, ONNX Runtime tells Microsoft of each session unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
