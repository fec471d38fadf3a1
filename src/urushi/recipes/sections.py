"""The sections of a recipe, each of which checks its own values."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Part(BaseModel):
    """A named part (a step, model, score or rule) and its options, which the part itself checks."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        """All that was given beside the name."""
        return dict(self.model_extra or {})


class Section(BaseModel):
    """No other keys than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _StrictSection(Section):
    model_config = ConfigDict(strict=True)  # true is no number of epochs


class Augmentation(Section):
    """How training images are varied; nothing is varied where no transform is named."""

    transforms: tuple[Part, ...] = ()
    border: Annotated[
        Literal["reflect", "edge", "constant"], Field(description="what is seen beyond the edge of an image")
    ] = "reflect"
    fill_level: Annotated[float, Field(ge=0, le=255, description="grey level of a constant border, 0…255")] = 0.0
    interpolation: Annotated[Literal["bilinear", "bicubic"], Field(description="between pixels")] = "bilinear"
    n_copies: Annotated[
        int,
        Field(ge=0, description="variants per image, drawn once; 0: drawn anew in each epoch, for trained methods"),
    ] = 0


class Training(_StrictSection):
    """How gradient steps are run; methods in closed form use only `batch_size`, `accelerator` and `devices`."""

    max_epochs: Annotated[int, Field(ge=1, description="at most so many passes over the training images")] = 100
    max_steps: Annotated[
        int,
        Field(ge=0, description="at most so many batches, in whole epochs and at least one; 0: as many as it takes"),
    ] = 0
    batch_size: Annotated[int, Field(ge=1, description="images per step")] = 32
    find_learning_rate: Annotated[bool, Field(description="run a range test first (S2 §6.2.1)")] = False
    patience_epochs: Annotated[int, Field(ge=1, description="stop after so many epochs without improvement")] = 50
    checkpoint_epochs: Annotated[int, Field(ge=1, description="keep a checkpoint every so many epochs")] = 200
    picture_epochs: Annotated[
        int, Field(ge=0, description="keep reconstructions after the first epoch and every so many; 0: none")
    ] = 20
    keep_memory: Annotated[
        bool, Field(description="keep freed memory while training: faster on Linux, up to twice")
    ] = False
    accelerator: Annotated[str, Field(description="auto, cpu, cuda, mps")] = "auto"
    devices: Annotated[int, Field(ge=1, description="devices per machine")] = 1
    nodes: Annotated[int, Field(ge=1, description="machines")] = 1
    strategy: Annotated[str, Field(description="Lightning's strategy: auto, ddp, …")] = "auto"
    precision: Annotated[Literal["32-true", "16-mixed", "bf16-mixed"], Field(description="of the arithmetic")] = (
        "32-true"
    )


class Split(_StrictSection):
    """Which normal images are kept away from training, and what for."""

    validation_fraction: Annotated[
        float, Field(gt=0, lt=1, description="watched by early stopping; unused in closed form")
    ] = 0.1
    calibration_fraction: Annotated[float, Field(gt=0, lt=1, description="held out for the threshold")] = 0.2
    n_folds: Annotated[
        int,
        Field(
            ge=0,
            description="0: one split; k ≥ 2: cross-conformal, every image is scored by a fit without it",
        ),
    ] = 0

    leave_out_suspicious: Annotated[
        bool, Field(description="fit again without training images whose cross-fitted score is far above the others'")
    ] = False

    @model_validator(mode="after")
    def _has_folds(self) -> "Split":
        if self.leave_out_suspicious and not self.n_folds:
            raise ValueError("leave_out_suspicious needs a score of every image: set split.n_folds=5, too")
        return self

    @field_validator("n_folds")
    @classmethod
    def _not_one(cls, n_folds: int) -> int:
        if n_folds == 1:
            raise ValueError("one fold would leave nothing to fit on; give 0 for one split, or 2 or more folds")
        return n_folds


class Tiling(_StrictSection):
    """How an image that is larger than the network's input is inspected at its full resolution."""

    tile_px: Annotated[
        int,
        Field(ge=0, le=4096, description="side of a square tile; 0: images are inspected whole"),
    ] = 0
    overlap: Annotated[float, Field(ge=0, le=0.9, description="share of a tile that neighbours share at least")] = 0.25
    n_training_tiles: Annotated[
        int, Field(ge=1, description="tiles to learn from, at most so many of each training image")
    ] = 16

    one_pass: Annotated[
        bool,
        Field(description="learn from tiles, inspect images whole; for fully convolutional methods"),
    ] = False

    @model_validator(mode="after")
    def _has_tiles(self) -> "Tiling":
        if self.one_pass and not self.tile_px:
            raise ValueError("one_pass learns from tiles: set tiling.tile_px, too")
        return self

    @field_validator("tile_px")
    @classmethod
    def _not_tiny(cls, tile_px: int) -> int:
        if 0 < tile_px < 32:
            raise ValueError("a tile has at least 32 px a side; 0 inspects images as a whole")
        return tile_px


Share = Annotated[float, Field(ge=0, le=1)]  # of an image's width or height, from its upper left corner
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3)]


class Region(Section):
    """What of every image counts: the rest is painted over before anything looks at it, and no score knows it."""

    mask: Annotated[str | None, Field(description="path of a mask with the images' ratio of the sides")] = None
    marks: Annotated[
        Literal["ignored", "inspected"], Field(description="whether what the mask marks is ignored, or all that counts")
    ] = "ignored"
    ignore: Annotated[
        tuple[Polygon, ...], Field(description="polygons [[x, y], …] in shares of width and height; they are ignored")
    ] = ()
    inspect: Annotated[tuple[Polygon, ...], Field(description="polygons that alone count, less those of `ignore`")] = ()

    @model_validator(mode="after")
    def _has_one_source(self) -> "Region":
        has_polygons = bool(self.ignore or self.inspect)
        if self.mask is not None and has_polygons:
            raise ValueError("a mask and polygons were given; give either, so that it is clear which one counts")
        if self.mask is None and not has_polygons:
            raise ValueError("nothing says what is ignored: give `mask`, or polygons as `ignore` or `inspect`")
        return self


class Groups(Section):
    """Which good images show one product: no product is divided between learning, holding out and testing."""

    pattern: Annotated[
        str | None,
        Field(
            max_length=300,
            description="regular expression; what it has in parentheses is the product. It is searched for in the "
            "name of a file, or in the whole path where it has a slash",
        ),
    ] = None
    folder: Annotated[bool, Field(strict=True, description="each folder holds the images of one product")] = False
    csv: Annotated[str | None, Field(description="path of a table with a row for each image")] = None
    column: Annotated[str | None, Field(description="the column of the table that names the product")] = None
    image_column: Annotated[str, Field(description="the one that names the file, or ends as its path does")] = "image"

    @field_validator("pattern")
    @classmethod
    def _marks_a_product(cls, pattern: str | None) -> str | None:
        try:
            n_groups = 1 if pattern is None else re.compile(pattern).groups
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"it is no regular expression: {error}") from None
        if not n_groups:
            raise ValueError(r"parentheses must say which part of it names the product, as in 'item-(\d+)'")
        return pattern

    @model_validator(mode="after")
    def _has_one_way(self) -> "Groups":
        if (self.pattern is not None) + self.folder + (self.csv is not None) != 1:
            raise ValueError("say in one way which images show one product: pattern, folder = true, or csv and column")
        if (self.csv is None) != (self.column is None):
            raise ValueError("csv and column go together: a table, and its column that names the product")
        return self


class Candidate(Section):
    """A recipe that differs from the one it stands in by some settings, such as {"model.kind" = "nearest"}."""

    name: str
    settings: dict[str, Any] = {}


class Trial(Section):
    """Which of several candidates is fitted is told from good images with planted defects."""

    max_seconds: Annotated[float, Field(ge=0, description="after which no further candidate is begun")] = 120.0
    candidates: Annotated[
        tuple[Candidate, ...], Field(description="the first is taken where none is clearly better; none: no trial")
    ] = ()

    @field_validator("candidates")
    @classmethod
    def _are_some(cls, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        names = {candidate.name for candidate in candidates}
        if len(names) != len(candidates) or len(names) == 1:
            raise ValueError("give two candidates or more, each with a name of its own")
        return candidates
