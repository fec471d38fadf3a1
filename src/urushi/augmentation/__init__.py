"""Geometric variations of images, one file each, their sequence, and enlarged data sets. Knows no torch."""

from urushi.augmentation._enlargement import Record, enlarge, read_records, replay
from urushi.augmentation._online import augment_batch, rng_for
from urushi.augmentation._plan import Wish, plan
from urushi.augmentation._sequence import Augmentation, Drawn
from urushi.augmentation._texture import TextureWish, make_texture_set

__all__ = [
    "Augmentation",
    "Drawn",
    "Record",
    "TextureWish",
    "Wish",
    "augment_batch",
    "enlarge",
    "make_texture_set",
    "plan",
    "read_records",
    "replay",
    "rng_for",
]
