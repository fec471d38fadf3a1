"""Images unlearnt exactly, as if they had never been learnt."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from urushi.data.images import ImageSource, name_of
from urushi.data.learnt_images import LearntImages
from urushi.data.stream import batches, stream
from urushi.errors import DatasetError
from urushi.fitting.incremental import sums
from urushi.fitting.incremental.present import Prepare, Present
from urushi.inspection import Unreadable
from urushi.preprocessing import Prepared
from urushi.printable import counted

_MOST_NAMED = 5


def remove(present: Present, prepare: Prepare, sources: Sequence[ImageSource]) -> tuple[Present, int]:
    """Unlearns images, and gives their number; raises DatasetError if one cannot be read or was never learnt."""
    gone, is_learnt = _to_be_unlearnt(present, prepare, sources), set(present.images.contents)
    learnt = (item for item in gone.values() if item.appearance.content in is_learnt)
    parts = (sums.of_images(present.backend, batch)[0] for batch in batches(learnt, present.recipe.training.batch_size))
    appearances = tuple(item.appearance for item in gone.values())
    unlearnt = reduce(LearntImages.plus, parts, sums.none_like(present.backend))
    images = present.images.less(replace(unlearnt, appearances=appearances))
    rows = present.held_out.without(gone)
    if not rows.scores:
        raise DatasetError("no held-out image would be left, and the threshold comes from these; remove fewer images")
    pictures = present.pictures.without(gone)
    rows = replace(rows, method="cross") if unlearnt.contents else rows
    return present.learnt(images, rows, pictures), len(gone)


def _to_be_unlearnt(present: Present, prepare: Prepare, sources: Sequence[ImageSource]) -> dict[str, Prepared]:
    """By their pixels."""
    found, known, strange = dict[str, Prepared](), present.known, list[str]()
    for source, item in zip(sources, stream(prepare, sources), strict=True):
        if isinstance(item, Unreadable):
            raise DatasetError(f"{item.source} cannot be read, so it cannot be unlearnt: {item.reason}")
        if item.appearance.content in known:
            found[item.appearance.content] = item
        else:
            strange.append(name_of(source))
    if strange:
        more = f" and {len(strange) - _MOST_NAMED} more" if len(strange) > _MOST_NAMED else ""
        raise DatasetError(
            f"{len(strange)} of {counted(len(sources), 'image was', 'images were')} never learnt by this detector, "
            f"by their pixels: {', '.join(strange[:_MOST_NAMED])}{more}; nothing was removed"
        )
    return found
