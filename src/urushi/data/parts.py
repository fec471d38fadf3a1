"""Which images below a folder show parts: neither masks, nor label images beside them, nor what a name rules out."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from urushi.data.folders import find_images, images_below, images_in, is_folder
from urushi.data.masklike import look_like_masks
from urushi.data.names import Meaning, Names, meaning, plain
from urushi.data.samples import Problem
from urushi.printable import counted

_SAYS = {
    "mask": "masks",
    "defect": "defects",
    "good": "good images",
    "test": "test images",
    "validation": "validation images",
}
_BESIDE = "label images beside their images are left out of the parts"
_BESIDE_ONE = "label image beside its image is left out of the parts"
_LABEL = r"(?i:masks?|labels?|gt|ground[\s._-]*truth|seg|segmentations?|annotations?)"
# part00_label, part00-GT, part00.mask, part00mask, partMask, part00_mask_1; and mask_part00
_AFTER = re.compile(rf"(?P<stem>.+?)(?:[\s._-]+|(?<=\d)|(?<=[a-z])(?=[A-Z])){_LABEL}(?:[\s._-]*\d+)?")
_BEFORE = re.compile(rf"{_LABEL}[\s._-]+(?P<stem>.+)")


@dataclass(frozen=True)
class Parts:
    """The images of parts below a folder, sorted, and what is not among them."""

    images: list[Path]
    labels: dict[Path, list[Path]]  # image -> label images beside it, and its masks in a folder of masks beside it
    left_out: dict[Path, tuple[int, str]]  # folder -> how many of its images are left out, and what its name says
    problems: list[Problem]  # what could not be searched

    def label_notices(self) -> list[Problem]:
        """One for each folder in which label images lie beside images."""
        return [Problem(folder, counted(n, _BESIDE_ONE, _BESIDE)) for folder, n in self.n_labels().items()]

    def n_labels(self) -> dict[Path, int]:
        """How many label images lie in each folder, beside their images."""
        pairs = [(image, label) for image, labels in self.labels.items() for label in labels]
        return dict(Counter(label.parent for image, label in pairs if label.parent == image.parent))

    def notices(self) -> list[Problem]:
        """One for each folder whose name rules it out."""
        return [
            Problem(folder, f"its {counted(n, 'image is', 'images are')} left out: its name says {says}")
            for folder, (n, says) in self.left_out.items()
        ]


def parts_below(folder: Path, names: Names, ruled_out: Iterable[str] = ("mask",)) -> Parts:
    """The parts below a folder; folders inside whose names have a meaning (kind or split) ruled out hold none."""
    return parts_among(list(images_below(folder)) if is_folder(folder) else [], folder, names, ruled_out)


def find_parts(paths: Iterable[Path], names: Names) -> tuple[list[Path | Problem], list[Problem]]:
    """What `find_images` finds, without masks and label images in folders, and a notice for each folder of those.

    A file or folder that is given itself is taken whatever its name. Raises DatasetError for one that does not exist.
    """
    found: list[Path | Problem] = []
    notices: list[Problem] = []
    for path in paths:
        entries = list(find_images([path]))
        if is_folder(path):
            parts = parts_among(entries, path, names, ("mask",))
            entries = [*parts.images, *parts.problems]
            notices += [*parts.notices(), *parts.label_notices()]
        found += entries
    return found, notices


def parts_among(found: Sequence[Path | Problem], folder: Path, names: Names, ruled_out: Iterable[str]) -> Parts:
    """The parts among what was found below a folder."""
    groups: dict[tuple[Path, str] | None, list[Path]] = defaultdict(list)
    for entry in found:
        if isinstance(entry, Path):
            groups[_ruling_out(entry, folder, names, frozenset(ruled_out))].append(entry)
    inside = groups.pop(None, [])
    owners = owners_of_labels(inside)
    images = [image for image in inside if image not in owners]
    labels: dict[Path, list[Path]] = defaultdict(list)
    masks = [_owners_of_masks(place[0], files, images) for place, files in groups.items() if place]
    for label, image in (pair for found in (owners, *masks) for pair in found.items()):
        labels[image].append(label)
    left_out = {place[0]: (len(files), place[1]) for place, files in groups.items() if place}
    problems = [entry for entry in found if isinstance(entry, Problem)]
    return Parts(images, dict(labels), left_out, problems)


def why_no_part(image: Path, folder: Path) -> str | None:
    """Why an image that has arrived in a folder shows no part, or None where nothing says so yet."""
    if ruling_out := _ruling_out(image, folder, Names(), frozenset(["mask"])):
        return f"{ruling_out[0]}: its images are left out: its name says {ruling_out[1]}"
    if may_be_label(image) and image in owners_of_labels(images_in(image.parent)):
        return f"{image.parent}: {_BESIDE}"
    return None


def may_be_label(image: Path) -> bool:
    """Whether an image is called like a label image, of which there may be the image or not."""
    return bool(_labelled_stems(image))


def owners_of_labels(images: Iterable[Path]) -> dict[Path, Path]:
    """Each label image among images (`part00_label.png`), with the image beside it that it labels (`part00.jpg`).

    Of two of one name (`part00.png`, `part00.jpg`), those of one suffix are label images where nearly all look like
    masks and the others do not.
    """
    images = list(images)
    by_stem = {(image.parent, plain(image.stem)): image for image in reversed(images)}
    pairs = ((image, by_stem.get((image.parent, stem))) for image in images for stem in _labelled_stems(image))
    return _owners_of_namesakes(images) | {label: image for label, image in pairs if image is not None}


def _owners_of_namesakes(images: list[Path]) -> dict[Path, Path]:
    """By their looks, which must be read: only pairs of one name and two suffixes are."""
    by_name: dict[Path, list[Path]] = defaultdict(list)
    for image in images:
        by_name[image.with_suffix("")].append(image)
    pairs: dict[tuple[Path, str, str], list[tuple[Path, Path]]] = defaultdict(list)
    for files in by_name.values():
        for one, other in permutations(files, 2) if len(files) == 2 else ():
            pairs[one.parent, one.suffix, other.suffix].append((one, other))
    alike = {key for key, found in pairs.items() if look_like_masks([label for label, _ in found])}
    sure = (found for key, found in pairs.items() if key in alike and (key[0], key[2], key[1]) not in alike)
    return {label: image for found in sure for label, image in found}


def _owners_of_masks(folder: Path, masks: list[Path], images: list[Path]) -> dict[Path, Path]:
    """Each mask in a folder of masks, with the one image below the folder's parent that has its name.

    None if the folder is not of masks, or what is in it does not look like masks, whatever it is called.
    """
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for image in images:
        if folder.parent in image.parents:
            by_stem[plain(image.stem)].append(image)
    pairs = [(mask, by_stem[stem]) for mask in masks for stem in (plain(mask.stem), *_labelled_stems(mask))]
    found = {mask: owners[0] for mask, owners in pairs if len(owners) == 1}
    return found if found and meaning(folder.name).kind == "mask" and look_like_masks(masks) else {}


def _labelled_stems(image: Path) -> list[str]:
    matches = (_BEFORE.fullmatch(image.stem), _AFTER.fullmatch(image.stem))
    return [plain(match["stem"]) for match in matches if match]


def _ruling_out(image: Path, folder: Path, names: Names, ruled_out: frozenset[str]) -> tuple[Path, str] | None:
    """The outermost folder below which an image is left out, and what that folder's name says."""
    inside = [parent for parent in image.parents if folder in parent.parents]
    for parent in reversed(inside):
        if says := _said(names.of(parent.name), ruled_out):
            return parent, says
    return None


def _said(name: Meaning, ruled_out: frozenset[str]) -> str:
    return next((_SAYS[word] for word in (name.kind, name.split) if word and word in ruled_out), "")
