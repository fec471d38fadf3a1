"""The page of `urushi prepare`: what each step makes of the images, in pictures and in grey levels (S2 §5.2.3)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from urushi.catalogue import options
from urushi.evaluation.luminance import PREPARED, LuminanceReport, dataset_luminances
from urushi.inspection import Unreadable
from urushi.preprocessing import Pipeline
from urushi.proposal import Proposal
from urushi.recipe import Part
from urushi.reporting.grey_levels import N_LEVELS, Histogram, Levels, ToneCurve
from urushi.reporting.page import render, text, write_whole
from urushi.reporting.stages import Trace

_DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "decimal numbers"}


@dataclass
class Pool:
    """Grey levels of many images, every image counting alike however large it is."""

    shares: np.ndarray = field(default_factory=lambda: np.zeros(N_LEVELS))
    luminances: dict[str, list[float]] = field(default_factory=dict)  # by group
    forms: dict[str, Counter[tuple[int, int]]] = field(default_factory=dict)  # sizes of grey or colour, and depth

    def add(self, levels: Levels, group: str) -> None:
        """Adds one image."""
        self.shares += levels.counts / levels.counts.sum()
        self.luminances.setdefault(group, []).append(levels.luminance)
        height, width, *channels = levels.shape
        form = f"{'in colour' if channels else 'grey'}, {_DEPTHS.get(levels.dtype, levels.dtype)}"
        self.forms.setdefault(form, Counter())[height, width] += 1

    @property
    def histogram(self) -> Histogram:
        """Mean share of the pixels at each level."""
        return Histogram(self.shares / max(self.shares.sum(), 1))


class PreparationReport:
    """Collects what was prepared and writes it as one page; of images that aren't shown it keeps three numbers."""

    def __init__(
        self,
        title: str,
        recipe: str,
        parts: Sequence[Part],
        pipeline: Pipeline,
        proposal: Proposal | None = None,
        facts: Mapping[str, Any] | None = None,  # of the fitted steps, by their names
    ) -> None:
        self._title, self._recipe, self._parts, self._pipeline = title, recipe, parts, pipeline
        self._proposal, self._facts = proposal, facts or {}
        self._before, self._after = Pool(), Pool()
        self._traces: list[Trace] = []
        self._unreadable: list[Unreadable] = []
        self.n_flattened = 0  # images that had more than one grey level and have only one now

    def add(self, before: Levels, after: Levels, group: str, trace: Trace | None = None) -> None:
        """Adds one image, with its way through the steps if it is to be shown."""
        self._before.add(before, group)
        self._after.add(after, group)
        self.n_flattened += after.is_flat and not before.is_flat
        self._traces += [trace] if trace else []

    def add_unreadable(self, unreadable: Unreadable) -> None:
        """Adds an image that could not be prepared; it is listed with its reason."""
        self._unreadable.append(unreadable)

    @property
    def n_images(self) -> int:
        """How many were prepared."""
        return sum(map(len, self._before.luminances.values()))

    @property
    def luminances(self) -> LuminanceReport:
        """Whether brightness alone, after preprocessing, tells kinds of images of a data set apart."""
        kinds = {(split, kind): [one for one in values if np.isfinite(one)] for (split, kind), values in self._kinds()}
        return dataset_luminances({key: [one / 255 for one in values] for key, values in kinds.items()}, of=PREPARED)

    def _kinds(self) -> Iterator[tuple[tuple[str, str], list[float]]]:
        """Levels 0…255 of groups such as test/hole; others are no kinds of a data set."""
        for group, values in self._after.luminances.items():
            if group.count("/") == 1:
                split, kind = group.split("/")
                yield (split, kind), values

    def write(self, path: Path) -> None:
        """Writes the page whole or not at all; raises InputError if the file cannot be written."""
        write_whole(path, render(self._context(), "preparation"))

    def _context(self) -> dict[str, Any]:
        return {
            "title": self._title,
            "recipe": self._recipe,
            "n_images": self.n_images,
            "unreadable": self._unreadable,
            "n_flattened": self.n_flattened,
            "pools": {"before": self._before.histogram, "after": self._after.histogram},
            "forms": {"before": list(_forms(self._before)), "after": list(_forms(self._after))},
            "luminances": list(self._luminances()),
            "warnings": self.luminances.warnings,
            "axes": {"before": _axis(self._before.luminances), "after": _axis(self._after.luminances)},
            "steps": list(self._steps()),
            "curves": list(self._curves()),
            "traces": self._traces,
            "proposal": self._proposal,
            "proposed": self._proposal and Histogram(self._proposal.counts / self._proposal.frames.size),
        }

    def _luminances(self) -> Iterator[dict[str, Any]]:
        """Mean, lowest and highest luminance of each group, before and after."""
        for group, before in sorted(self._before.luminances.items()):
            yield {
                "group": group,
                "n": len(before),
                "before": _summary(before),
                "after": _summary(self._after.luminances[group]),
            }

    def _steps(self) -> Iterator[dict[str, Any]]:
        for part, step in zip(self._parts, self._pipeline.steps, strict=True):
            values = options.check(type(step), part.options, part.name)
            about = (type(step).__doc__ or "").strip().split("\n")[0]
            learnt = self._facts.get(part.name, {}).get("summary", "")
            chosen = {name: _value(value) for name, value in values.items()}
            yield {"name": part.name, "about": about, "options": chosen, "learnt": learnt}

    def _curves(self) -> Iterator[tuple[str, ToneCurve]]:
        """The measured curve of each step that keeps pixels in their place and changes their levels."""
        for index, part in enumerate(self._parts):
            found = [curve for trace in self._traces if (curve := trace.curves[index]) is not None]
            if found and len(found) == len(self._traces) and (merged := reduce(ToneCurve.merged, found)).changes:
                yield part.name, merged


def _summary(values: list[float]) -> dict[str, float] | None:
    """None for floats beyond [0, 1]."""
    known = [value for value in values if np.isfinite(value)]
    return {"mean": float(np.mean(known)), "low": min(known), "high": max(known)} if known else None


def _axis(luminances: dict[str, list[float]]) -> tuple[int, int]:
    """From ten to ten levels around all of them."""
    known = [value for values in luminances.values() for value in values if np.isfinite(value)] or [0.0, 255.0]
    return int(min(known) // 10) * 10, min(int(max(known) // 10) * 10 + 10, 255)


def _forms(pool: Pool) -> Iterator[dict[str, Any]]:
    """Images of each form, and their sizes from the smallest area to the largest."""
    for name, sizes in sorted(pool.forms.items()):
        by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
        n = sizes.total()
        yield {"name": name, "n": n, "n_sizes": len(sizes), "smallest": by_area[0], "largest": by_area[-1]}


def _value(value: object) -> str:
    return "none" if value is None else text(value)
