"""The figures of S2 that are drawn from records: which there are, and that an unfinished study has some."""

from dataclasses import replace

from studies.s2_figures import HERE, figures, records_of

from urushi.study import Study


def test_there_is_a_figure_for_all_that_the_records_tell(study, record):
    losses = {"training": {0: 2.0, 1: 1.0}, "validation": {0: 2.0, 1: 1.5}}
    records = [replace(record, value=value, losses=losses) for value in (2, 4)]
    names = [name for name, _ in figures("waves", study, records)]
    place = "waves-waves"
    per_method = [f"{kind}-{place}-plain" for kind in ("losses", "roc", "errors")]
    assert names == [f"{stem}-{place}" for stem in ("luminance", "published", "over", "over1", "ratio")] + per_method


def test_what_others_have_published_is_drawn_beside_ours(study, record):
    drawn = dict(figures("waves", study, [replace(record, value=4)]))
    labels = [text.get_text() for text in drawn["published-waves-waves"].axes[0].get_legend().get_texts()]
    assert labels == ["plain", "plain, Sode"]


def test_a_study_without_records_has_no_figures(study, tmp_path):
    assert records_of(study, tmp_path) == []
    assert not list(figures("waves", study, []))


def test_the_studies_of_the_repository_can_be_read():
    for path in HERE.glob("s2_*.toml"):
        study = Study.of(path)
        assert len({run.name for run in study.runs()}) == len(list(study.runs())) > 0
