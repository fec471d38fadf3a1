"""Figures on the pages are those of the committed records."""

import json
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pages import README, ROOT, read

DOCS, BENCHMARKS, STUDIES = ROOT / "docs", ROOT / "benchmarks" / "results", ROOT / "studies" / "results"
Row = dict[str, Any]


def record(path: Path) -> Row:
    found: Row = json.loads(path.read_text("utf-8"))
    return found


def mean(values: Iterable[float | None]) -> float:
    return statistics.fmean(value for value in values if value is not None)


def cells(page: Path, row: str) -> list[str]:
    """The figures of the one row of a table that begins with this cell."""
    (line,) = re.findall(rf"^\| \**{re.escape(row)}\** \|(.*)\|$", read(page), re.MULTILINE)
    return [cell.strip(" *") for cell in line.split("|")]


# --- accuracy ---------------------------------------------------------------------------------------------------------


def of_category(category: str) -> list[str]:
    """As the table of seven categories has it: ROC-AUC, share found, false alarms, AUPRO."""
    rows = [r for r in record(STUDIES / "seven_categories-default.json")["rows"] if category in (r["category"], "mean")]
    counts = [row["evaluation"]["counts"] for row in rows]
    overlaps = [((r["evaluation"]["pixel"] or {}).get("metrics") or {}).get("aupro_0.3") or {} for r in rows]
    known = [one["value"] for one in overlaps if one.get("value") is not None]
    found, false = (
        mean(c["tp"] / (c["tp"] + c["fn"]) for c in counts),
        mean(c["fp"] / (c["fp"] + c["tn"]) for c in counts),
    )
    auc = mean(row["evaluation"]["image"]["roc_auc"]["value"] for row in rows)
    return [f"{auc:.3f}", f"{100 * found:.0f} %", f"{100 * false:.0f} %", f"{mean(known):.3f}" if known else "no masks"]


SEVEN = ("screw", "magnetic_tile", "xray_fishbone", "xray_weld", "nanofiber_sem", "solar_cell", "screw_head", "mean")


@pytest.mark.parametrize("category", SEVEN)
def test_the_table_of_seven_categories_is_that_of_the_study(category: str) -> None:
    _, auc, found, false, overlap = cells(DOCS / "measured.md", category)
    assert [auc, re.sub(" of .*", "", found), re.sub(" of .*", "", false), overlap] == of_category(category)


def of_contestant(*names: str) -> list[str]:
    """Means over categories of the best of these."""
    rows = [row for row in record(BENCHMARKS / "peers_accuracy.json")["rows"] if row["contestant"] in names]
    aucs = {name: mean(r["roc_auc"]["value"] for r in rows if r["contestant"] == name) for name in names}
    overlaps = [row["aupro_0.3"]["value"] for row in rows if (row.get("aupro_0.3") or {}).get("value") is not None]
    return [f"{max(aucs.values()):.3f}", f"{mean(overlaps):.3f}" if overlaps else "no map"]


PYOD = [f"PyOD {name}" for name in ("knn", "lof", "ocsvm", "ecod", "copod", "iforest")]
CONTESTANTS = {
    "Urushi, `default`": ["urushi default"],
    "anomalib's PatchCore": ["anomalib patchcore"],
    "PyOD's best": PYOD,
    "anomalib's FRE": ["anomalib fre"],
    "anomalib's PaDiM": ["anomalib padim"],
}


@pytest.mark.parametrize("page", [README, DOCS / "measured.md"], ids=lambda page: page.name)
@pytest.mark.parametrize("row", CONTESTANTS)
def test_the_table_of_other_packages_is_that_of_the_benchmark(page: Path, row: str) -> None:
    assert cells(page, row) == of_contestant(*CONTESTANTS[row])


PRESETS = {
    "padim / anomalib": ("padim", "padim"),
    "patchcore / anomalib": ("patchcore", "patchcore"),
    "dfm / anomalib": ("dfm", "dfm"),
    "student-teacher / anomalib's STFPM": ("student-teacher", "stfpm"),
}


@pytest.mark.parametrize("row", PRESETS)
def test_the_table_of_presets_is_that_of_the_benchmark(row: str) -> None:
    rows = {(r["contestant"], r["category"]): r for r in record(BENCHMARKS / "peers_presets.json")["rows"]}
    ours, theirs = f"urushi {PRESETS[row][0]}", f"anomalib {PRESETS[row][1]}"
    wanted = [(category, "roc_auc") for category in ("xray_fishbone", "screw", "solar_cell")] + [("screw", "aupro_0.3")]
    expected = [
        " / ".join(f"{rows[name, category][figure]['value']:.3f}" for name in (ours, theirs))
        for category, figure in wanted
    ]
    assert cells(DOCS / "recipes.md", row) == expected


RELATIVE = "relative, average then max"
REBUILDING = ("pixel-pca", "autoencoder", "variational-autoencoder", "ganomaly", "bigan", "gan")


def of_scores(
    recipe: str,
    file: str = "recipe_scores-64px",
    category: str | None = None,
    score: str = RELATIVE,
) -> str:
    """Mean image ROC-AUC over all seven categories or of one."""
    rows = [row for row in record(STUDIES / f"{file}.json")["rows"] if row["recipe"] == recipe]
    assert {row["category"] for row in rows} == set(SEVEN) - {"mean"}
    some = [row for row in rows if category in (None, row["category"])]
    return f"{mean(row['scores'][score]['test'] for row in some):.3f}"


STATISTICS = "residual statistics"


def by_both(recipe: str) -> list[str]:
    """By `relative` and by `residual_statistics`, over all categories and of screw_head."""
    means = [of_scores(recipe), of_scores(recipe, score=STATISTICS)]
    return [*means, *(of_scores(recipe, category="screw_head", score=name) for name in (RELATIVE, STATISTICS))]


@pytest.mark.parametrize("recipe", REBUILDING)
def test_the_table_of_networks_that_rebuild_pixels_is_that_of_the_study(recipe: str) -> None:
    assert cells(DOCS / "measured.md", f"`{recipe}`") == by_both(recipe)


@pytest.mark.parametrize("recipe", REBUILDING[1:])
def test_what_a_card_says_of_networks_beside_components_is_what_the_study_found(recipe: str) -> None:
    card = " ".join(read(DOCS / "methods" / f"{recipe.replace('-', '_')}.md").split())
    said = re.findall(r"mean image ROC-AUC over seven categories ([\d.]+) at 64 px by `relative`", card)
    assert (said, re.findall(r"where \[pixel_pca\]\(pixel_pca.md\) has ([\d.]+)\.", card)) == (
        [of_scores(recipe)],
        [of_scores("pixel-pca")],
    )


ALONE = {
    "siren-inpainting": "siren-inpainting",
    "sparse-dictionary": "sparse-dictionary",
    "attribute-restoration": "attribute-restoration",
    "partial-diffusion": "partial-diffusion",
    "convolutional-bigan": "studies/convolutional_bigan_whole.toml",
}
OWN = "the recipe's own"


@pytest.mark.parametrize("recipe", ALONE)
def test_the_table_of_methods_without_components_is_that_of_the_study(recipe: str) -> None:
    name = ALONE[recipe]
    assert cells(DOCS / "measured.md", f"`{recipe}`") == [of_scores(name, score=OWN), *by_both(name)]


@pytest.mark.parametrize("recipe", [name for name in ALONE if name != "convolutional-bigan"])
def test_what_a_card_says_of_a_method_without_components_is_what_the_study_found(recipe: str) -> None:
    card = " ".join(read(DOCS / "methods" / f"{recipe.replace('-', '_')}.md").split())
    (said,) = re.findall(r"seven categories ([\d.]+) by `residual_statistics` and ([\d.]+) by `relative`", card)
    assert said == (of_scores(recipe, score=STATISTICS), of_scores(recipe))


@pytest.mark.parametrize("recipe", [name for name in ALONE if name != "sparse-dictionary"])
def test_why_a_method_without_components_stays_behind_is_what_its_curves_say(recipe: str) -> None:
    rows = [row for row in record(STUDIES / "learning_curves.json")["rows"] if row["recipe"] == ALONE[recipe]]
    auc, passed = (
        [mean(row[of][figure] for row in rows) for of in ("best", "components")] for figure in ("auc", "passed")
    )
    error = statistics.median(row["best"]["error"] / row["components"]["error"] for row in rows)
    expected = [f"{auc[0]:.2f} ({auc[1]:.2f})", f"{error:.1f}", f"{passed[0]:.2f} ({passed[1]:.2f})"]
    assert [cell.removesuffix(" ▼") for cell in cells(DOCS / "methods" / "README.md", f"`{recipe}`")] == expected


def test_what_the_autoencoder_reaches_alone_is_what_the_study_found() -> None:
    (said,) = re.findall(r"the autoencoder has ([\d.]+) by `relative`", read(DOCS / "measured.md"))
    assert said == of_scores("autoencoder", "recipe_scores-64px-networks_alone")


# --- in sentences -----------------------------------------------------------------------------------------------------


def times_anomalib(runtime: str) -> str:
    (found,) = (
        r for r in record(BENCHMARKS / "peers_speed-fre.json")["results"] if r["contestant"] == f"urushi {runtime}"
    )
    return f"{found['ratio']['median']:.1f}"


def fitting(name: str, file: str = "fitting.json") -> float:
    return float(record(BENCHMARKS / file)["results"][name]["median"])


FASTER = "fitting-faster-hour.json"


def inspection(figure: str) -> str:
    (found,) = record(BENCHMARKS / "inspection-default.json")["results"]
    return f"{found[figure]['median']:.2f}"


def after_ten_rounds(kind: str) -> str:
    rows = [row for row in record(STUDIES / "learning_on.json")["rows"] if row.get("kind") == kind]
    return f"{100 * mean(row['rates'][10] for row in rows):.1f}"


def of_dictionary(category: str | None = None) -> str:
    return f"{mean_roc_auc('seven_categories-sparse-dictionary', category):.3f}"


SENTENCES: dict[tuple[Path, str], Callable[[], str]] = {
    (README, r"ONNX Runtime inspects ([\d.]+) times"): lambda: times_anomalib("onnx"),
    (README, r"PyTorch ([\d.]+) times"): lambda: times_anomalib("torch"),
    (DOCS / "measured.md", r"ONNX Runtime inspects ([\d.]+) times"): lambda: times_anomalib("onnx"),
    (DOCS / "measured.md", r"OpenVINO ([\d.]+) times"): lambda: times_anomalib("openvino"),
    (DOCS / "measured.md", r"PyTorch ([\d.]+) times"): lambda: times_anomalib("torch"),
    (DOCS / "measured.md", r"fitted in (\d+) s"): lambda: f"{fitting('urushi fit'):.0f}",
    (DOCS / "measured.md", r"; (\d+) s, [\d.]+ times, \[in an hour"): lambda: f"{fitting('urushi fit', FASTER):.0f}",
    (DOCS / "measured.md", r"([\d.]+) times what the backbone alone takes"): lambda: f"{fitting('ratio'):.1f}",
    (DOCS / "measured.md", r"runs at ([\d.]+) of the rate"): lambda: inspection("graph_of_backbone"),
    (DOCS / "measured.md", r"from a folder at ([\d.]+) of it"): lambda: inspection("folder_of_backbone"),
    (DOCS / "methods" / "sparse_dictionary.md", r"at its own 256 px: ([\d.]+)"): of_dictionary,
    (DOCS / "methods" / "sparse_dictionary.md", r"nanofiber_sem ([\d.]+), beside"): lambda: of_dictionary(
        "nanofiber_sem"
    ),
    (DOCS / "learning-on.md", r"([\d.]+) ± [\d.]+ % after ten rounds"): lambda: after_ten_rounds("as they come"),
}


@pytest.mark.parametrize(("page", "pattern"), SENTENCES, ids=lambda one: one.name if isinstance(one, Path) else one)
def test_a_figure_in_a_sentence_is_that_of_the_record(page: Path, pattern: str) -> None:
    assert re.findall(pattern, " ".join(read(page).split())) == [SENTENCES[page, pattern]()]


# --- method cards -----------------------------------------------------------------------------------------------------

STUDY = r"\(\[study\]\(\.\./\.\./studies/results/([^)]+)\.md\)\)"
BELOW = re.compile(rf"mean image ROC-AUC over seven categories (\d\.\d+)\n{STUDY}")
CARDS = sorted(card for card in (DOCS / "methods").glob("*.md") if BELOW.search(read(card)))


def mean_roc_auc(study: str, category: str | None = None) -> float:
    """Over categories, or of one of them, each the mean of its seeds."""
    found: dict[str, list[float]] = {}
    for row in record(STUDIES / f"{study}.json")["rows"]:
        found.setdefault(row["category"], []).append(row["evaluation"]["image"]["roc_auc"]["value"])
    return mean(mean(values) for name, values in found.items() if category in (None, name))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_what_a_card_says_first_is_what_its_study_found(card: Path) -> None:
    value, study = BELOW.findall(read(card))[0]
    here, beside = mean_roc_auc(study), mean_roc_auc("seven_categories-pixel-pca")
    assert here < beside
    assert value == f"{here:.3f}"
    assert f"{beside:.3f} by `relative`" in read(card)


def test_there_are_cards_that_say_so() -> None:
    assert [card.stem for card in CARDS] == ["convolutional_bigan"]


# --- X-ray studies ----------------------------------------------------------------------------------------------------

RADIOGRAPHS = {
    "CVAE, 32 latents": "CVAE 32",
    "CAE, 32 latents": "CAE 32",
    "8 principal components": "pixel PCA 8",
    "32 principal components": "pixel PCA 32",
}


def of_radiographs(data: str, method: str, score: str) -> str:
    """As the page of the study has it."""
    (section,) = re.findall(rf"^## {data}: scores$(.*?)^## ", read(STUDIES / "s2_real" / "study.md"), re.DOTALL | re.M)
    (value,) = re.findall(rf"^\| {re.escape(method)} \| {re.escape(score)} \| (\S+) ", section, re.MULTILINE)
    return str(value)


@pytest.mark.parametrize("said", RADIOGRAPHS)
def test_the_table_of_real_radiographs_is_that_of_the_study(said: str) -> None:
    wanted = [(data, score) for data in ("fishbone", "weld") for score in ("squared_error", "gmsd")]
    assert cells(DOCS / "x-ray.md", said) == [of_radiographs(data, RADIOGRAPHS[said], score) for data, score in wanted]


def test_the_default_on_real_radiographs_is_that_of_the_study() -> None:
    found = [of_radiographs(data, "default", "feature top_fraction=0.003") for data in ("fishbone", "weld")]
    assert cells(DOCS / "x-ray.md", "recipe `default`, its own score") == [found[0], "", found[1], ""]
