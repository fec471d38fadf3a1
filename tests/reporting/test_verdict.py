import pytest

from urushi.reporting.verdict import verdict

NONE = {"found": 0, "missed": 0, "false alarm": 0, "passed": 0}


@pytest.mark.parametrize(
    ("counts", "n_unreadable", "said"),
    [
        ((135, 95, 0), 0, "95 of 135 images are anomalous."),
        ((2, 1, 0), 1, "1 of 2 images is anomalous; 1 could not be read."),
        ((1, 1, 0), 0, "The one image is anomalous."),
        ((1, 0, 0), 0, "The one image is normal."),
        ((1200, 0, 0), 2, "None of 1,200 images is anomalous; 2 could not be read."),
        ((10, 0, 3), 0, "None of 10 images is anomalous, 3 are unsure."),
        ((10, 4, 1), 0, "4 of 10 images are anomalous, 1 is unsure."),
        ((1, 0, 1), 0, "The one image is unsure."),
        ((0, 0, 0), 0, "No image was inspected."),
        ((0, 0, 0), 1, "The one image could not be read, so nothing was decided."),
        ((0, 0, 0), 7, "None of the 7 images could be read, so nothing was decided."),
    ],
)
def test_the_first_sentence_of_an_inspection(counts: tuple[int, int, int], n_unreadable: int, said: str) -> None:
    inspected, anomalous, unsure = counts
    assert verdict({"inspected": inspected, "anomalous": anomalous, "unsure": unsure}, NONE, n_unreadable) == said


@pytest.mark.parametrize(
    ("outcomes", "n_unreadable", "said"),
    [
        ((74, 16, 5, 45), 0, "74 of 90 defective images were found; 5 of 50 good images were called anomalous."),
        ((1, 0, 0, 1), 0, "The one defective image was found; the one good image was passed."),
        ((0, 1, 1, 0), 0, "The one defective image was missed; the one good image was called anomalous."),
        ((3, 0, 0, 4), 2, "All 3 defective images were found; none of 4 good images was called anomalous; "
         "2 could not be read."),
        ((0, 3, 1, 4), 0, "None of 3 defective images was found; 1 of 5 good images was called anomalous."),
        ((1, 2, 0, 0), 0, "1 of 3 defective images was found."),
        ((0, 0, 2, 0), 0, "All 2 good images were called anomalous."),
    ],
)  # fmt: skip
def test_the_first_sentence_of_an_evaluation(outcomes: tuple[int, ...], n_unreadable: int, said: str) -> None:
    counts = {"inspected": sum(outcomes), "anomalous": outcomes[0] + outcomes[2], "unsure": 0}
    assert verdict(counts, dict(zip(NONE, outcomes, strict=True)), n_unreadable) == said
