import pytest

from urushi.data.names import Meaning, Names, is_surely_of_masks, meaning


def words(text: str) -> list[str]:
    return text.split()


GOOD = words("""
    good Good GOOD ok OK Ok normal Normal io IO i.O. iO i_o pass passed gut fine no_defect no-defects NoDefect
    defect-free defect.free free_of_defects without_defect non-defective not_bad GOOD_parts GoodParts good1
    undamaged unbeschädigt fehlerlos mängelfrei approved conforme bon ok_front good_left
    OK_2024-01-02 ＧＯＯＤ ＯＫ 良品 正常
""")
DEFECT = words("""
    ng NG nok NOK n.ok nio NIO n.i.O. niO not_ok NotOK not-i.O. no_good not_good bad BAD bad-parts defect Defects
    defective abnormal Abnormal anomaly anomalous Anomalies fail FAILED failed reject rejected
    def_front damaged beschädigt unacceptable mangelhaft disapproved non_conforme nicht-konform NOK_2 ＮＧ 不良品
""")
MASK = words("""
    mask Masks ground_truth GroundTruth Ground-Truth GT gt label labels Annotations segmentation defect_masks
""")
NOTHING = words("""
    scratch dent bottle good_bad fine_scratch test_public test_private day1 1 2024 _ normalised abnormalities_of_good
    labelled goods clean books okra unknown bad_weld passage
""")


@pytest.mark.parametrize(("names", "kind"), [(GOOD, "good"), (DEFECT, "defect"), (MASK, "mask"), (NOTHING, None)])
def test_a_name_is_understood_in_any_case_with_any_separators_if_all_its_words_are_known(names, kind):
    assert {name: meaning(name).kind for name in names} == dict.fromkeys(names, kind)


@pytest.mark.parametrize("name", ["Good ", " good", "no defect", "not ok", "n. i. O.", "i. O."])
def test_blanks_are_separators_like_any_other(name):
    assert meaning(name).kind == ("defect" if name.startswith("n") and "defect" not in name else "good")


@pytest.mark.parametrize(
    ("name", "split"),
    [("TRAIN", "train"), ("Training", "train"), ("testing", "test"), ("Val", "validation"), ("valid", "validation")],
)
def test_splits_are_understood_too(name, split):
    assert meaning(name) == Meaning(None, split)


def test_a_name_may_say_what_and_which_split():
    assert meaning("normal_test") == Meaning("good", "test")
    assert meaning("TrainOK") == Meaning("good", "train")
    assert meaning("test_masks") == Meaning("mask", "test")


def test_a_name_may_be_declared_good_in_any_case_but_not_a_part_of_it():
    names = Names(["Serie A"])
    assert names.of("serie a ").kind == "good"
    assert names.of("serie a2").kind is None
    assert names.of("NG").kind == "defect"
    assert Names(["NG"]).of("ng").kind == "good"


def test_labels_may_be_parts_while_masks_are_masks():
    assert not is_surely_of_masks("labels")
    assert is_surely_of_masks("Ground Truth")
