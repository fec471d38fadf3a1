"""Inspects by an exported detector in a process that has neither torch nor the package its network came from."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from urushi import Detector

_PROGRAM = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "timm", "torchvision"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from urushi import Detector
detector = Detector.load(sys.argv[1])
assert detector.backend.runtime == "onnx"
print(*(detector.inspect(path).score for path in sys.argv[2:]))
"""


def inspected_without_torch(exported: Detector, images: Sequence[np.ndarray], folder: Path) -> list[float]:
    """The scores of some images."""
    exported.save(folder / "part.urushi")
    names = [f"{number}.png" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name)
    command = [sys.executable, "-c", _PROGRAM, "part.urushi", *names]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return [float(score) for score in said.split()]
