"""AU-sPRO by streaming against the definition, cut by cut, of MVTec LOCO."""

import json
import weakref

import numpy as np
import pytest
from PIL import Image
from test_evaluation import SIDE, Labelled, inspection

from urushi.data.masks import read_mask
from urushi.data.saturation import DefectSaturation, Saturation
from urushi.evaluation import evaluate
from urushi.evaluation.pixel_metrics import PixelHistograms
from urushi.evaluation.saturated_overlap import MapRegion, saturated_weights

SIZE = (12, 11)
CONFIG = [
    {"defect_name": "missing", "pixel_value": 255, "saturation_threshold": 40, "relative_saturation": False},
    {"defect_name": "scratch", "pixel_value": 254, "saturation_threshold": 0.5, "relative_saturation": True},
    {"defect_name": "whole", "pixel_value": 253, "saturation_threshold": 1.0, "relative_saturation": True},
]


def pictures(n=9, seed=0):
    """Maps whose values are their own bins, ties among them, and overlapping regions with saturation areas."""
    rng, made = np.random.default_rng(seed), []
    for i in range(n):
        regions = []
        for _ in range(i % 3):
            region = np.zeros(SIZE, bool)
            y, x, h, w = (*rng.integers(0, 7, 2), *rng.integers(1, 6, 2))
            region[y : y + h, x : x + w] = True
            regions.append(MapRegion(region, min(float(rng.uniform(1, 8)), float(region.sum()))))
        mask = np.any([region.mask for region in regions] or [np.zeros(SIZE, bool)], axis=0)
        made.append(((rng.integers(1, 40, SIZE) + 8 * mask).astype(np.float32), mask, regions))
    return made


def naive_auspro(made, limit):
    """Every value of a map is a cut: the mean over regions of min(found / saturation area, 1), over the FPR."""
    normal = np.concatenate([one[~mask] for one, mask, _ in made])
    regions = [(one[region.mask], region.saturation_px) for one, _, own in made for region in own]
    cuts = np.unique(np.concatenate([one.ravel() for one, _, _ in made]))[::-1]
    fpr = np.array([0.0, *((normal >= cut).mean() for cut in cuts)])
    found = [[min((values >= cut).sum() / px, 1) for values, px in regions] for cut in cuts]
    spro = np.array([0.0, *np.mean(found, axis=1)])
    inside = fpr < limit
    x, y = np.append(fpr[inside], limit), np.append(spro[inside], np.interp(limit, fpr, spro))
    return np.trapezoid(y, x) / limit


def figures(made, kinds=None, **options):
    histograms = PixelHistograms()
    for i, (anomaly_map, mask, regions) in enumerate(made):
        histograms.add(f"{i:03}", anomaly_map, mask, kinds[i] if kinds else "", regions)
    return histograms.figures(**{"n_resamples": 0, **options})


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_auspro_is_that_of_the_definition_at_every_cut(seed, limit):
    made = pictures(seed=seed)
    found = figures(made, aupro_limits=(limit,))
    assert found.metrics[f"auspro_{limit:g}"].value == pytest.approx(naive_auspro(made, limit), abs=1e-6)
    assert found.n_regions == sum(len(regions) for *_, regions in made)


def test_each_type_of_defect_has_its_own_auspro_against_all_normal_images():
    made = pictures(n=24)
    kinds = ["good" if not regions else ("dent", "scratch")[i % 2] for i, (*_, regions) in enumerate(made)]
    rows = figures(made, kinds, n_resamples=50).per_defect
    assert [row.defect for row in rows] == ["dent", "scratch"]
    for row in rows:
        own = [one for one, kind in zip(made, kinds, strict=True) if kind in ("good", row.defect)]
        for limit in (0.05, 0.3):
            figure = row.figures[f"auspro_{limit:g}"]
            assert figure.value == pytest.approx(naive_auspro(own, limit), abs=1e-6)
            assert figure.low < figure.value < figure.high
        assert row.n_regions == sum(len(regions) for *_, regions in own)


def test_without_saturation_there_is_no_auspro_and_nothing_else_changes():
    made = pictures()
    plain = figures([(one, mask, None) for one, mask, _ in made])
    assert plain.n_regions is None
    assert plain.per_defect[0].n_regions is None
    assert not [name for name in plain.metrics if name.startswith("auspro")]
    assert plain.metrics.items() <= figures(made).metrics.items()


def test_one_defect_whose_regions_are_not_known_leaves_auspro_out():
    made = pictures()
    last = next(i for i in reversed(range(len(made))) if made[i][2])
    made[last] = (*made[last][:2], None)
    found = figures(made)
    assert found.n_regions is None
    assert "auspro_0.3" not in found.metrics
    assert figures(made[:1]).n_regions is None  # a good image alone


def test_regions_are_not_kept():
    made, histograms = pictures(n=3), PixelHistograms()
    kept = [weakref.ref(region.mask) for *_, regions in made for region in regions]
    while made:
        histograms.add(str(len(made)), *made[0][:2], "", made[0][2])
        del made[0]
    assert kept
    assert [one() for one in kept] == [None] * len(kept)


def test_a_region_that_is_full_takes_nothing_more():
    mask = np.array([[True, True, True, False]])
    weights = saturated_weights(np.array([[1, 3, 2, 9]]), mask, [MapRegion(mask, 1.5)])
    assert weights == pytest.approx([0, 1 / 1.5, 0.5 / 1.5])


def entry(threshold, is_relative):
    return DefectSaturation(
        defect_name="x", pixel_value=1, saturation_threshold=threshold, relative_saturation=is_relative
    )


@pytest.mark.parametrize(
    ("threshold", "is_relative", "area", "expected"),
    [(40, False, 100, 40), (40, False, 30, 30), (0.5, True, 31, 15), (1.0, True, 31, 31), (0.01, True, 31, 1)],
)
def test_saturation_areas_are_those_of_mvtec(threshold, is_relative, area, expected):
    assert entry(threshold, is_relative).saturation_px(area) == expected


def loco(folder, config=CONFIG):
    """A mask of two regions, 8 × 8 and 4 × 8 px of the original, which touch; and the file of saturation thresholds."""
    (folder / "000").mkdir()
    for name, rows, level in (("000", slice(4, 12), 255), ("001", slice(12, 16), 254)):
        pixels = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
        pixels[rows, 8:16] = level
        Image.fromarray(pixels).save(folder / "000" / f"{name}.png")
    (folder / "defects_config.json").write_text(json.dumps(config))
    return folder / "000", Saturation.read(folder / "defects_config.json")


def test_thresholds_in_px_of_the_original_hold_at_the_resolution_of_the_map(tmp_path):
    mask, saturation = loco(tmp_path)
    rng = np.random.default_rng(0)
    good, bad = (rng.gamma(2.0, 0.1, (SIDE, SIDE)).astype(np.float32) for _ in range(2))
    bad[2:8, 4:8] += 0.3
    results = [(Labelled(0), inspection("0.png", good)), (Labelled(1, "dent", mask), inspection("1.png", bad))]
    found = evaluate(results, read_mask=read_mask, saturation=saturation, n_resamples=0)
    first, second = np.zeros((2, SIDE, SIDE), bool)
    first[2:6, 4:8], second[6:8, 4:8] = True, True
    regions = [MapRegion(first, 40 / 4), MapRegion(second, 0.5 * 32 / 4)]  # four px of the original under one
    expected = naive_auspro([(good, first & second, []), (bad, first | second, regions)], 0.3)
    assert found.pixel.metrics["auspro_0.3"].value == pytest.approx(expected, abs=1e-3)
    assert found.pixel.metrics["auspro_0.3"].value > found.pixel.metrics["aupro_0.3"].value + 0.05
    assert (found.pixel.n_regions, found.pixel.n_components) == (2, 1)
    assert found.to_json()["saturation_file"] == str(tmp_path / "defects_config.json")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda pixels: np.where(pixels > 0, 7, 0), "its level 7 names no defect"),
        (lambda pixels: pixels + (np.arange(pixels.size).reshape(pixels.shape) % 32 > 28), "several levels"),
        (lambda pixels: np.stack([pixels] * 3, axis=-1) - [[[0, 0, 1]]] * (pixels > 0)[..., None], "several levels"),
    ],
    ids=["unknown", "levels", "colours"],
)
def test_masks_that_name_no_defect_give_no_auspro_but_all_else(tmp_path, change, reason):
    mask, saturation = loco(tmp_path)
    pixels = np.asarray(Image.open(mask / "001.png"))
    Image.fromarray(change(pixels).astype(np.uint8)).save(mask / "001.png")
    anomaly_map = np.random.default_rng(0).gamma(2.0, 0.1, (SIDE, SIDE))
    results = [
        (Labelled(0), inspection("0.png", anomaly_map)),
        (Labelled(1, "dent", mask), inspection("1.png", anomaly_map)),
    ]
    found = evaluate(results, read_mask=read_mask, saturation=saturation, n_resamples=0)
    assert found.saturation_reason.startswith("1.png: ")
    assert reason in found.saturation_reason
    assert found.pixel.n_regions is None
    assert "auspro_0.3" not in found.pixel.metrics
    assert found.pixel.metrics["aupro_0.3"].value is not None


def test_a_region_that_vanishes_at_the_size_of_the_map_is_said(tmp_path):
    mask, saturation = loco(tmp_path)
    pixels = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    pixels[20, 20] = 254
    Image.fromarray(pixels).save(mask / "001.png")
    found = evaluate(
        [(Labelled(1, "dent", mask), inspection("1.png", np.random.default_rng(0).gamma(2.0, 0.1, (SIDE, SIDE))))],
        read_mask=read_mask,
        saturation=saturation,
        n_resamples=0,
    )
    assert found.pixel.n_regions == 1
    assert [one.reason for one in found.pixel_remarks] == [
        "1 of the 2 regions of its mask vanish at the size of the anomaly map"
    ]


def test_a_defect_none_of_whose_regions_is_left_is_still_one_of_its_type():
    mask, good = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    mask[2:5, 2:5] = True
    anomaly_map = np.random.default_rng(0).gamma(2.0, size=SIZE)
    made = [(anomaly_map, mask, [MapRegion(mask, 4.0)]), (anomaly_map, mask, []), (anomaly_map, good, None)]
    (row,) = figures(made, ["dent", "dent", "good"]).per_defect
    assert (row.n_images, row.n_components, row.n_regions) == (2, 2, 1)
