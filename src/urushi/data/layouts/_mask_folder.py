"""The masks below one folder, and which of them belongs to which image."""

from pathlib import Path

from urushi.data.folders import has_image_suffix, is_folder, is_of_system, walk
from urushi.data.samples import Problem

_USUAL = ("_mask", "", "_gt", "_label")  # endings of the name of a mask
_WORDS = ("mask", "gt", "label", "groundtruth", "ground_truth", "seg", "segmentation", "annotation")
_ENDINGS = (*_USUAL, *(f"{mark}{word}" for mark in "_.-" for word in _WORDS if f"{mark}{word}" not in _USUAL))


class MaskFolder:
    """The masks of one kind of defect, and which of them found their image.

    The mask of `<stem>.*` is `<stem>_mask.*`, `<stem>.*`, `<stem>_gt.*`, `<stem>_label.*` or such, or all of the folder
    `<stem>` together (MVTec LOCO).
    """

    def __init__(self, folder: Path) -> None:
        entries = list(walk(folder)) if is_folder(folder) else []
        self._folder = folder
        self._problems = [entry for entry in entries if isinstance(entry, Problem)]
        files = [entry for entry in entries if isinstance(entry, Path) and not is_of_system(entry)]
        self._masks = _by_key(folder, [file for file in files if has_image_suffix(file)])
        self._others = _by_key(folder, [file for file in files if not has_image_suffix(file)])
        self.n_masks = sum(map(len, self._masks.values()))

    def take(self, image: Path) -> Path | None:
        """The mask of an image, given relative to its folder; None if there is none or it was taken already."""
        keys = [image.with_name(name + ending) for name in (image.stem, image.name) for ending in _ENDINGS]
        found = [mask for key in keys for mask in self._masks.pop(key, [])]
        if found:
            reason = f"a second mask beside {found[0].name!r}; it is not used"
            self._problems += [Problem(mask, reason) for mask in found[1:]]
            return found[0]
        folder = self._take_folder(image.with_name(image.stem))
        if folder is None:
            self._report_others(keys)
        return folder

    def problems(self) -> list[Problem]:
        """What could not be searched or is not used, and the masks that no image has taken."""
        left = [Problem(mask, "this mask matches no image") for masks in self._masks.values() for mask in masks]
        return self._problems + left

    def _take_folder(self, wanted: Path) -> Path | None:
        """A folder of masks of one image; one whose files are named as the masks of images is none."""
        keys = [key for key in self._masks if key.parent == wanted]
        if not keys or any(key.name.endswith(ending) for key in keys for ending in _USUAL if ending):
            return None
        for key in keys:
            del self._masks[key]
        return self._folder / wanted

    def _report_others(self, keys: list[Path]) -> None:
        others = [other for key in keys for other in self._others.pop(key, [])]
        reason = "masks are not read from this kind of file; save it as PNG"
        self._problems += [Problem(other, reason) for other in others]


def _by_key(folder: Path, files: list[Path]) -> dict[Path, list[Path]]:
    """Files by their relative paths without suffix, the usual endings in small letters."""
    found: dict[Path, list[Path]] = {}
    for file in files:
        relative = file.relative_to(folder)
        ending = next((e for e in _ENDINGS if e and relative.stem.lower().endswith(e)), "")
        name = relative.stem[: len(relative.stem) - len(ending)] + ending
        found.setdefault(relative.with_name(name), []).append(file)
    return found
