"""A folder of good images, in subfolders if one likes: each image below is a good training image."""

from pathlib import Path

from urushi.data.folders import subfolders
from urushi.data.layouts.base import Found, Layout, samples_in, together
from urushi.data.samples import GOOD, Problem

_SUSPICIOUS = frozenset(
    ("anomalous", "anomaly", "bad", "defect", "defective", "defects", "ground_truth", "mask", "masks", "ng", "test"),
)


class Flat(Layout):
    """Good images only."""

    expects = "good images, directly in the folder or in folders below it"
    is_fallback = True

    def matches(self, root: Path) -> bool:  # noqa: ARG002
        """True of any folder, which is why it comes last."""
        return True

    def find(self, root: Path) -> Found:
        """Every image below as a good one; a subfolder whose name says otherwise is a problem."""
        # The root itself may be named like an image; what lies in it was asked for.
        named = [folder for folder in subfolders(root) if folder.name.lower() in _SUSPICIOUS]
        problems = [Problem(folder, "its images count as good, but its name says otherwise") for folder in named]
        return together(samples_in(root, "train", 0, GOOD), Found([], problems))
