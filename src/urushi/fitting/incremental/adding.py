"""More good images, each scored before it is learnt."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

import torch

from urushi.data.groups import digest_of, groups_of
from urushi.data.images import ImageSource
from urushi.data.learnt_images import LearntImages
from urushi.data.stream import batches, evenly, stream
from urushi.errors import DatasetError
from urushi.fitting._held_out import Scored, held_out, summands
from urushi.fitting._kept_pictures import Pictures
from urushi.fitting.incremental import sums
from urushi.fitting.incremental.present import Prepare, Present
from urushi.inspection import Unreadable
from urushi.inspection.regions import middle_of
from urushi.preprocessing import Prepared
from urushi.printable import counted
from urushi.runtime.backend import Row


@dataclass
class Given:
    """What became of the images that were given, by their places among them."""

    taken: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)  # that were learnt from or held out before
    copies: list[int] = field(default_factory=list)  # of others that were given
    unreadable: list[Unreadable] = field(default_factory=list)
    above: list[dict[str, Any]] = field(default_factory=list)  # the threshold, before they were learnt
    unlike: list[dict[str, Any]] = field(default_factory=list)  # all that was learnt before
    of_known_products: list[int] = field(default_factory=list)  # their scores say nothing of new products

    def facts(self) -> dict[str, Any]:
        """What the card says of a round."""
        found = {"n_images": len(self.taken), "known": self.known, "copies": self.copies}
        found |= {"of_known_products": self.of_known_products} if self.of_known_products else {}
        return {**found, "n_unreadable": len(self.unreadable), "above": self.above, "unlike": self.unlike}


@dataclass(frozen=True)
class Judgement:
    """How new images are looked at before they are learnt."""

    threshold: float
    far: float  # median of a map above which it is of something else


def add(
    present: Present, prepare: Prepare, sources: Sequence[ImageSource], judgement: Judgement, *, is_selected: bool
) -> tuple[Present, Given]:
    """Scores new images and then learns them; with `is_selected` their scores are not kept for the threshold.

    Where products are known, the scores of further images of a product that was learnt are not kept either. Raises
    DatasetError if no image is new, or the products of some images are known and those of others are not.
    """
    given, shown = Given(), set(evenly(range(len(sources)), present.backend.graph.model.n_pictures))
    one = _Round(present, judgement, _products(present, sources), shown, given)
    parts = list(one.parts(_new(stream(prepare, sources), present.known, given)))
    if not parts:
        raise DatasetError(_nothing_new(len(sources), given))
    images = reduce(LearntImages.plus, (part.images for part in parts), present.images)
    new_rows = [] if is_selected else [part.rows for part in parts if part.rows]
    rows = present.held_out.plus(held_out(new_rows, "cross")) if new_rows else present.held_out
    pictures = present.pictures.plus(Pictures.of([it for part in parts for it in part.shown], len(given.taken)))
    return present.learnt(images, replace(rows, method="cross"), pictures), given


class _Part(NamedTuple):
    """A batch of new images, scored and not learnt yet."""

    images: LearntImages
    rows: list[Scored]  # of those that say something of new products
    shown: list[tuple[str, torch.Tensor]]  # of those that may become pictures


@dataclass(frozen=True)
class _Round:
    """Scores new images batch by batch, as the detector is before it learns them, and notes what is odd."""

    present: Present
    judgement: Judgement
    groups: tuple[str, ...]  # the products of all images that were given, or none
    shown: Collection[int]  # places of which a picture may be kept
    given: Given

    def parts(self, new: Iterable[tuple[int, Prepared]]) -> Iterator[_Part]:
        for batch in batches(new, self.present.recipe.training.batch_size):
            places, items = zip(*batch, strict=True)
            yield self._part(places, items)

    def _part(self, places: Sequence[int], items: Sequence[Prepared]) -> _Part:
        backend = self.present.backend
        groups = [self.groups[place] for place in places] if self.groups else []
        images, inputs = sums.of_images(backend, items, groups)
        rows = list(backend.run_inputs(inputs).rows())
        for one in zip(places, items, rows, strict=True):
            self._note(*one)
        scored = self._scored(places, items, rows, summands(backend, torch.from_numpy(inputs)))
        named = zip(places, items, strict=True)
        shown = [(item.appearance.content, torch.from_numpy(item.pixels)) for at, item in named if at in self.shown]
        return _Part(images, scored, shown)

    def _scored(
        self, places: Sequence[int], items: Sequence[Prepared], rows: Sequence[Row], own: Sequence[float]
    ) -> list[Scored]:
        """Those that say something of new products."""
        found, ignored = list[Scored](), self.present.pipeline.ignored_places
        for place, item, row, summand in zip(places, items, rows, own, strict=True):
            one = Scored.of(row, item.appearance.content, summand, ignored=ignored)
            if not self.groups:
                found.append(one)
            elif self.groups[place] in self.present.images.groups:
                self.given.of_known_products.append(place)
            else:
                found.append(one._replace(group=(self.groups[place],)))
        return found

    def _note(self, place: int, item: Prepared, row: Row) -> None:
        """What a person should look at: above the threshold, or unlike all that was learnt."""
        if row.score > self.judgement.threshold:
            p = float(self.present.held_out.normals.p_values([row.score])[0])
            self.given.above.append({"image": place, "score": row.score, "p_value": p})
        median = middle_of(row.anomaly_map, self.present.pipeline.ignored_places)
        cautions = self.present.familiar.cautions(item.appearance, is_far=bool(median > self.judgement.far))
        if texts := [caution.text for caution in cautions if caution.kind != "learnt"]:
            self.given.unlike.append({"image": place, "text": " ".join(texts)})


def _new(
    found: Iterable[Prepared | Unreadable], known: Collection[str], given: Given
) -> Iterator[tuple[int, Prepared]]:
    """Those that are neither known nor copies, taking note of all."""
    first = set[str]()
    for place, item in enumerate(found):
        if isinstance(item, Unreadable):
            given.unreadable.append(item)
        elif item.appearance.content in known:
            given.known.append(place)
        elif item.appearance.content in first:
            given.copies.append(place)
        else:
            first.add(item.appearance.content)
            given.taken.append(place)
            yield place, item


def _products(present: Present, sources: Sequence[ImageSource]) -> tuple[str, ...]:
    """What stands for the product of each image, or none; raises DatasetError where the detector knows others."""
    groups = tuple(map(digest_of, groups_of(sources, present.recipe.groups)))
    if bool(groups) != bool(present.held_out.groups):
        known, new = ("", "not ") if present.held_out.groups else ("not ", "")
        raise DatasetError(
            f"it is {known}known which product each image of this detector shows, and {new}of the new images; fit it "
            "anew with all of them"
        )
    return groups


def _nothing_new(n: int, given: Given) -> str:
    unreadable = f", {len(given.unreadable)} could not be read" if given.unreadable else ""
    first = f"; the first: {given.unreadable[0].source}: {given.unreadable[0].reason}" if given.unreadable else ""
    return (
        f"none of {counted(n, 'image')} is new: {len(given.known)} are known to this detector by their "
        f"pixels{unreadable}{first}"
    )
