"""What `urushi prepare` does with one image, and where the result goes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.data.dataset import Problem, Sample, find_dataset, good_folders_in
from urushi.data.images import Stated, read_image
from urushi.data.mask_diagnosis import without_inverted
from urushi.data.mask_on_map import fit_mask
from urushi.data.masks import fitting, misfit, read_mask
from urushi.data.pages import as_file_name, file_of, images_in_file
from urushi.data.stream import evenly
from urushi.data.writing import write_image
from urushi.errors import InputError, UnreadableImageError
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline, Prepared
from urushi.reporting.grey_levels import Levels
from urushi.reporting.stages import Trace, trace

if TYPE_CHECKING:
    from urushi.recipe import Part


@dataclass(frozen=True)
class Item:
    """One image to prepare."""

    path: Path
    target: Path  # of the result, below the folder of results
    is_training: bool
    mask: Path | None = None
    mask_target: Path | None = None

    @property
    def name(self) -> str:
        """Below the folder that was given."""
        return (self.target.parent / self.path.name).as_posix()

    @property
    def group(self) -> str:
        """Its kind: the folder it lies in, such as test/scratch."""
        return self.target.parent.as_posix() if self.target.parent.parts else "images"


@dataclass(frozen=True, eq=False)
class Done:
    """What is kept of an image that was prepared and written."""

    item: Item
    before: Levels
    after: Levels
    trace: Trace | None
    bad_mask: Unreadable | None  # a mask that could not follow its image


def find_items(
    sources: Sequence[Path], out: Path, layout: str | None, good_folders: Sequence[str] = ()
) -> tuple[list[Item], list[Problem]]:
    """Every image of some folders, data sets and files with the place of its result, and what is wrong with them.

    Masks that are inverted are left out.
    Raises DatasetError if there is nothing, InputError if a result would be written among the images or over another.
    """
    items: list[Item] = []
    problems: list[Problem] = []
    for source in sources:
        _require_apart(source, out)
        if file_of(source).is_file():
            pages = images_in_file(source, problems.append)
            items += [Item(page, as_file_name(Path(page.name)), is_training=True) for page in pages]
            continue
        dataset = find_dataset(source, layout=layout, good_folders=good_folders_in(source, good_folders))
        samples, inverted = without_inverted(dataset.samples)
        problems += [*dataset.problems, *inverted]
        items += [_item(sample, source) for sample in samples]
    return _with_targets(items), problems


class Preparer:
    """Prepares and writes images below a folder; may run in several threads."""

    def __init__(
        self, pipeline: Pipeline, parts: "Sequence[Part]", out: Path, shown: Sequence[Item], bits: int | None = None
    ) -> None:
        self.pipeline, self.parts, self.out, self.shown, self.bits = pipeline, parts, out, set(shown), bits

    def __call__(self, item: Item) -> Done | Unreadable:
        """One image, or why it could not be prepared; raises InputError if the result can't be written."""
        try:
            image = read_image(Stated(item.path, self.bits))
            prepared = self.pipeline.prepare(image)
        except UnreadableImageError as error:
            return Unreadable(str(item.path), error.reason)
        pixels = prepared.pixels[0] if len(prepared.pixels) == 1 else prepared.pixels.transpose(1, 2, 0)
        write_image(self.out / item.target, pixels)
        way = trace(self.pipeline, self.parts, image, item.name) if item in self.shown else None
        return Done(item, Levels.of(image), Levels.of(pixels), way, self._write_mask(item, prepared))

    def _write_mask(self, item: Item, prepared: Prepared) -> Unreadable | None:
        """The mask of an image, if it has one, as the prepared image shows it; gives why that can't be done."""
        if item.mask is None or item.mask_target is None:
            return None
        try:
            mask = read_mask(item.mask)
        except UnreadableImageError as error:
            return Unreadable(str(item.mask), error.reason)
        whole = fitting(mask, prepared.original_size, item.path)
        if whole is None:
            return Unreadable(str(item.mask), misfit(mask, prepared.original_size))
        height, width = prepared.pixels.shape[1:]
        fitted = fit_mask(whole, (height, width), prepared.to_original, prepared.original_size)
        write_image(self.out / item.mask_target, fitted)
        return None


def choose_shown(items: Sequence[Item], n_shown: int) -> list[Item]:
    """Evenly from each group, at least one of each while there are enough to show."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    quotas: Counter[str] = Counter()
    turns = chain.from_iterable(
        [name for name, members in groups.items() if len(members) > turn] for turn in range(len(items))
    )
    for name, _ in zip(turns, range(n_shown), strict=False):
        quotas[name] += 1
    return [item for name, n in quotas.items() for item in evenly(groups[name], n)]


def _require_apart(source: Path, out: Path) -> None:
    inner, outer = out.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"{out} and {source} lie in one another, so results would mix with images; choose another OUT")


def _item(sample: Sample, root: Path) -> Item:
    is_training = sample.split == "train" and sample.label == 0
    mask_target = as_file_name(sample.mask.relative_to(root)) if sample.mask else None
    return Item(sample.path, as_file_name(sample.path.relative_to(root)), is_training, sample.mask, mask_target)


def _with_targets(items: list[Item]) -> list[Item]:
    """PNG instead of other endings, which stay in the name where that alone tells two images apart."""
    stems = Counter(_key(item.target.with_suffix("")) for item in items)
    placed = [
        replace(item, target=_png(item.target, keep=stems[_key(item.target.with_suffix(""))] > 1)) for item in items
    ]
    placed = [replace(item, mask_target=item.mask_target and _png(item.mask_target, keep=False)) for item in placed]
    targets = Counter(_key(item.target) for item in placed)
    for item in placed:
        if targets[_key(item.target)] > 1:
            same = " and ".join(str(other.path) for other in placed if _key(other.target) == _key(item.target))
            raise InputError(f"{same} would both become {item.target}; prepare them into folders of their own")
    return placed


def _key(path: Path) -> str:
    return str(path).casefold()  # file systems that ignore case hold one of the two only


def _png(path: Path, *, keep: bool) -> Path:
    return path.with_name(f"{path.name if keep else path.stem}.png")
