"""Samples of a data set whose file holds several images: one for each of them, with the mask of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from urushi.data.pages import images_in_file
from urushi.data.samples import Problem, Sample


def by_page(samples: Iterable[Sample]) -> tuple[list[Sample], list[Problem]]:
    """Samples in their order, one for each image of their files, and what of the files is not used.

    A mask of as many pages gives each image its own; no other can be assigned to one of several images.
    """
    problems: list[Problem] = []
    found = [page for sample in samples for page in _pages(sample, problems)]
    return found, problems


def _pages(sample: Sample, problems: list[Problem]) -> Iterator[Sample]:
    names = list(images_in_file(sample.path, problems.append))
    if len(names) == 1:
        yield sample
        return
    for name, mask in zip(names, _masks(sample.mask, len(names), problems), strict=True):
        yield replace(sample, path=name, mask=mask)


def _masks(mask: Path | None, n_images: int, problems: list[Problem]) -> list[Path] | list[None]:
    if mask is None:
        return [None] * n_images
    pages = [] if mask.is_dir() else list(images_in_file(mask))
    if len(pages) == n_images:
        return pages
    n = f"{len(pages)} page{'s' * (len(pages) != 1)}" if pages else "no pages"
    problems.append(Problem(mask, f"is not used: it has {n}, and its file of images {n_images}"))
    return [None] * n_images
