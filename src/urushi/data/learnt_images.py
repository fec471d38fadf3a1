"""The good images that a detector was fitted on, as far as learning can go on from them without the images."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Annotated, Any

import numpy as np
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field

from urushi.data.appearance import Appearance
from urushi.errors import DetectorFileError, InputError
from urushi.printable import counted

SUMS, IMAGES = "sums.safetensors", "images.json"  # members of the detector file
_DESCRIPTORS, _SUM = "descriptors", "sum-{}"
_Content = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _Listed(BaseModel):
    """What the file says of the images beside sums."""

    model_config = ConfigDict(extra="forbid")
    appearances: list[Appearance]
    contents: list[_Content]
    pictures: list[_Content]
    groups: list[_Content] = []


@dataclass(frozen=True, eq=False, repr=False)
class LearntImages:
    """Sums over images and a descriptor of each: those of more images are added, those of some are taken away.

    Of features, no image can be made from them, but a descriptor says what is in one: how strong each feature is, not
    where. Of `pixel_pca`, a descriptor is the image itself, as the model saw it.
    """

    appearances: tuple[Appearance, ...]  # of all good images, those that were only held out too
    contents: tuple[str, ...]  # of those that were learnt from, by their pixels, in order
    sums: tuple[np.ndarray, ...]  # over these, as the method's `statistics`
    descriptors: np.ndarray  # (n, J), as the method's `descriptors`
    pictures: tuple[str, ...] = ()  # those of which the method keeps a picture, in its order
    groups: tuple[str, ...] = ()  # what stands for the product of each image learnt from; none: each is of its own

    def plus(self, other: "LearntImages") -> "LearntImages":
        """Those of both; raises InputError if one was learnt from in both, or the sums are of other sizes."""
        if both := set(self.contents) & set(other.contents):
            raise InputError(f"{counted(len(both), 'image')} would be learnt from twice")
        self.require_alike(other)
        seen = {one.content: one for one in (*self.appearances, *other.appearances)}
        return LearntImages(
            tuple(seen.values()),
            (*self.contents, *other.contents),
            tuple(np.asarray(a + b) for a, b in zip(self.sums, other.sums, strict=True)),
            np.concatenate([self.descriptors, other.descriptors]),
            (*self.pictures, *other.pictures),
            (*self.groups, *other.groups),
        )

    def less(self, other: "LearntImages") -> "LearntImages":
        """Without the images of another, all of which were learnt from or held out here; raises InputError."""
        self.require_alike(other)
        gone = {one.content for one in other.appearances}
        kept = np.array([content not in gone for content in self.contents])
        if not set(other.contents) <= set(self.contents):
            raise InputError("images that were not learnt from cannot be unlearnt")
        return LearntImages(
            tuple(one for one in self.appearances if one.content not in gone),
            tuple(compress(self.contents, kept)),
            tuple(np.asarray(a - b) for a, b in zip(self.sums, other.sums, strict=True)),
            self.descriptors[kept],
            tuple(picture for picture in self.pictures if picture not in gone),
            tuple(compress(self.groups, kept)),
        )

    def to_members(self) -> dict[str, bytes]:
        """As members of the detector file; the inverse of `from_members`."""
        arrays = {_SUM.format(number): np.asarray(one, order="C") for number, one in enumerate(self.sums)}
        listed = {
            "appearances": [asdict(one) for one in self.appearances],
            "contents": self.contents,
            "pictures": self.pictures,
            **({"groups": self.groups} if self.groups else {}),
        }
        return {
            SUMS: safetensors.numpy.save({_DESCRIPTORS: np.ascontiguousarray(self.descriptors), **arrays}),
            IMAGES: json.dumps(listed, allow_nan=False).encode(),
        }

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> "LearntImages | None":
        """From a file's members, None where it has none of these; raises ValueError if they are damaged."""
        if (SUMS in members) != (IMAGES in members):
            raise ValueError(f"{SUMS} and {IMAGES} go together, and one of them is missing")
        if SUMS not in members:
            return None
        arrays, listed = safetensors.numpy.load(members[SUMS]), _Listed.model_validate_json(members[IMAGES])
        descriptors = arrays.pop(_DESCRIPTORS)
        sums = tuple(arrays[_SUM.format(number)] for number in range(len(arrays)))
        images = (tuple(listed.pictures), tuple(listed.groups))
        found = cls(tuple(listed.appearances), tuple(listed.contents), sums, descriptors, *images)
        found._require_whole()
        return found

    def _require_whole(self) -> None:
        """What a method cannot find out itself; sizes are compared with its own when learning goes on."""
        if self.descriptors.ndim != 2 or len(self.descriptors) != len(self.contents):
            raise ValueError(f"{SUMS}: descriptors and images differ in number")
        if len(self.groups) not in (0, len(self.contents)):
            raise ValueError(f"{IMAGES}: products and images differ in number")
        if not all(np.isfinite(one).all() for one in (*self.sums, self.descriptors)):
            raise ValueError(f"{SUMS}: a value is no finite number")
        if not all(one.is_plausible for one in self.appearances):
            raise ValueError(f"{IMAGES}: no image looks like one that it describes")
        seen = {one.content for one in self.appearances}
        if not set(self.contents) <= seen or len(set(self.contents)) < len(self.contents):
            raise ValueError(f"{IMAGES}: an image is listed twice, or not described")

    def require_alike(self, other: "LearntImages") -> None:
        """Raises DetectorFileError where another's sums or descriptors are of other sizes."""
        if _sizes(self) != _sizes(other):
            raise DetectorFileError(
                "what it learnt from is summed up in other sizes than its method has; it is of another version of "
                "Urushi: fit it anew"
            )


def _sizes(images: LearntImages) -> Any:
    return [(one.shape, one.dtype) for one in images.sums], images.descriptors.shape[1:], images.descriptors.dtype
