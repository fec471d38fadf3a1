"""The names of what can run a detector, apart from `runtime`, so that the command line need not load it."""

from typing import Literal

Engine = Literal["onnx", "openvino"]
Runtime = Literal["onnx", "openvino", "torch"]
Precision = Literal["fp32", "int8"]
