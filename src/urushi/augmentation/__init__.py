"""Geometric variations of images, one file each, their sequence, and enlarged data sets. Knows no torch."""

from urushi.augmentation._enlargement import Record, enlarge, read_records, replay
from urushi.augmentation._online import augment_batch, rng_for
from urushi.augmentation._plan import Wish, plan
from urushi.augmentation._sequence import Augmentation, Drawn

__all__ = [
    "Augmentation",
    "Drawn",
    "Record",
    "Wish",
    "augment_batch",
    "enlarge",
    "plan",
    "read_records",
    "replay",
    "rng_for",
]
