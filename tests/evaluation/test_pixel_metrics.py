"""Pixel figures by streaming against naive ones on the exact values."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from sklearn import metrics as sk
from torchmetrics.functional.classification import binary_jaccard_index

from urushi.errors import InputError
from urushi.evaluation.aupimo import AUPIMO_RANGE, PIMO_FPR
from urushi.evaluation.aupro import aupro, component_weights
from urushi.evaluation.curves import area
from urushi.evaluation.histograms import COARSE_BITS, FINE_BITS, bin_of, coarse, lower_edge
from urushi.evaluation.joined_bins import groups
from urushi.evaluation.pixel_metrics import AUPRO_LIMITS, PixelHistograms

SIZE = (18, 16)
FEW_PIXELS = (0.01, 0.1)  # the range of AUPIMO for maps as small as these


def pictures(n=9, seed=0, shift=0.0):
    """Maps and masks: a third of them good, the others with defects of 1 to some 50 px."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        mask = np.zeros(SIZE, bool)
        for _ in range(i % 3):
            y, x, h, w = (*rng.integers(0, 12, 2), *rng.integers(1, 6, 2))
            mask[y : y + h, x : x + w] = True
        noise = ndimage.gaussian_filter(rng.normal(size=SIZE), 1)
        made.append(((noise + 0.4 * mask + shift).astype(np.float32), mask))
    return made


def figures(made, **options):
    histograms = PixelHistograms()
    for i, (anomaly_map, mask) in enumerate(made):
        histograms.add(f"{i:03}", anomaly_map, mask)
    return histograms.figures(**{"n_resamples": 0, "aupimo_range": FEW_PIXELS, **options})


def values(made, **options):
    return {name: figure.value for name, figure in figures(made, **options).metrics.items()}


def flat(made):
    return np.concatenate([m.ravel() for m, _ in made]), np.concatenate([g.ravel() for _, g in made])


def share_from(values, cuts):
    """How many of the values are at or above each cut."""
    return 1 - np.searchsorted(np.sort(values, axis=None), cuts) / values.size


def naive_aupro(made, limit):
    """MVTec's definition, cut by cut."""
    all_scores, truth = flat(made)
    components = []
    for anomaly_map, mask in made:
        labels, n = ndimage.label(mask, np.ones((3, 3)))
        components += [anomaly_map[labels == k + 1] for k in range(n)]
    cuts = np.unique(all_scores)[::-1]
    fpr = np.append(0.0, share_from(all_scores[~truth], cuts))
    pro = np.append(0.0, np.mean([share_from(c, cuts) for c in components], axis=0))
    inside = fpr < limit
    x, y = np.append(fpr[inside], limit), np.append(pro[inside], np.interp(limit, fpr, pro))
    return np.trapezoid(y, x) / limit


def naive_aupimo(made, lowest, highest, steps=4000):
    """Image by image: the best true-positive rate at each of many false-positive rates, even along their logarithm."""
    normal = [m for m, g in made if not g.any()]
    cuts = np.unique(np.concatenate([m.ravel() for m, _ in made]))[::-1]
    fpr = np.append(0.0, np.mean([share_from(m, cuts) for m in normal], axis=0))
    rates = np.geomspace(lowest, highest, 2 * steps + 1)[1::2]
    last_cut = np.searchsorted(fpr, rates, side="right") - 1
    scores = []
    for anomaly_map, mask in made:
        if mask.any():
            tpr = np.append(0.0, share_from(anomaly_map[mask], cuts))
            scores.append(tpr[last_cut].mean())
    return scores


def naive_iou(made):
    """IoU at every threshold, lowest first, and the thresholds."""
    scores, truth = flat(made)
    cuts = np.unique(scores)
    return np.array([(truth & (scores > c)).sum() / (truth | (scores > c)).sum() for c in cuts]), cuts


@pytest.mark.parametrize("shift", [0.0, -3.0, 3.0], ids=["mixed signs", "negative", "positive"])
def test_figures_agree_with_naive_ones(shift):
    made = pictures(shift=shift)
    scores, truth = flat(made)
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    iou, cuts = naive_iou(made)
    expected = {
        "roc_auc": sk.roc_auc_score(truth, scores),
        "pr_auc": sk.average_precision_score(truth, scores),
        "f1_max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
        "best_iou": iou.max(),
        "iou_auc": (iou[:-1] * np.diff(cuts)).sum() / (cuts[-1] - cuts[0]),
        "aupro_0.3": naive_aupro(made, 0.3),
        "aupro_0.05": naive_aupro(made, 0.05),
        "aupimo": np.mean(naive_aupimo(made, *FEW_PIXELS)),
    }
    assert values(made) == pytest.approx(expected, abs=2e-3)


def test_best_iou_threshold_reaches_the_best_iou():
    for steps in [None, 8, 2]:
        made = pictures()
        if steps:  # values at the very edge of a bin, among them 0
            made = [(np.round(m * steps) / steps, g) for m, g in made]
        found = figures(made)
        scores, truth = flat(made)
        index = binary_jaccard_index(torch.tensor(scores > found.best_iou_threshold), torch.tensor(truth))
        assert found.metrics["best_iou"].value == pytest.approx(float(index), abs=1e-6), steps


def test_values_that_are_their_own_bins_give_exact_figures():
    made = [(np.round(m * 8) / 8, g) for m, g in pictures(shift=3.0)]
    scores, truth = flat(made)
    got = values(made)
    iou, cuts = naive_iou(made)
    assert got["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert got["pr_auc"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    assert got["aupro_0.3"] == pytest.approx(naive_aupro(made, 0.3), abs=1e-12)
    assert got["iou_auc"] == pytest.approx((iou[:-1] * np.diff(cuts)).sum() / (cuts[-1] - cuts[0]), abs=1e-12)


def test_aupro_is_exact_up_to_any_limit():
    made = [(np.round(m * 16) / 16, g) for m, g in pictures(seed=4)]
    for limit in [0.01, 0.05, 0.3, 0.5, 1.0]:
        found = values(made, aupro_limits=(limit,))[f"aupro_{limit:g}"]
        assert found == pytest.approx(naive_aupro(made, limit), abs=1e-12), limit


def test_aupimo_of_each_image_is_the_area_under_its_own_curve():
    made = [(np.round(m * 16) / 16, g) for m, g in pictures(n=12, seed=2, shift=3.0)]  # each value its own bin
    found = figures(made, aupimo_range=(0.002, 0.2))
    defective = [f"{i:03}" for i, (_, g) in enumerate(made) if g.any()]
    assert [one.source for one in found.aupimo_of_images] == defective
    scores = [one.value for one in found.aupimo_of_images]
    assert scores == pytest.approx(naive_aupimo(made, 0.002, 0.2), abs=1e-3)
    assert found.metrics["aupimo"].value == pytest.approx(np.mean(scores))
    assert len(set(scores)) > 4


def test_aupimo_looks_at_normal_images_only_and_each_counts_the_same():
    mask = np.zeros((20, 20), bool)
    mask[:5, :5] = True
    defective = np.where(mask, np.linspace(2, 3, 400).reshape(20, 20), 9.0)  # its background is higher than all
    quiet, loud = np.zeros((40, 40)), np.zeros((10, 10))
    loud[0, :2] = 5.0  # 2 % of its pixels, 1 % of both images on an average
    made = [(defective, mask), (quiet, quiet > 0), (loud, loud > 9)]
    assert values(made, aupimo_range=(0.005, 0.02))["aupimo"] == pytest.approx(0.5)
    assert values(made, aupimo_range=(0.0025, 0.0075))["aupimo"] == 0.0
    assert values(made, aupimo_range=(0.01, 0.1))["aupimo"] == pytest.approx(1.0)


def test_ties_within_a_bin_never_raise_aupimo():
    rng = np.random.default_rng(0)
    mask = np.zeros((32, 32), bool)
    mask[4:12, 4:12] = True
    made = [
        (100 + rng.normal(0, 0.05, mask.shape) + 0.1 * own, own) for own in (mask, mask, mask & False, mask & False)
    ]
    made = [(m.astype(np.float32), g) for m, g in made]
    got = [one.value for one in figures(made).aupimo_of_images]
    exact = np.array(naive_aupimo(made, *FEW_PIXELS))
    assert (got <= exact + 1e-3).all()
    assert got != pytest.approx(exact, abs=1e-3)  # a bin is as wide as the noise here


def test_aupimo_is_undefined_where_normal_images_have_too_few_pixels():
    rng = np.random.default_rng(0)
    mask = np.zeros((100, 100), bool)
    mask[:9, :9] = True
    made = [(rng.normal(size=mask.shape), mask & bool(i == 0)) for i in range(11)]
    assert figures(made, aupimo_range=(1e-5, 1e-4)).metrics["aupimo"].value is not None
    few = figures(made[:-1], aupimo_range=(1e-5, 1e-4))
    assert few.metrics["aupimo"].reason == "needs 100,000 pixels of normal images; there are 90,000"
    assert few.aupimo_of_images == ()


def test_the_interval_of_aupimo_knows_that_other_normal_images_could_have_come():
    rng = np.random.default_rng(0)
    mask = np.zeros((30, 30), bool)
    mask[:10, :10] = True
    defective = np.where(mask, np.linspace(2, 8, 900).reshape(30, 30), 0)
    normal = [rng.gamma(2, 0.2 + 0.1 * i, mask.shape) for i in range(8)]
    figure = figures([(defective, mask)] * 5 + [(m, mask & False) for m in normal], n_resamples=200).metrics["aupimo"]
    assert figure.low < figure.value - 0.05 < figure.value + 0.05 < figure.high  # the defective images are all the same


def test_small_and_large_defects_count_the_same():
    mask = np.zeros((20, 20), bool)
    mask[2, 2] = mask[10:18, 10:18] = True
    missed_small, missed_large = mask * 1.0, mask * 1.0
    missed_small[2, 2] = 0
    missed_large[10:18, 10:18] = 0
    assert values([(missed_small, mask)])["aupro_0.3"] == pytest.approx(values([(missed_large, mask)])["aupro_0.3"])
    assert values([(missed_small, mask)])["aupro_0.3"] == pytest.approx(0.5 + 0.5 * 0.15)  # then chance: to (1, 1)


def test_diagonal_neighbours_are_one_component():
    weights, n = component_weights(np.eye(4, dtype=bool))
    assert n == 1
    assert weights.tolist() == [0.25] * 4


def test_perfect_and_constant_maps():
    mask = np.zeros(SIZE, bool)
    mask[3:6, 3:6] = True
    perfect = values([(mask * 1.0, mask), (mask * 0.0, mask & False)])
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))
    constant = values([(np.full(SIZE, 0.7), mask)])
    assert constant["roc_auc"] == 0.5
    assert constant["aupro_0.3"] == pytest.approx(0.15)
    assert constant["pr_auc"] == pytest.approx(mask.mean())
    assert constant["iou_auc"] is None


def test_of_twelve_perfect_maps_not_all_is_certain():
    made = [(mask * 2.0, mask) for _, mask in pictures(n=12)]  # none, one or two defects in each
    found = figures(made, n_resamples=100).metrics.values()
    assert all((f.value, f.high) == pytest.approx((1, 1)) and 0.3 < f.low < 0.8 for f in found)


def test_without_a_defect_everything_is_undefined_with_a_reason():
    found = figures([(np.random.default_rng(0).normal(size=SIZE), np.zeros(SIZE, bool))] * 2)
    assert all(f.value is None and f.low is None and "defective" in f.reason for f in found.metrics.values())
    assert found.best_iou_threshold is None


def test_without_a_normal_pixel_everything_is_undefined():
    found = figures([(np.arange(4.0).reshape(2, 2), np.ones((2, 2), bool))])
    assert all(figure.value is None for figure in found.metrics.values())


def test_no_image_at_all_is_an_error():
    with pytest.raises(InputError, match="no images with masks"):
        PixelHistograms().figures()


@pytest.mark.parametrize(
    ("anomaly_map", "mask", "message"),
    [
        (np.array([[0.0, np.nan]]), np.zeros((1, 2), bool), "1 of 2 values .* NaN"),
        (np.array([[0.0, np.inf]]), np.zeros((1, 2), bool), "1 of 2 values"),
        (np.array([[0.0, 1e300]]), np.zeros((1, 2), bool), "1 of 2 values"),
        (np.zeros((2, 2)), np.zeros((2, 3), bool), "fit_mask"),
        (np.zeros((2, 2)), np.zeros((2, 2), np.uint8), "fit_mask"),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool), "height, width"),
        (np.zeros(2), np.zeros(2, bool), "height, width"),
        (np.zeros((0, 2)), np.zeros((0, 2), bool), "height, width"),
    ],
)
def test_bad_maps_and_masks_are_refused(anomaly_map, mask, message):
    with pytest.raises(InputError, match=message):
        PixelHistograms().add("part.png", anomaly_map, mask)


@pytest.mark.parametrize("transform", [lambda m: m**3, lambda m: 40 * m, lambda m: np.expm1(m)])
def test_increasing_transforms_change_only_the_area_under_iou(transform):
    made = pictures()
    before, after = values(made), values([(transform(m), g) for m, g in made])
    assert before.pop("iou_auc")
    assert after.pop("iou_auc")
    assert after == pytest.approx(before, abs=2e-3)


def test_order_of_images_does_not_matter_not_even_to_intervals():
    made = [(f"{i:02}", *one) for i, one in enumerate(pictures())]
    forward, backward = PixelHistograms(), PixelHistograms()
    for name, anomaly_map, mask in made:
        forward.add(name, anomaly_map, mask)
    for name, anomaly_map, mask in made[::-1]:
        backward.add(name, anomaly_map, mask)
    for name, figure in forward.figures(n_resamples=100).metrics.items():
        other = backward.figures(n_resamples=100).metrics[name]
        assert (figure.value, figure.low, figure.high) == pytest.approx((other.value, other.low, other.high))


def test_intervals_from_histograms_are_those_of_resampled_images():
    made = pictures(n=15)
    got = figures(made, n_resamples=1000, seed=0).metrics
    rng, draws = np.random.default_rng(5), {"roc_auc": [], "aupro_0.3": [], "aupimo": []}
    defective = np.array([g.any() for _, g in made])
    for _ in range(40):
        chosen = [
            i
            for kind in (True, False)
            for i in rng.choice(np.flatnonzero(defective == kind), (defective == kind).sum())
        ]
        resampled = values([made[i] for i in chosen])
        for name, draw in draws.items():
            draw.append(resampled[name])
    for name in draws:
        low, high = np.quantile(draws[name], [0.025, 0.975])
        assert got[name].low <= low <= got[name].value <= high <= got[name].high
        assert got[name].high - got[name].low < 6 * (high - low)  # that of resamples is too narrow


def test_two_hundred_images_a_thousand_resamples_in_few_seconds():
    histograms = PixelHistograms()
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[20:30, 20:30] = True
    start = time.process_time()
    for i in range(200):
        own = mask & bool(i % 2)
        histograms.add(str(i), rng.gamma(2.0, size=(64, 64)) + own, own)
    histograms.figures(n_resamples=1000)
    assert time.process_time() - start < 12  # all cores together; about 2 s of wall time when the machine is idle


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(hnp.arrays(np.float32, st.integers(2, 50), elements=floats))
def test_bins_never_decrease_and_hold_their_values(found):
    ordered = np.sort(found)
    bins = bin_of(ordered)
    assert (np.diff(bins) >= 0).all()
    assert (bins[ordered == 0] == bin_of(np.zeros(1, np.float32))).all()
    assert (lower_edge(bins) <= ordered).all()
    assert (bin_of(lower_edge(bins)) == bins).all()


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_bins_are_no_wider_than_a_two_thousandth(value):
    edge = lower_edge(bin_of(np.array([value], np.float32)))[0]
    assert value - edge <= value / 2047


def test_coarse_bins_begin_at_each_128th_of_a_power_of_two():
    edges = np.float32([1, 1 + 1 / 128, 1 + 2 / 128, 2, 2 + 2 / 128])
    below = np.nextafter(edges, np.float32(0))
    assert np.diff(coarse(bin_of(edges))).tolist() == [1, 1, 126, 1]
    assert (coarse(bin_of(edges)) - coarse(bin_of(below))).tolist() == [1] * 5


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1))
def test_aupro_of_one_pixel_components_is_the_partial_roc(seed, limit):
    rng = np.random.default_rng(seed)
    normal, defect = rng.integers(1, 4, (2, 6)).astype(float)
    got = aupro(normal, defect, defect.sum(), limit)
    fpr, tpr = (np.append(0, np.cumsum(h[::-1])) / h.sum() for h in (normal, defect))
    grid = np.unique(np.concatenate([fpr[fpr < limit], [limit]]))
    assert got == pytest.approx(np.trapezoid(np.interp(grid, fpr, tpr), grid) / limit)


def test_area_interpolates_to_the_limit():
    assert area(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.3) == pytest.approx(0.15)
    assert area(np.array([0.0, 0.0, 0.2, 1.0]), np.array([0.0, 0.5, 0.5, 1.0]), 0.2) == pytest.approx(0.5)


def test_an_offset_of_all_maps_changes_nothing_once_it_is_taken_off():
    made = [(np.float32(4000 + 0.5 * m), g) for m, g in pictures()]
    truth, coarse = values([(m - 4000, g) for m, g in made]), figures(made)
    taken_off = PixelHistograms(offset=4000.0)
    for i, (anomaly_map, mask) in enumerate(made):
        taken_off.add(f"{i:03}", anomaly_map, mask)
    found = taken_off.figures(n_resamples=0, aupimo_range=FEW_PIXELS)
    assert {name: figure.value for name, figure in found.metrics.items()} == pytest.approx(truth, abs=1e-6)
    assert (found.best_iou_threshold > 4000, found.remark) == (True, None)
    assert abs(coarse.metrics["roc_auc"].value - truth["roc_auc"]) > 0.1
    assert "can be told apart" in coarse.remark


def test_figures_at_the_threshold_of_regions_are_those_of_scikit_learn():
    made, histograms = pictures(), PixelHistograms(region_threshold=0.2)
    for i, (anomaly_map, mask) in enumerate(made):
        histograms.add(f"{i:03}", anomaly_map, mask)
    found = histograms.figures(n_resamples=100).metrics
    scores, truth = flat(made)
    assert found["seg_f1"].value == pytest.approx(sk.f1_score(truth, scores > 0.2))
    assert found["iou"].value == pytest.approx(sk.jaccard_score(truth, scores > 0.2))
    shares = [
        (anomaly_map[labels == k + 1] > 0.2).mean()
        for anomaly_map, (labels, n) in ((m, ndimage.label(g, np.ones((3, 3)))) for m, g in made)
        for k in range(n)
    ]
    assert found["pro"].value == pytest.approx(np.mean(shares))
    assert found["pro"].low < found["pro"].value < found["pro"].high


def test_each_type_of_defect_has_its_own_aupro_against_all_normal_images():
    made, histograms = pictures(n=24), PixelHistograms()
    kinds = ["good" if not g.any() else ("dent", "scratch")[i % 2] for i, (_, g) in enumerate(made)]
    for i, ((anomaly_map, mask), kind) in enumerate(zip(made, kinds, strict=True)):
        histograms.add(f"{i:03}", anomaly_map, mask, kind)
    found = histograms.figures(n_resamples=50).per_defect
    assert [row.defect for row in found] == ["dent", "scratch"]
    for row in found:
        own = [one for one, kind in zip(made, kinds, strict=True) if kind in ("good", row.defect)]
        assert (row.n_images, row.n_components) == (kinds.count(row.defect), n_components(own))
        assert row.figures["aupro_0.3"].value == pytest.approx(naive_aupro(own, 0.3), abs=0.01)
        assert row.figures["aupro_0.3"].low < row.figures["aupro_0.3"].value < row.figures["aupro_0.3"].high


def n_components(made):
    return sum(ndimage.label(g, np.ones((3, 3)))[1] for _, g in made)


def test_the_curve_of_an_image_is_its_share_found_at_each_rate_of_normal_images():
    made = pictures(n=12)
    normal = np.sort(np.concatenate([m.ravel() for m, g in made if not g.any()]))  # all of one size
    found = figures(made).aupimo_of_images
    defective = [(m, g) for m, g in made if g.any()]
    assert len(found) == len(defective)
    for one, (anomaly_map, mask) in zip(found, defective, strict=True):
        rates = 1 - np.searchsorted(normal, anomaly_map[mask]) / len(normal)
        expected = [(rates <= rate).mean() for rate in PIMO_FPR]
        assert np.abs(np.array(one.curve) - expected).max() <= 0.05
        assert list(one.curve) == sorted(one.curve)


def test_of_fewer_than_a_hundred_levels_figures_are_coarse():
    found = figures(pictures())
    assert replace(found, n_levels=100).remark is None
    assert "only 99 values" in replace(found, n_levels=99).remark


def test_bins_are_joined_to_1024_groups_of_equal_mass():
    n = 1 << 13
    occupied = np.arange(n) << (FINE_BITS - COARSE_BITS)  # the first fine bin of so many coarse ones
    group_of, firsts = groups(np.ones((4, n)), occupied)
    assert group_of[:n].tolist() == (np.arange(n) // 8).tolist()
    assert firsts.tolist() == occupied[::8].tolist()
    assert not group_of[n:].any()


def test_in_groups_of_bins_normal_and_defective_pixels_weigh_the_same():
    n = 1 << 13
    masses = np.zeros((2, n))
    masses[0, : n // 2], masses[1, n // 2 :] = 1, 1e-3  # a thousand times as many normal ones
    group_of, _ = groups(masses, np.arange(n) << (FINE_BITS - COARSE_BITS))
    assert (np.bincount(group_of[:n]) == 8).all()


def test_without_resamples_no_figure_of_pixels_has_an_interval_and_all_say_why():
    for figure in figures(pictures(), n_resamples=0).metrics.values():
        assert (figure.low, figure.high, figure.reason) == (None, None, "no interval: no resamples were asked for")


def test_areas_are_taken_to_these_limits_by_default():
    assert AUPRO_LIMITS == (0.3, 0.05)
    assert pytest.approx((1e-5, 1e-4)) == AUPIMO_RANGE
    assert pytest.approx([10 ** (-5 + k / 5) for k in range(26)]) == PIMO_FPR


def test_every_interval_of_pixels_comes_from_the_seed():
    made, found = pictures(n=24), []
    for seed in (1, 1, 2):
        histograms = PixelHistograms(region_threshold=0.2)
        for i, (anomaly_map, mask) in enumerate(made):
            histograms.add(f"{i:03}", anomaly_map, mask, "dent" if mask.any() else "good")
        drawn = histograms.figures(seed=seed, n_resamples=100, aupimo_range=FEW_PIXELS)
        found.append(drawn.metrics | {f"{name} of dents": one for name, one in drawn.per_defect[0].figures.items()})
    first, again, other = found
    assert first == again
    assert [name for name, figure in first.items() if figure == other[name]] == []


def test_a_pixel_at_the_threshold_of_regions_is_not_found():
    histograms = PixelHistograms(region_threshold=0.5)
    histograms.add("", np.array([[0.5, 0.75], [0.0, 0.5]]), np.array([[True, True], [False, False]]))
    found = histograms.figures(n_resamples=0).metrics
    assert [found[name].value for name in ("seg_f1", "iou", "pro")] == [2 / 3, 0.5, 0.5]
