from urushi.evaluation.below_chance import below_chance


def test_roc_aucs_below_one_half_are_named_with_what_they_are_of():
    said = below_chance({"images": 0.7, "defect dent": 0.25, "pixels": 0.4})
    assert said.startswith("ROC-AUC is below 0.5, which guessing gives: 0.250 of defect dent, 0.400 of pixels. ")


def test_from_one_half_on_and_where_undefined_nothing_is_said():
    assert below_chance({"images": 0.5, "defect dent": 0.9, "pixels": None}) is None
