"""What the files of Yelisieiev and Boracchi name is measured by programs: a wrong name would be "not run" for ever."""

from collections.abc import Iterator
from typing import get_args

import pytest
from studies import adversarial_scores, few_labels, generator_gradients, inpainting, inpainting_losses, samples
from studies.claims import SOURCES, Source

from urushi.losses.adversarial import Contest
from urushi.study.plan import Place


def places(name: str) -> Iterator[Place]:
    """Of all claims and tables of ours."""
    source = Source.of(SOURCES / f"{name}.toml")
    for claim in source.claims:
        yield from (place for pair in claim.pairs() for place in pair)
    for table in source.tables:
        lines = (line.place for line in table.lines if line.place is not None)
        yield from (line.joined(column.place) for line in lines for column in table.columns)


def figures(name: str) -> set[str]:
    return {figure for records in Source.of(SOURCES / f"{name}.toml").records for figure in records.figures}


@pytest.mark.parametrize("name", ["boracchi", "yelisieiev"])
def test_every_figure_is_one_of_a_record(name):
    assert {place.figure or "roc_auc" for place in places(name)} <= figures(name)


def test_every_place_of_yelisieiev_is_measured():
    for place in places("yelisieiev"):
        if place.value is None:
            assert (place.data in ("brick", "knit"), place.method in inpainting_losses.VARIANTS) == (True, True), place
        else:
            assert place.value in (16, 32)
            assert place.method in (*inpainting.SIMPLE, *inpainting.VARIANTS)


def is_measured(place: Place) -> bool:
    """Whether one of the programs of Boracchi's methods has rows of the place."""
    if place.score is not None:
        opinions = adversarial_scores.OPINIONS[str(place.method)]
        is_known = place.score in opinions and place.value in adversarial_scores.ALPHAS
        return is_known and (place.value != 0 or place.score == opinions[0])
    if place.method in few_labels.WAYS:
        return place.value in {n for numbers in few_labels.N_LABELS.values() for n in numbers}
    if place.method == "generator":
        return place.data in generator_gradients.IMAGES and place.value in generator_gradients.STEPS
    return place.method == "sparse dictionary" or (place.method in get_args(Contest) and place.data in samples.IMAGES)


def test_every_place_of_boracchi_is_measured():
    assert [place for place in places("boracchi") if not is_measured(place)] == []
