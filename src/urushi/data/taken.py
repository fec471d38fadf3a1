"""Says which folders of a data set were taken for good and which for defects."""

from collections.abc import Iterable

from urushi.data.dataset import Dataset
from urushi.data.names import meaning
from urushi.data.samples import GOOD, LABELLED, Sample

_LISTED = 20
_IN_WORDS = {"train": "to learn from", "validation": "to validate", "test": "to test with"}


def taken(dataset: Dataset) -> str:
    """`taken as good: train/OK, test/OK; as defects: test/NG`, by folders relative to the root."""
    in_order = sorted(dataset.samples, key=lambda sample: list(_IN_WORDS).index(sample.split))
    good = _listed(_shown(dataset, sample) for sample in in_order if not sample.label)
    defects = _listed(_place(dataset, sample) for sample in in_order if sample.label)
    return f"taken as good: {good}; as defects: {defects}"


def is_plain(dataset: Dataset) -> bool:
    """Whether good folders are called good, or the layout reads no names, so that nothing need be said."""
    if dataset.layout in ("flat", "visa"):
        return True
    places = {_place(dataset, sample) for sample in dataset.samples if not sample.label}
    return dataset.layout != "labelled" and all(place.rpartition("/")[2] == GOOD for place in places)


def _shown(dataset: Dataset, sample: Sample) -> str:
    place = _place(dataset, sample)
    return place if "/" in place or dataset.layout == "flat" else f"{place} ({_IN_WORDS[sample.split]})"


def _place(dataset: Dataset, sample: Sample) -> str:
    """The folder that says what a sample is: the first one, or the second where the first names a split."""
    folders = sample.path.relative_to(dataset.root).parts[:-1] or (".",)
    says = meaning(folders[0])
    is_split = dataset.layout != "labelled" or (says.split and not says.kind)
    place = "/".join(folders[:2] if is_split else folders[:1])
    return (
        f"{place} (as their masks say)"
        if sample.defect == LABELLED and meaning(folders[-1]).kind != "defect"
        else place
    )


def _listed(places: Iterable[str]) -> str:
    names = list(dict.fromkeys(places))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "nothing") + more
