"""What is said of a whole run: which kinds of caution there were, the first of each, and whether most are unlike."""

import numpy as np
import pytest

from urushi.inspection import Caution, Cautions, Inspection, MapScale, Unreadable

UNLIKE, LEARNT, TILES = (
    Caution("unlike", "It is odd."),
    Caution("learnt", "It is known."),
    Caution("tiles", "It is large."),
)


def inspection(name: str, *cautions: Caution) -> Inspection:
    empty = np.zeros((1, 1), np.float32)
    numbers = (1.0, 2.0, "normal", 0.5, (), (1, 1), np.eye(3), empty[..., None], empty, MapScale(0, 2, 1), None)
    return Inspection(name, *numbers, cautions=cautions)  # type: ignore[arg-type]


def cautions(*found: Inspection | Unreadable) -> Cautions:
    run = Cautions()
    for one in found:
        run.add(one)
    return run


def test_an_image_says_all_its_cautions_in_words_and_kinds() -> None:
    plain = inspection("a", LEARNT, UNLIKE).to_json()
    assert (plain["caution"], plain["caution_kinds"]) == ("It is known. It is odd.", ["learnt", "unlike"])
    assert (inspection("a").caution, inspection("a").to_json()["caution_kinds"]) == (None, [])


def test_nothing_is_said_of_a_run_without_cautions() -> None:
    assert cautions(inspection("a"), Unreadable("b", "broken")).lines() == []


def test_each_kind_is_one_line_with_its_number_and_its_first_image() -> None:
    run = cautions(inspection("a"), inspection("b", UNLIKE), inspection("c", LEARNT, UNLIKE), inspection("d", TILES))
    assert run.lines() == [
        "1 of 4 images are ones that the detector was fitted on. The first: c. It is known.",
        "2 of 4 images look like none that the detector was fitted on. The first: b. It is odd.",
        "the threshold may not hold for 1 of 4 images. The first: d. It is large.",
    ]


@pytest.mark.parametrize(("n_unlike", "n_other", "is_asked"), [(3, 2, True), (2, 2, False), (1, 0, True)])
def test_the_detector_is_called_into_question_where_most_images_are_unlike(
    n_unlike: int, n_other: int, is_asked: bool
) -> None:
    run = cautions(*[inspection("a", UNLIKE)] * n_unlike, *[inspection("b")] * n_other)
    assert ("Is it the detector for these parts" in run.lines()[0]) is is_asked


def test_a_run_without_end_is_called_into_question_once_and_early() -> None:
    run, alarms = Cautions(), []
    for _ in range(8):
        run.add(inspection("a", UNLIKE))
        alarms.append(run.alarm())
    assert [alarm is not None for alarm in alarms] == [False] * 4 + [True] + [False] * 3
    assert cautions(*[inspection("a", UNLIKE)] * 5, *[inspection("b")] * 5).alarm() is None
