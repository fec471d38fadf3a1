"""A folder of good images, in subfolders if one likes: each image below is a good training image."""

from pathlib import Path

from urushi.data.layouts.base import Found, Layout, Rank, samples_in
from urushi.data.samples import GOOD


class Flat(Layout):
    """Good images only."""

    expects = "good images, directly in the folder or in folders below it"
    rank = Rank.fallback

    def matches(self, root: Path) -> bool:  # noqa: ARG002
        """True of any folder, which is why it comes last."""
        return True

    def find(self, root: Path) -> Found:
        """Every image below as a good one; folders whose names say defects, masks or test are left out, and said."""
        # The root itself may be named like an image or a defect; what lies in it was asked for.
        return samples_in(root, "train", 0, GOOD, names=self.names, ruled_out=("test", "validation"))
