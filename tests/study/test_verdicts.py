"""What records say of a claim: it holds, it does not, or it cannot be decided."""

from dataclasses import replace

import numpy as np
import pytest

from urushi.errors import InputError
from urushi.study import Study
from urushi.study.drawing import measured
from urushi.study.summary import Summary
from urushi.study.tables import tables
from urushi.study.verdicts import verdict, verdict_table

SURE, UNSURE, TURNED = np.array([0.10, 0.11, 0.12]), np.array([-0.1, 0.1, 0.2]), np.array([-0.10, -0.11, -0.12])


@pytest.mark.parametrize(
    ("differences", "within", "said"),
    [
        ([SURE], None, "holds"),
        ([SURE, SURE], None, "holds"),
        ([TURNED], None, "does not"),
        ([SURE, TURNED], None, "does not"),  # one contradiction is enough
        ([SURE, UNSURE], None, "not decidable"),
        ([SURE[:1]], None, "not decidable"),  # one fit says nothing of another
        ([], None, "not decidable"),
        ([SURE], 0.2, "holds"),
        ([TURNED], 0.2, "holds"),  # flat: either sign
        ([SURE], 0.05, "does not"),
        ([UNSURE], 0.2, "not decidable"),
    ],
)
def test_verdicts(differences, within, said):
    assert verdict(differences, within) == said


def test_many_comparisons_are_not_contradicted_by_the_unluckiest():
    """Of 20 that are true, one leaves its 95 % interval: by itself it would contradict, among 20 it does not."""
    unlucky = np.array([-0.01, -0.02, -0.03])
    assert verdict([unlucky]) == "does not" or np.isclose(unlucky.mean(), -0.02)
    assert verdict([np.array([-0.02, -0.03, -0.025])]) == "does not"
    assert verdict([np.array([-0.02, -0.03, -0.025]), *[SURE] * 19]) == "not decidable"


def claim(study, **claimed) -> Study:
    at = [{"data": "waves"}]
    table = study.model_dump() | {"claims": [{"text": "t", "at": at, **claimed}]}
    return Study.model_validate(table)


def records_of(record, seeds=(0, 1, 2)):
    """`plain` finds holes and deep holes; `variational` nothing."""
    blind = {"squared_error": np.random.default_rng(5).normal(size=40).tolist()}
    for seed in seeds:
        yield replace(record, seed=seed)
        yield replace(record, seed=seed, method="variational", value=4, scores=blind)


def said_of(study, records):
    records = list(records)
    return verdict_table(study, Summary.of(measured(study, records)), records).rows[0]


def test_a_claim_is_computed_from_the_records_and_holds_only_one_way_round(study, record):
    better = {"above": {"method": "plain"}, "below": [{"method": "variational"}]}
    turned = {"above": {"method": "variational"}, "below": [{"method": "plain"}]}
    assert said_of(claim(study, **better), records_of(record))[1:4:2] == ("holds", "3")
    assert said_of(claim(study, **turned), records_of(record))[1] == "does not"
    assert said_of(claim(study, **better), records_of(record, seeds=(0,)))[1:4:2] == ("not decidable", "1")
    assert said_of(claim(study, **better), [record])[1:4:2] == ("not decidable", "0")  # one side was not measured


def test_differences_are_paired_by_repeat(study, record):
    other = {"above": {"method": "plain"}, "below": [{"method": "variational"}]}
    seen = records_of(record)
    records = [one for one in seen if (one.method, one.seed) != ("plain", 1)]
    assert said_of(claim(study, **other), records)[3] == "2"


def test_a_claim_may_be_of_a_ratio_or_of_one_kind(study, record):
    precision = {"method": "plain", "figure": "precision"}
    rising = {"above": {**precision, "ratio": 0.6}, "below": [{**precision, "ratio": 0.3}]}
    assert said_of(claim(study, **rising), records_of(record))[1] == "holds"
    kinds = {"above": {"figure": "error of hole"}, "below": [{"figure": "error of no_such_kind"}]}
    placed = [{"data": "waves", "method": "plain"}]
    assert said_of(claim(study, at=placed, **kinds), records_of(record))[1:4:2] == ("not decidable", "0")


def test_verdicts_come_first_and_only_where_something_is_claimed(study, record):
    records = list(records_of(record))
    summary = Summary.of(measured(study, records))
    assert "claimed" not in tables(study, summary, records)[0].title
    claimed = claim(study, above={"method": "plain"}, below=[{"method": "variational"}])
    assert "claimed" in tables(claimed, summary, records)[0].title


def test_a_claim_of_something_unknown_is_an_error_that_names_it(study, folder):
    text = (folder / "study.toml").read_text()
    for key, value in (("data", "wave"), ("method", "plane")):
        place = {"data": "waves", "method": "plain"} | {key: value}
        shown = ", ".join(f'{name} = "{one}"' for name, one in place.items())
        wrong = f'claims = [{{text = "t", at = [{{{shown}}}], above = {{}}, below = [{{}}]}}]\n'
        (folder / "claim.toml").write_text(text.replace("[vary]", wrong + "[vary]"))
        with pytest.raises(InputError, match=f"'{value}'"):
            Study.of(folder / "claim.toml")
