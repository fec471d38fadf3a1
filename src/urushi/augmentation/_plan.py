"""Which images an enlarged data set consists of, decided before any is opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from urushi.data import anomaly_ratio, defects
from urushi.data.pages import as_file_name
from urushi.data.samples import Sample, Split
from urushi.data.splits import split
from urushi.errors import DatasetError, InputError

_TEST_FRACTION = 0.2  # of the training images, where synthetic defects need good test images and there are none


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an enlarged data set shall hold; checked against the images that there are when it is planned."""

    n_copies: int = 0  # variants of each image
    n_training: int | None = None  # instead: training images altogether
    keeps_originals: bool = True  # beside their variants
    augments_test: bool = False  # and validation images, as in S2 §5.2.4
    test_fraction: float | None = None  # of the training images that become test images, before anything is varied
    n_synthetic: int = 0  # test images with a synthetic defect, of each kind
    anomaly_ratio: float | None = None  # of the test images
    n_test: int | None = None  # test images altogether, at that ratio; None: as many as possible

    def __post_init__(self) -> None:
        if self.n_copies and self.n_training is not None:
            raise InputError("either the number of copies is given or the total of training images, not both.")
        if self.n_test is not None and self.anomaly_ratio is None:
            raise InputError("a total of test images needs an anomaly ratio, such as 0.5.")
        if self.n_training is not None and self.augments_test:
            raise InputError("a total counts training images; to vary all images give the number of copies.")


class Picture(NamedTuple):
    """One image to be written."""

    position: int  # of its source among all samples
    source: Sample
    split: Split
    variant: int  # 0: the source as it is; k: its k-th variant, or the k-th synthetic defect
    defect: str  # kind of synthetic defect; empty if there is none

    @property
    def kind(self) -> str:
        """The name of its folder: good, a kind of defect, or synthetic_<kind>."""
        return f"synthetic_{self.defect}" if self.defect else self.source.defect

    @property
    def stem(self) -> str:
        """Its file name without ending: number and name of the source, and which variant."""
        name = re.sub(r"[^\w.-]", "_", as_file_name(self.source.path).stem)[:40]
        return f"{self.position:06d}-{name}" + (f"-{self.variant:03d}" if self.variant else "")


def plan(samples: Sequence[Sample], wish: Wish, *, seed: int) -> list[Picture]:
    """All pictures, those of one source side by side; no source has pictures in two splits.

    Raises DatasetError where there are too few images for what is wished, and InputError for an impossible wish.
    """
    sources = [Picture(i, s, s.split, 0, "") for i, s in enumerate(samples) if s.label == 0 or s.split == "test"]
    sources = _with_test(sources, wish, seed)
    pictures = [picture for source in sources for picture in _variants(source, wish)]
    if wish.n_training is not None:
        pictures += _up_to_total(sources, wish.n_training, wish.keeps_originals, seed)
    pictures = _at_ratio([*pictures, *_synthetic(sources, wish.n_synthetic, seed)], wish, seed)
    return sorted(pictures, key=lambda p: (p.position, p.defect, p.variant))


def _with_test(sources: list[Picture], wish: Wish, seed: int) -> list[Picture]:
    """Some training images become test images, if that is wished or synthetic defects need them."""
    has_test = any(p.split == "test" and p.source.label == 0 for p in sources)
    if wish.test_fraction is not None and has_test:
        raise InputError("there are good test images already; a test fraction is for data sets without.")
    fraction = wish.test_fraction or (_TEST_FRACTION if wish.n_synthetic and not has_test else 0)
    if not fraction:
        return sources
    training = [i for i, p in enumerate(sources) if p.split == "train"]
    parts = split(len(training), {"train": 1 - fraction, "test": fraction}, seed=seed)
    for i in parts["test"]:
        sources[training[i]] = sources[training[i]]._replace(split="test")
    return sources


def _variants(source: Picture, wish: Wish) -> list[Picture]:
    is_augmented = source.split == "train" or wish.augments_test
    n_copies = wish.n_copies if is_augmented else 0
    is_varied = n_copies > 0 or (source.split == "train" and wish.n_training is not None)
    first = 0 if wish.keeps_originals or not is_varied else 1
    return [source._replace(variant=k) for k in range(first, n_copies + 1)]


def _up_to_total(sources: list[Picture], n_total: int, keeps_originals: bool, seed: int) -> list[Picture]:
    training = [source for source in sources if source.split == "train"]
    n_missing = n_total - (len(training) if keeps_originals else 0)
    if n_missing < 0 or not training:
        raise DatasetError(f"a total of {n_total} training images was asked for; there are {len(training)} originals.")
    order = np.random.default_rng(seed).permutation(len(training))
    return [training[order[i % len(training)]]._replace(variant=1 + i // len(training)) for i in range(n_missing)]


def _synthetic(sources: list[Picture], n_each: int, seed: int) -> list[Picture]:
    """Each kind on good test images in an order of its own, so that each image is used about as often."""
    good = [source for source in sources if source.split == "test" and source.source.label == 0]
    if n_each and not good:
        raise DatasetError("synthetic defects need good images to put them on; there are none.")
    pictures = []
    for number, kind in enumerate(defects.KINDS):
        order = np.random.default_rng((seed, number)).permutation(len(good))
        pictures += [good[order[k % len(good)]]._replace(defect=kind, variant=k + 1) for k in range(n_each)]
    return pictures


def _at_ratio(pictures: list[Picture], wish: Wish, seed: int) -> list[Picture]:
    if wish.anomaly_ratio is None:
        return pictures
    test = [picture for picture in pictures if picture.split == "test"]
    kinds = [picture.kind for picture in test]
    n_total = wish.n_test or anomaly_ratio.largest_total(kinds, wish.anomaly_ratio)
    chosen = anomaly_ratio.draw(kinds, wish.anomaly_ratio, n_total, seed=seed)
    return [picture for picture in pictures if picture.split != "test"] + [test[i] for i in chosen]
