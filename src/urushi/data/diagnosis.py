"""Looks at every image of a data set before any model does: what is there, what is broken, what would mislead."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from urushi.data.appearance import Appearance
from urushi.data.dataset import Dataset, Problem, Sample
from urushi.data.familiar import Familiar
from urushi.data.folders import system_files
from urushi.data.images import Stated, luminance, read_image
from urushi.data.mask_diagnosis import CoveredMask, covering_problems, look_at_mask
from urushi.data.near_duplicates import Imprint, connected, near_duplicates
from urushi.data.progress import Track, untracked
from urushi.data.proposed_groups import proposed, scans_by_name
from urushi.data.stream import stream
from urushi.errors import UnreadableImageError
from urushi.printable import counted, in_px

_SMALLEST_SIDE_PX = 8
_FEWEST_TRAINING = 20

Size = tuple[int, int]  # height, width in px


@dataclass(frozen=True)
class Diagnosis:
    """What is in a data set, without any picture."""

    root: Path
    layout: str
    counts: dict[str, dict[str, int]]  # split -> defect -> images, unreadable ones included
    n_masks: int
    sizes: dict[Size, int]  # height, width in px -> images; sorted by area
    dtypes: dict[str, int]  # uint8, uint16, float32 -> images
    colours: dict[str, int]  # grey, RGB -> images
    unreadable: tuple[Problem, ...]
    problems: tuple[Problem, ...]  # of the layout, of masks, and images too small
    duplicates: tuple[tuple[Path, ...], ...]  # the same pixels within one split
    leaks: tuple[tuple[Path, ...], ...]  # the same pixels in more than one split
    near: tuple[tuple[Path, ...], ...]  # nearly the same, as scans of one product are; of equal ones the first
    near_leaks: tuple[tuple[Path, ...], ...]  # of these, what reaches over several splits, or is good and defective
    group_by: str | None  # what of names or folders would tell their products
    luminances: dict[tuple[str, str], tuple[float, ...]]  # (split, kind) -> mean intensity of each image, 0…1
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain values; paths are relative to the root."""
        return {
            "root": str(self.root),
            "layout": self.layout,
            "counts": self.counts,
            "n_masks": self.n_masks,
            "sizes": self._sizes(),
            "dtypes": self.dtypes,
            "colours": self.colours,
            "unreadable": [self._problem(problem) for problem in self.unreadable],
            "problems": [self._problem(problem) for problem in self.problems],
            "duplicates": [[self._name(path) for path in group] for group in self.duplicates],
            "leaks": [[self._name(path) for path in group] for group in self.leaks],
            "near_duplicates": [[self._name(path) for path in group] for group in self.near],
            "near_leaks": [[self._name(path) for path in group] for group in self.near_leaks],
            "group_by": self.group_by,
            "warnings": list(self.warnings),
        }

    def _sizes(self) -> dict[str, Any]:
        ends: list[dict[str, int] | None] = [{"width": size[1], "height": size[0]} for size in self.sizes]
        ends = ends or [None]
        return {"distinct": len(self.sizes), "smallest": ends[0], "largest": ends[-1]}

    def _problem(self, problem: Problem) -> dict[str, str]:
        return {"path": self._name(problem.path), "reason": problem.reason}

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


@dataclass(frozen=True)
class _Look:
    """What stays of one sample after its pixels are gone."""

    sample: Sample
    appearance: Appearance
    colour: str
    luminance: float
    problems: tuple[Problem, ...]
    covered: CoveredMask | None  # of a defective image whose mask marks something
    imprint: Imprint


def diagnose(dataset: Dataset, *, bits: int | None = None, track: Track = untracked) -> Diagnosis:
    """Reads every image and mask once, in a few threads; no more than a few pictures are in memory at a time.

    `bits` a channel are those of images that don't say so themselves.
    """
    looked_at = stream(partial(_look, bits=bits), dataset.samples)
    found = list(track(looked_at, "looking at images", len(dataset.samples)))
    looks = [look for look in found if isinstance(look, _Look)]
    unreadable = tuple(problem for problem in found if isinstance(problem, Problem))
    duplicates, leaks = _same_content(looks)
    near, near_leaks, group_by = _nearly_same(dataset.root, looks)
    by_name = None if group_by else scans_by_name([str(sample.path) for sample in dataset.normal_training()])
    return Diagnosis(
        root=dataset.root,
        layout=dataset.layout,
        counts=_counts(dataset),
        n_masks=sum(sample.mask is not None for sample in dataset.samples),
        sizes=_sizes(looks),
        dtypes=dict(sorted(Counter(look.appearance.kind for look in looks).items())),
        colours=dict(sorted(Counter(look.colour for look in looks).items())),
        unreadable=unreadable,
        problems=tuple(_problems(dataset, looks)),
        duplicates=duplicates,
        leaks=leaks,
        near=near,
        near_leaks=near_leaks,
        group_by=group_by,
        luminances=_luminances(looks),
        warnings=(
            *_warnings(looks, len(duplicates), len(leaks)),
            *_about_near(near, near_leaks, group_by),
            *((by_name,) if by_name else ()),
            *_of_system(dataset.root),
        ),
    )


def _problems(dataset: Dataset, looks: list[_Look]) -> Iterator[Problem]:
    yield from dataset.problems
    yield from (problem for look in looks for problem in look.problems)
    yield from covering_problems([look.covered for look in looks if look.covered is not None])


def _look(sample: Sample, bits: int | None = None) -> _Look | Problem:
    try:
        pixels = read_image(Stated(sample.path, bits))
    except UnreadableImageError as error:
        return Problem(sample.path, error.reason)
    appearance = Appearance.of(pixels)
    colour = "grey" if pixels.ndim == 2 else "RGB"
    mask_problems, covered = look_at_mask(sample, appearance.size)
    problems = (*_too_small(sample.path, appearance.size), *mask_problems)
    return _Look(sample, appearance, colour, luminance(pixels), problems, covered, Imprint.of(pixels))


def _too_small(path: Path, size: Size) -> Iterator[Problem]:
    if min(size) < _SMALLEST_SIDE_PX:
        yield Problem(path, f"is only {in_px(size)}; at least {_SMALLEST_SIDE_PX} px a side are needed")


def _counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for (part, defect), n in sorted(Counter((s.split, s.defect) for s in dataset.samples).items()):
        counts.setdefault(part, {})[defect] = n
    return counts


def _luminances(looks: list[_Look]) -> dict[tuple[str, str], tuple[float, ...]]:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for look in looks:
        found[look.sample.split, look.sample.defect].append(look.luminance)
    return {kind: tuple(values) for kind, values in sorted(found.items())}


def _sizes(looks: list[_Look]) -> dict[Size, int]:
    sizes = Counter(look.appearance.size for look in looks)
    return dict(sorted(sizes.items(), key=lambda item: (item[0][0] * item[0][1], item[0])))


Groups = tuple[tuple[Path, ...], ...]


def _same_content(looks: list[_Look]) -> tuple[Groups, Groups]:
    """Groups of equal images within one split, and groups that reach over several splits."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for look in looks:
        groups[look.appearance.content].append(look.sample)
    same = [group for group in groups.values() if len(group) > 1]
    within = [tuple(s.path for s in group) for group in same if len({s.split for s in group}) == 1]
    across = [tuple(s.path for s in group) for group in same if len({s.split for s in group}) > 1]
    return tuple(within), tuple(across)


def _nearly_same(root: Path, looks: list[_Look]) -> tuple[Groups, Groups, str | None]:
    """Groups of distinct images that are nearly the same, those that must not be, and what would tell them apart."""
    distinct = list({look.appearance.content: look for look in reversed(looks)}.values())[::-1]
    pairs = near_duplicates([look.imprint for look in distinct])
    samples = [look.sample for look in distinct]
    groups = [[samples[place] for place in members] for members in connected(pairs)]
    leaks = [group for group in groups if len({(one.split, one.label) for one in group}) > 1]
    paths = [str(one.path.relative_to(root) if one.path.is_relative_to(root) else one.path) for one in samples]
    near, near_leaks = (tuple(tuple(one.path for one in group) for group in some) for some in (groups, leaks))
    return near, near_leaks, proposed(paths, pairs)


def _about_near(near: Groups, near_leaks: Groups, group_by: str | None) -> Iterator[str]:
    if not near:
        return
    how = "say which product each shows: --group-by 'PATTERN', folder or TABLE.csv:COLUMN"
    if group_by:
        how = f"names or folders tell which: --group-by '{group_by}'"
    n = sum(map(len, near))
    yield (
        f"{counted(n, 'image is', 'images are')} nearly the same as others, as scans of one product are "
        f"({counted(len(near), 'group')}): "
        f"a fit would take them for independent, and promise more than holds; {how}"
    )
    if near_leaks:
        yield (
            f"groups of these in several splits, or good and defective at once: {len(near_leaks)}; results on the test "
            "split would be too good"
        )


def _warnings(looks: list[_Look], n_duplicates: int, n_leaks: int) -> Iterator[str]:
    yield from _of_training([look for look in looks if look.sample.split == "train" and look.sample.label == 0])
    if n_leaks:
        yield (
            f"{counted(n_leaks, 'image is', 'images are')} in more than one split: results on the test split "
            "would be too good"
        )
    if n_duplicates:
        words = ("image occurs more than once in its split", "images occur more than once in their split")
        yield f"{counted(n_duplicates, *words)}; a fit counts each once"
    if looks and (note := Familiar.of([look.appearance for look in looks]).note):
        yield note
    yield from _mixed("sizes", {in_px(look.appearance.size) for look in looks})
    yield from _mixed("bit depths", {look.appearance.kind for look in looks})
    yield from _mixed("colours", {look.colour for look in looks})


def _of_training(looks: list[_Look]) -> Iterator[str]:
    n = len({look.appearance.content for look in looks})
    if n < _FEWEST_TRAINING:
        different = "different " if n < len(looks) else ""
        yield (
            f"{counted(n, f'{different}good training image')} can be read; fewer than {_FEWEST_TRAINING} rarely suffice"
        )
    if looks and not any(look.appearance.contrast for look in looks):
        yield (
            f"{counted(len(looks), 'good training image has', 'good training images have')} one level all "
            "over: there is nothing to learn from them"
        )


def _of_system(root: Path) -> Iterator[str]:
    if files := system_files(root):
        name = files[0].relative_to(root)
        yield f"left alone: {counted(len(files), 'file')} of the operating system, such as {name}"


def _mixed(what: str, found: set[str]) -> Iterator[str]:
    if len(found) > 1:
        shown = ", ".join(sorted(found)[:5])
        yield f"mixed {what}: {shown}{' and others' if len(found) > 5 else ''}"
