"""Learning goes on from sums over the images learnt so far: with more images, or without some of them.

Nothing here sees an image again that was learnt from, unless it is to be unlearnt.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
import torch

from urushi.calibration import HeldOut
from urushi.data.familiar import Familiar
from urushi.data.groups import digest_of, groups_of
from urushi.data.images import ImageSource, name_of
from urushi.data.learnt_images import LearntImages
from urushi.data.stream import batches, evenly, stream
from urushi.errors import DatasetError, DetectorFileError
from urushi.fitting._held_out import Scored, held_out, summands
from urushi.fitting._kept_pictures import Pictures
from urushi.fitting._split import divided
from urushi.fitting.closed_form import one_thread
from urushi.fitting.learning import Learner, Learnt
from urushi.inspection import Unreadable
from urushi.inspection.regions import middle_of
from urushi.preprocessing import Pipeline, Prepared
from urushi.printable import counted
from urushi.recipe import Recipe
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph

Prepare = Callable[[ImageSource], Prepared | Unreadable]
_MOST_NAMED = 5
_N_FOLDS = 50  # where the recipe has none


@dataclass(frozen=True)
class Present:
    """What a fitted detector has learnt; `backend` is its own, for it learns on in place."""

    recipe: Recipe
    pipeline: Pipeline  # stays as it was first fitted
    bits: int | None  # a channel, of images that do not say so themselves
    backend: TorchBackend
    images: LearntImages
    held_out: HeldOut
    seed: int  # of folds

    @property
    def known(self) -> frozenset[str]:
        """By their pixels, the images that were learnt from or held out."""
        return frozenset((*self.images.contents, *self.held_out.contents))

    @property
    def pictures(self) -> Pictures:
        """Those that the method shows."""
        names = self.images.pictures
        pixels = self.backend.graph.model.kept[: len(names)] if names else ()
        return Pictures.of(list(zip(names, pixels, strict=True)), len(self.images.contents))

    def learnt(self, images: LearntImages, held_out: HeldOut, pictures: Pictures) -> "Present":
        """The same, having learnt from these; raises DatasetError if they are too few, DetectorFileError."""
        if len(images.contents) < 2:
            raise DatasetError(
                f"{counted(len(images.contents), 'image')} would be left to learn from; at least 2 that differ "
                "are needed"
            )
        _none_like(self.backend).require_alike(images)
        held_out = held_out.with_summands(self.summands(images))
        _learn(self.backend, images)
        names = pictures.keep(self.backend)
        return replace(self, images=replace(images, pictures=names), held_out=held_out)

    def summands(self, images: LearntImages) -> dict[str, float]:
        """By descriptors alone, which are kept, images are scored anew: each by those of the others, fold by fold."""
        graph, found = self.backend.graph, dict[str, float]()
        if not images.descriptors.shape[1]:
            return found
        descriptors = torch.from_numpy(images.descriptors).to(self.backend.device)
        how = (self.recipe.split.n_folds or _N_FOLDS, self.seed, images.groups)
        for part in divided(len(images.contents), *how):
            others = np.setdiff1d(np.arange(len(descriptors)), part)
            with one_thread(), torch.no_grad():
                graph.model.learn_descriptors(descriptors[others])
                values = graph.summand(descriptors[part]).double().tolist()
            found |= dict(zip((images.contents[image] for image in part), values, strict=True))
        return found


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


def obstacle(recipe: Recipe, graph: ScoringGraph) -> str | None:
    """Why learning cannot go on without all images, or None."""
    if not graph.model.is_additive:
        return (
            f"what {recipe.model.name} learns, as this recipe has it, is no sum over images. It goes on with "
            "feature_pyramid, which is the default, with feature_reconstruction and model.kind=pca, padim, dfm, and "
            "with pixel_pca of small images"
        )
    if graph.score.learns:
        return f"its score {recipe.score.name} learns from all images together"
    if recipe.tiling.tile_px:
        return "it learns from tiles, which are drawn by chance"
    if recipe.augmentation.transforms:
        return "its recipe varies the images by chance"
    return None


def refusal(recipe: Recipe, graph: ScoringGraph) -> str:
    """Why a detector without sums does not learn on."""
    found = obstacle(recipe, graph)
    if found:
        return f"learning cannot go on: {found}. Fit anew on all images"
    return (
        "learning cannot go on: the file has no sums over the images that it learnt from; an older Urushi made it, or "
        "it was made final. Fit anew on all images"
    )


def learnt_images(learner: Learner, learnt: Learnt, graph: ScoringGraph) -> LearntImages | None:
    """What a fit leaves for learning to go on from; None where it cannot."""
    if learnt.sums is None or obstacle(learner.recipe, graph):
        return None
    appearances = learner.images.gathered.appearances
    contents, pictured = (
        tuple(appearances[image].content for image in images) for images in (learnt.images, learner.pictured(learnt))
    )
    groups = tuple(map(digest_of, learner.images.groups_of(learnt.images)))
    found = _as_learnt(appearances, contents, learnt.sums.statistics, learnt.sums.descriptors, groups)
    return replace(found, pictures=pictured)


def add(
    present: Present, prepare: Prepare, sources: Sequence[ImageSource], judgement: Judgement, *, is_selected: bool
) -> tuple[Present, Given]:
    """Scores new images and then learns them; with `is_selected` their scores are not kept for the threshold.

    Where products are known, the scores of further images of a product that was learnt are not kept either. Raises
    DatasetError if no image is new, or the products of some images are known and those of others are not.
    """
    given, groups = Given(), _products(present, sources)
    new = _new(stream(prepare, sources), present.known, given)
    parts = list(_scored(present, new, judgement, given, _shown(present, len(sources)), groups))
    if not parts:
        raise DatasetError(_nothing_new(len(sources), given))
    images = reduce(LearntImages.plus, (part.images for part in parts), present.images)
    new_rows = [] if is_selected else [part.rows for part in parts if part.rows]
    rows = present.held_out.plus(held_out(new_rows, "cross")) if new_rows else present.held_out
    pictures = present.pictures.plus(Pictures.of([shown for part in parts for shown in part.shown], len(given.taken)))
    return present.learnt(images, replace(rows, method="cross"), pictures), given


def remove(present: Present, prepare: Prepare, sources: Sequence[ImageSource]) -> tuple[Present, int]:
    """Unlearns images, and gives their number; raises DatasetError if one cannot be read or was never learnt."""
    gone, is_learnt = _to_be_unlearnt(present, prepare, sources), set(present.images.contents)
    learnt = (item for item in gone.values() if item.appearance.content in is_learnt)
    parts = (_part(present.backend, batch)[0] for batch in batches(learnt, present.recipe.training.batch_size))
    appearances = tuple(item.appearance for item in gone.values())
    unlearnt = reduce(LearntImages.plus, parts, _none_like(present.backend))
    images = present.images.less(replace(unlearnt, appearances=appearances))
    rows = present.held_out.without(gone)
    if not rows.scores:
        raise DatasetError("no held-out image would be left, and the threshold comes from these; remove fewer images")
    pictures = present.pictures.without(gone)
    rows = replace(rows, method="cross") if unlearnt.contents else rows
    return present.learnt(images, rows, pictures), len(gone)


@dataclass(frozen=True)
class _Part:
    """A batch of new images, scored and not learnt yet."""

    images: LearntImages
    rows: list[Scored]  # of those that say something of new products
    shown: list[tuple[str, torch.Tensor]]  # of those that may become pictures


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


def _scored(
    present: Present,
    new: Iterator[tuple[int, Prepared]],
    judgement: Judgement,
    given: Given,
    shown: Collection[int],
    groups: Sequence[str],
) -> Iterator[_Part]:
    """Batch by batch, as the detector is; `groups` are the products of all images that were given, or none."""
    normals, familiar = present.held_out.normals, Familiar.of(present.images.appearances)
    learnt = set(present.images.groups)
    ignored = present.pipeline.ignored_places
    for batch in batches(new, present.recipe.training.batch_size):
        places, items = zip(*batch, strict=True)
        own_groups = [groups[place] for place in places] if groups else []
        images, inputs = _part(present.backend, items, own_groups)
        rows = []
        outputs, own = present.backend.run_inputs(inputs), summands(present.backend, torch.from_numpy(inputs))
        for place, item, row, summand in zip(places, items, outputs.rows(), own, strict=True):
            found = Scored.of(row, item.appearance.content, summand, ignored=ignored)
            if groups and groups[place] in learnt:
                given.of_known_products.append(place)
            else:
                rows.append(found._replace(group=(groups[place],)) if groups else found)
            if row.score > judgement.threshold:
                p = float(normals.p_values([row.score])[0])
                given.above.append({"image": place, "score": row.score, "p_value": p})
            is_far = bool(middle_of(row.anomaly_map, ignored) > judgement.far)
            texts = [c.text for c in familiar.cautions(item.appearance, is_far=is_far) if c.kind != "learnt"]
            given.unlike += [{"image": place, "text": " ".join(texts)}] if texts else []
        kept = [(i.appearance.content, torch.from_numpy(i.pixels)) for p, i in batch if p in shown]
        yield _Part(images, rows, kept)


def _shown(present: Present, n: int) -> set[int]:
    """Places, evenly spread, of which a picture may be kept."""
    return set(evenly(range(n), present.backend.graph.model.n_pictures))


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


def _part(
    backend: TorchBackend, items: Sequence[Prepared], groups: Sequence[str] = ()
) -> tuple[LearntImages, np.ndarray]:
    """What there is to learn from some images, and their inputs."""
    inputs = backend.embed(np.stack([item.pixels for item in items]))
    appearances = [item.appearance for item in items]
    return _of_inputs(backend, inputs, appearances, groups), inputs


def _of_inputs(
    backend: TorchBackend, inputs: np.ndarray, appearances: Sequence[Any], groups: Sequence[str] = ()
) -> LearntImages:
    batch, model = torch.from_numpy(inputs).to(backend.device), backend.graph.model
    with torch.no_grad():
        statistics, descriptors = model.statistics(batch), model.descriptors(batch)
    return _as_learnt(appearances, [one.content for one in appearances], statistics, descriptors, groups)


def _none_like(backend: TorchBackend) -> LearntImages:
    """No image, in the sizes of a method."""
    pixels = np.zeros((1, *backend.graph.model.image_shape), np.float32)
    one = _of_inputs(backend, backend.embed(pixels), ())
    return replace(one, sums=tuple(np.zeros_like(a) for a in one.sums), descriptors=one.descriptors[:0])


def _as_learnt(
    appearances: Iterable[Any],
    contents: Iterable[str],
    statistics: Iterable[torch.Tensor],
    descriptors: torch.Tensor,
    groups: Iterable[str],
) -> LearntImages:
    sums = tuple(tensor.cpu().numpy() for tensor in statistics)
    own = tuple(contents), sums, descriptors.cpu().numpy()
    return LearntImages(tuple(appearances), *own, groups=tuple(groups))


def _learn(backend: TorchBackend, images: LearntImages) -> None:
    """Raises DetectorFileError where the sums, as no images give them, cannot be learnt from."""
    sums = tuple(torch.from_numpy(one).to(backend.device) for one in images.sums)
    try:
        with one_thread(), torch.no_grad():
            backend.graph.model.learn(sums, torch.from_numpy(images.descriptors).to(backend.device))
        is_learnt = all(bool(torch.isfinite(one).all()) for one in backend.graph.state_dict().values())
    except RuntimeError:  # of linear algebra
        is_learnt = False
    if not is_learnt:
        raise DetectorFileError("the sums in its file are none of images: it was changed; fit it anew")


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


def _nothing_new(n: int, given: Given) -> str:
    unreadable = f", {len(given.unreadable)} could not be read" if given.unreadable else ""
    first = f"; the first: {given.unreadable[0].source}: {given.unreadable[0].reason}" if given.unreadable else ""
    return (
        f"none of {counted(n, 'image')} is new: {len(given.known)} are known to this detector by their "
        f"pixels{unreadable}{first}"
    )
