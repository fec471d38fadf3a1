"""What the good images of a fit looked like, and which they were: kept in the detector file, to know them again.

The limits are wide, and no threshold: they tell images of other parts, another camera or another light, not defects.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, ValidationError

from urushi.catalogue import options
from urushi.data.appearance import FULL_SCALES, Appearance, content_of
from urushi.data.images import ImageSource, name_of, read_image
from urushi.data.stream import stream
from urushi.errors import CalibrationError, DetectorFileError, UnreadableImageError
from urushi.inspection import Caution

_SIZE_FACTOR = 1.25  # how much larger or smaller than all good images is another size
_CONTRAST_FACTOR = 4
_LEAST_MARGIN = 0.1  # of brightness in full scales, where the good images are nearly alike
_DEPTH_FACTOR = 4  # two bits; light alone seldom changes the brightest pixel of a part by as much
_COLOUR, _NO_COLOUR = 0.04, 0.02  # what surely is an image in colour, and what may still be noise in a grey one

_LEARNT = "It is one of the images that the detector was fitted on: its score tells nothing about new parts."
_UNLIKE = "It looks like none of the images that the detector was fitted on"

_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Content = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Range = tuple[_Number, _Number]  # lowest, highest


@dataclass(frozen=True)
class Familiar:
    """The ranges over the distinct good images of a fit, light and colour in shares of full scale."""

    contents: tuple[_Content, ...] = field(repr=False)  # one per image, as `content_of` says
    height: Range  # px
    width: Range
    brightness: Range
    contrast: Range
    colour: Range
    highest: Mapping[str, Range] = field(default_factory=dict)  # of the images of each kind that there was

    @classmethod
    def of(cls, images: Sequence[Appearance]) -> "Familiar":
        """What at least one image shows."""
        names = ("height", "width", "brightness", "contrast", "colour")
        ranges = {name: _range(getattr(image, name) for image in images) for name in names}
        kinds = sorted({image.kind for image in images})
        highest = {kind: _range(image.highest for image in images if image.kind == kind) for kind in kinds}
        return cls(tuple(image.content for image in images), **ranges, highest=highest)

    def cautions(self, image: Appearance, *, is_far: bool) -> Iterator[Caution]:
        """Why a threshold from them may not hold for an image, whose map may be far from theirs in most places."""
        if doubt := self.doubt_of_depth(image):
            yield Caution("depth", doubt)
        if image.content in self._contents:
            yield Caution("learnt", _LEARNT)
        found = list(self.differences(image))
        if is_far:
            found.append("is farther from its reconstruction in most places than any of them is")
        if found:
            yield Caution("unlike", f"{_UNLIKE}: it {'; it '.join(found)}.")

    def require_apart(self, defects: Iterable[ImageSource]) -> None:
        """Raises CalibrationError if an image of a defect is one of them; what cannot be read is not."""
        found = zip((defects := list(defects)), stream(_content, defects), strict=True)
        if both := [name_of(source) for source, content in found if content in self._contents]:
            raise CalibrationError(
                f"images given as defects are good images of the fit as well, by their pixels: {len(both)}, the first: "
                f"{both[0]}; take them out of the one folder or the other"
            )

    def differences(self, image: Appearance) -> Iterator[str]:
        """In what an image is far from all of them, in words that follow 'it'."""
        sides = ((image.width, self.width), (image.height, self.height))
        if any(_is_far(side, known, _SIZE_FACTOR) for side, known in sides):
            they = f"{_span(self.width)} × {_span(self.height)}"
            yield f"has {image.width} × {image.height} px (width × height), they {they}"
        if side := _beyond(image.brightness, self.brightness):
            how = "darker" if side < 0 else "brighter"
            yield f"is much {how} (mean {image.brightness:.1%} of full scale, they {_shares(self.brightness)})"
        if _is_far(image.contrast, self.contrast, _CONTRAST_FACTOR):
            how = "less" if image.contrast < self.contrast[0] else "more"
            yield f"has much {how} contrast ({image.contrast:.1%} of full scale, they {_shares(self.contrast)})"
        if image.colour > _COLOUR and self.colour[1] < _NO_COLOUR:
            yield "is in colour, they are grey"
        if image.colour == 0 and self.colour[0] > _NO_COLOUR:
            yield "is grey, they are in colour"

    def doubt_of_depth(self, image: Appearance) -> str | None:
        """Why an image may be of another bit depth than they are, or None.

        Between images of 8 bits there is no such doubt: one is dark, or it is not.
        """
        if not self.highest or (image.kind == "uint8" and "uint8" in self.highest):
            return None
        low, high = _range(side for known in self._highest_beside(image.kind) for side in known)
        if low <= 0 or low / _DEPTH_FACTOR < image.highest < high * _DEPTH_FACTOR:
            return None
        return (
            f"Its highest level is {_level(image.kind, image.highest)}, {image.highest:.1%} of full scale, that of "
            f"good images {low:.1%} … {high:.1%}: is it of another bit depth? --bits (bits= in Python) says so."
        )

    def _highest_beside(self, kind: str) -> Iterable[Range]:
        return [self.highest[kind]] if kind in self.highest else self.highest.values()

    @property
    def note(self) -> str | None:
        """What makes the depth of the good images themselves doubtful, or None."""
        _, high = self.highest.get("uint16", (0.0, 1.0))
        if high > 1 / _DEPTH_FACTOR or not high:
            return None
        n_bits = round(high * FULL_SCALES["uint16"]).bit_length()
        return (
            f"the levels of the 16-bit images reach {_level('uint16', high)} only, which is nearly black: if they have "
            f"{n_bits} bits, say so with --bits {n_bits} (bits={n_bits} in Python)"
        )

    def to_json(self) -> dict[str, Any]:
        """The plain values under the names of the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> "Familiar":
        """The inverse of `to_json`; raises DetectorFileError if something is missing or wrong."""
        try:
            familiar: Familiar = options.adapter(cls).validate_python(data)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise DetectorFileError(f"what it knows of its good images is damaged: {reason}") from None
        return familiar

    @cached_property
    def _contents(self) -> frozenset[str]:
        return frozenset(self.contents)


def _content(source: ImageSource) -> str:
    try:
        return content_of(read_image(source))
    except UnreadableImageError:
        return ""


def _range(values: Iterable[float]) -> Range:
    found = [float(value) for value in values]
    return min(found), max(found)


def _is_far(value: float, known: Range, factor: float) -> bool:
    return not known[0] / factor <= value <= known[1] * factor


def _beyond(value: float, known: Range) -> int:
    """-1 or 1 where a value lies further below or above all known ones than these lie apart."""
    margin = max(_LEAST_MARGIN, known[1] - known[0])
    return int(value > known[1] + margin) - int(value < known[0] - margin)


def _level(kind: str, share: float) -> str:
    full = FULL_SCALES[kind]
    return f"{share:g}" if full == 1 else f"{share * full:.0f} of {full:.0f}"


def _span(known: Range) -> str:
    low, high = (f"{side:.0f}" for side in known)
    return low if low == high else f"{low}…{high}"


def _shares(known: Range) -> str:
    return f"{known[0]:.1%} … {known[1]:.1%}"
