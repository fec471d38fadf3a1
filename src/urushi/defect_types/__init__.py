"""What kind of defect it is: types learnt from a few labelled images, and new types proposed from what gathers."""

from urushi.defect_types._types import DefectTypes, Verdict
from urushi.defect_types.buffer_file import update
from urushi.defect_types.changes import Change, changes
from urushi.defect_types.encoder import Encoder
from urushi.defect_types.novelties import NoveltyBuffer

__all__ = ["Change", "DefectTypes", "Encoder", "NoveltyBuffer", "Verdict", "changes", "update"]
