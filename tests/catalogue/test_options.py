from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from urushi import catalogue
from urushi.calibration import ThresholdRule
from urushi.catalogue import options
from urushi.catalogue.options import Option
from urushi.errors import RecipeError
from urushi.models.base import Reconstructor
from urushi.preprocessing.base import Step
from urushi.scoring.base import Score

ROOMS = {
    "urushi.models": Reconstructor,
    "urushi.scoring": Score,
    "urushi.calibration": ThresholdRule,
    "urushi.preprocessing": Step,
}
SHIPPED = [catalogue.load(room, name, base) for room, base in ROOMS.items() for name in catalogue.names(room)]


class Kiln:
    def __init__(
        self,
        place: str,
        *,
        degrees: Annotated[float, Field(gt=0, le=1400, description="of the firing, in °C")],
        fuel: Annotated[Literal["wood", "gas"], Field(description="what burns")] = "wood",
        shelves: Annotated[Sequence[int], Field(description="heights, in cm")] = (20, 40),
        limit: int | None = None,
    ) -> None:
        self.place, self.degrees, self.fuel, self.shelves, self.limit = place, degrees, fuel, shelves, limit


@dataclass(frozen=True, kw_only=True)
class Glaze:
    colour: Annotated[str, Field(description="its name")] = "celadon"
    coats: Annotated[int, Field(ge=1)] = 2


def test_options_are_described_in_the_order_of_the_signature():
    degrees, fuel, shelves, limit = options.describe(Kiln)
    assert degrees == Option("degrees", "float", degrees.default, is_required=True, description="of the firing, in °C")
    assert fuel == Option("fuel", "wood, gas", "wood", is_required=False, description="what burns")
    assert (shelves.name, shelves.default) == ("shelves", (20, 40))
    assert (limit.type, limit.default, limit.is_required) == ("int or none", None, False)


def test_the_fields_of_a_dataclass_are_options_too():
    assert [(o.name, o.default, o.description) for o in options.describe(Glaze)] == [
        ("colour", "celadon", "its name"),
        ("coats", 2, ""),
    ]


def test_checked_options_are_complete():
    assert options.check(Kiln, {"degrees": 1280}, "kiln") == {
        "degrees": 1280,
        "fuel": "wood",
        "shelves": (20, 40),
        "limit": None,
    }


def test_building_passes_the_context_first():
    kiln = options.build(Kiln, {"degrees": 900, "limit": 3}, "kiln", "Karatsu")
    assert (kiln.place, kiln.degrees, kiln.limit) == ("Karatsu", 900, 3)
    assert options.build(Glaze, {"coats": 1}, "glaze") == Glaze(coats=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"degrees": 1280, "fule": "gas"}, r"kiln\.fule is unknown; did you mean 'fuel'\? There is: degrees, fuel"),
        ({"degrees": 1280, "zzz": 1}, r"kiln\.zzz is unknown; There is: degrees"),
        ({"degrees": 2000}, r"kiln\.degrees = 2000: .*less than or equal to 1400"),
        ({"degrees": float("nan")}, r"kiln\.degrees = nan"),
        ({"degrees": "hot"}, r"kiln\.degrees = 'hot': .*valid number"),
        ({}, r"kiln\.degrees.*required"),
        ({"degrees": 900, "fuel": "coal"}, r"kiln\.fuel = 'coal': .*'wood' or 'gas'"),
        ({"degrees": 900, "shelves": [1, "x"]}, r"kiln\.shelves\.1 = 'x'"),
        ({"degrees": 900, "shelves": "12"}, r"kiln\.shelves = '12'"),
        ({"degrees": 900, "place": "Bizen"}, r"kiln\.place is unknown"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(given, message):
    with pytest.raises(RecipeError, match=message):
        options.check(Kiln, given, "kiln")


def test_all_wrong_options_are_named_at_once():
    with pytest.raises(RecipeError) as caught:
        options.check(Kiln, {"degrees": 0, "fuel": "coal", "colour": 1}, "kiln")
    assert len(str(caught.value).splitlines()) == 3


def test_every_option_that_is_shipped_has_a_type_and_says_what_it_is():
    for cls in SHIPPED:
        for option in options.describe(cls):
            assert option.type, (cls, option.name)
            assert option.description, (cls, option.name)


def test_the_defaults_that_are_shipped_pass_their_own_checks():
    required = {"height": 8, "width": 8, "knots": [[30.0, 0.0], [140.0, 255.0]], "exponent": 0.6, "bright": "flat.png"}
    for cls in SHIPPED:
        described = options.describe(cls)
        chosen = {o.name: required[o.name] if o.is_required else o.default for o in described}
        assert options.check(cls, chosen, "here") == chosen, cls
