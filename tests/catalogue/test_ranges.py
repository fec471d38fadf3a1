from typing import Annotated, Literal

from pydantic import Field

from urushi.catalogue.ranges import Range, ranges


class Thing:
    def __init__(
        self,
        *,
        kind: Literal["a", "b"] = "a",
        is_on: bool = True,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.5,
        n: Annotated[int, Field(ge=2)] = 4,
        n_most: Annotated[int, Field(ge=1, le=3)] = 2,
        rate: Annotated[float, Field(ge=1e-6, le=1e-1)] = 1e-3,
        free: float = 0.0,
        name: str = "x",
        several: list[int] = [1],  # noqa: B006
        maybe: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        pass


def test_each_option_with_several_values_has_a_range_within_its_bounds() -> None:
    found = ranges(Thing, {})
    assert found["kind"] == ("a", "b")
    assert found["is_on"] == (False, True)
    assert found["n"] == Range(2, 16, is_whole=True)  # a quarter of 4 would be below the bound
    assert found["n_most"] == Range(1, 3, is_whole=True)
    share = found["share"]
    assert isinstance(share, Range)
    assert 0 < share.low < 0.01
    assert 0.99 < share.high < 1
    assert set(found) == {"kind", "is_on", "share", "n", "n_most", "rate"}


def test_a_range_lies_round_what_is_given_and_wide_ones_go_by_ratios() -> None:
    assert ranges(Thing, {"n": 40})["n"] == Range(10, 160, is_whole=True)
    rate, share = (ranges(Thing, {})[name] for name in ("rate", "n_most"))
    assert isinstance(rate, Range)
    assert rate.is_by_ratio
    assert isinstance(share, Range)
    assert not share.is_by_ratio
