"""What sources claim, judged by committed records: studies/claims.py and the pages in docs/published."""

import json

import pytest
from studies.claims import PAGES, SOURCES, Found, Source
from studies.claims_page import page, written

from urushi.study.plan import Claim, Place

BETTER = Claim.model_validate(
    {"text": "new above old", "at": [{}], "above": {"method": "new"}, "below": [{"method": "old"}]}
)


def found(folder, rows, **changed) -> Found:
    """Of rows (category, method, seed, roc_auc)."""
    keys = ("category", "method", "seed", "auc")
    (folder / "one.json").write_text(json.dumps({"rows": [dict(zip(keys, row, strict=True)) for row in rows]}))
    columns = {"data": "category", "method": "method", "seed": "seed"}
    records = {"study": "one", "columns": columns, "figures": {"roc_auc": "auc"}} | changed
    groups = {"textures": ["brick", "knit"]}
    source = {"title": "t", "about": "a", "groups": groups, "records": [records], "claims": [BETTER.model_dump()]}
    return Found(source=Source.model_validate(source), folder=folder)


def of_data(data: str) -> Claim:
    return BETTER.model_copy(update={"at": (Place(data=data),)})


ROWS = [(data, "old", seed, 0.5 + seed / 10) for data in ("brick", "knit", "screw") for seed in range(3)]
ROWS += [(data, "new", seed, auc + 0.01 + seed / 1000) for data, _, seed, auc in ROWS]


def test_a_claim_of_one_data_set_is_paired_over_its_repeats(tmp_path):
    """The repeats differ ten times as much as the methods: only pairs tell."""
    said = found(tmp_path, ROWS).judged(of_data("screw"))
    assert (said.verdict, said.n_pairs) == ("holds", 3)
    assert found(tmp_path, ROWS[:-1]).judged(of_data("screw")).n_pairs == 2


def test_a_claim_of_no_data_set_or_a_group_is_paired_over_data_sets_each_counting_once(tmp_path):
    wild = [*ROWS, *[("brick", "new", seed, 0.0) for seed in (0, 1, 2)]]  # a later row of the same place counts
    every, textures = (found(tmp_path, wild).judged(claim) for claim in (BETTER, of_data("textures")))
    assert (every.n_pairs, textures.n_pairs) == (3, 2)
    of_old = found(tmp_path, ROWS).figures_at(Place(method="old"))
    assert of_old == pytest.approx(dict.fromkeys(("brick", "knit", "screw"), 0.6))  # the mean of three repeats
    assert found(tmp_path, ROWS).judged(BETTER).verdict == "holds"
    assert every.verdict == "not decidable"


def test_a_place_has_all_that_a_row_is_of(tmp_path):
    """A figure at one value is not that of another, nor of a row without any."""
    at_five = found(tmp_path, ROWS, **{"of": {"value": "5"}})
    assert at_five.judged(BETTER).n_pairs == 0
    assert len(at_five.figures_at(Place(method="new", value="5"))) == 3


def test_the_elements_of_a_list_in_a_row_are_rows(tmp_path):
    row = {"category": "brick", "method": "new", "seed": 0, "sweep": [{"t": 1, "auc": 0.7}, {"t": 2, "auc": 0.8}]}
    (tmp_path / "one.json").write_text(json.dumps({"rows": [row]}))
    columns = {"data": "category", "method": "method", "seed": "seed", "value": "t"}
    listed = found(tmp_path, [], each="sweep", columns=columns)
    (tmp_path / "one.json").write_text(json.dumps({"rows": [row]}))
    assert listed.figures_at(Place(data="brick", method="new", value=2)) == {0: 0.8}


def test_a_figure_is_compared_with_a_number_that_the_file_says(tmp_path):
    """A ROC-AUC with what guessing gives."""
    of_rows = found(tmp_path, ROWS, figures={"roc_auc": "auc", "chance": 0.5, "far": 0.9})
    screw = {"text": "t", "at": [{"data": "screw", "method": "new"}], "above": {}}
    above, far = (Claim.model_validate(screw | {"below": [{"figure": name}]}) for name in ("chance", "far"))
    assert (of_rows.judged(above).verdict, of_rows.judged(above).n_pairs) == ("not decidable", 3)
    assert of_rows.judged(far).verdict == "does not"
    assert of_rows.judged(above.model_copy(update={"within": 0.5})).verdict == "holds"


ONE_PAIR, WILD = ROWS[:10], [*ROWS[:9], ("brick", "new", 0, 0.2), ("brick", "new", 1, 0.9)]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "not run"), (ROWS[:9], "not run"), (ONE_PAIR, "one pair only"), (WILD, "an interval has 0 in it")],
)
def test_what_is_not_decided_has_a_reason(tmp_path, rows, reason):
    of_rows = found(tmp_path, rows)
    of_brick = of_rows.source.model_copy(update={"claims": (of_data("brick"),)})
    assert f"not decidable here: {reason} |" in written(Found(source=of_brick, folder=tmp_path), "")


@pytest.mark.parametrize("name", sorted(path.stem for path in SOURCES.glob("*.toml")))
def test_the_pages_are_those_of_the_records(name):
    """`python -m studies.claims` writes them anew."""
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == page(name)


def test_differences_of_several_data_sets_say_of_which_they_are(tmp_path):
    several = BETTER.model_copy(update={"at": (Place(data="brick"), Place(data="screw"))})
    assert found(tmp_path, ROWS).judged(several).differences.startswith("brick new − old: +0.011 (")
    assert found(tmp_path, ROWS).judged(of_data("brick")).differences.startswith("new − old: +0.011 (")


def test_ours_stand_below_what_was_published(tmp_path):
    of_rows = found(tmp_path, ROWS)
    columns = [{"label": name, "place": {"method": name}} for name in ("old", "new", "newer")]
    lines = [{"label": "Carpet", "where": "table 1", "published": [0.71, 0.46, None]}]
    lines += [{"label": "knit", "place": {"data": "knit"}}, {"label": "low", "place": {"data": "low"}}]
    low = found(tmp_path, [*ROWS, ("low", "old", 0, 0.4)])
    table = {"title": "ROC-AUC", "columns": columns, "lines": lines, "digits": 2}
    source = Source.model_validate(of_rows.source.model_dump(by_alias=True) | {"tables": [table]})
    page_of = written(Found(source=source, folder=low.folder), "")
    assert "| Carpet | table 1 | 0.71 | 0.46 | — |" in page_of
    assert "| knit | **ours** | 0.60 ± 0.06 | 0.61 ± 0.06 | — |" in page_of
    assert "| low | **ours** | 0.40 ▼ | — | — |" in page_of
