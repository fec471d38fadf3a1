"""The evaluation of a whole stream: masks, what is left out, reconstruction figures, JSON."""

import json
import weakref
from dataclasses import dataclass, is_dataclass, replace
from importlib import import_module
from inspect import Parameter, isfunction, signature
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from torch import tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from urushi import evaluation
from urushi.errors import InputError, UnreadableImageError
from urushi.evaluation import evaluate, fit_mask, resampled
from urushi.evaluation.aupimo import aupimo
from urushi.evaluation.confusion import decision_figures
from urushi.evaluation.image_metrics import defect_figures, image_figures
from urushi.evaluation.operating_points import operating_points, tnr_at_fnr, tpr_at_fpr
from urushi.evaluation.pixel_metrics import PixelHistograms
from urushi.evaluation.reconstruction_metrics import reconstruction_errors
from urushi.inspection import Inspection, MapScale, Unreadable
from urushi.reporting.figure_names import named

SIDE = 16
HALVED = np.diag([2.0, 2.0, 1])  # maps have half the resolution of the images


@dataclass(frozen=True)
class Labelled:
    label: int | None
    defect: str | None = None
    mask: Path | None = None


class Masks(dict):
    """Stands for the files: path → mask image."""

    def __call__(self, path):
        if path not in self:
            raise UnreadableImageError(str(path), "no such file")
        return self[path]


def inspection(source, anomaly_map, *, rebuilt=True, threshold=1.0):
    rng = np.random.default_rng(len(source))
    image = rng.uniform(0.2, 0.8, (SIDE, SIDE, 3)).astype(np.float32)
    score = float(anomaly_map.max())
    return Inspection(
        source=source,
        score=score,
        threshold=threshold,
        decision="anomalous" if score > threshold else "normal",
        p_value=0.5,
        places=(),
        original_size=(2 * SIDE, 2 * SIDE),
        to_original=HALVED,
        image=image,
        anomaly_map=anomaly_map.astype(np.float32),
        map_scale=MapScale(0.0, 1.0, 0.5),
        reconstruction=image + np.float32(0.1) if rebuilt else None,
        brightness=0.125,
    )


def stream(n=12, *, masked=True, **options):
    """Samples and inspections; the odd ones have a defect of 8×8 px of the original, 4×4 of the map."""
    rng = np.random.default_rng(0)
    results, masks = [], Masks()
    for i in range(n):
        path = Path(f"{i:02}_mask.png")
        anomaly_map = rng.gamma(2.0, 0.1, (SIDE, SIDE))
        if i % 2:
            masks[path] = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
            masks[path][4:12, 8:16] = 255
            anomaly_map[2:6, 4:8] += i / 6
        sample = Labelled(
            i % 2, ("dent" if i % 4 == 1 else "hole") if i % 2 else None, path if i % 2 and masked else None
        )
        results.append((sample, inspection(f"{i:02}.png", anomaly_map, **options)))
    return results, masks


def run(results, masks, **options):
    return evaluate(results, read_mask=masks, **{"n_resamples": 100, **options})


def test_figures_of_a_stream():
    results, masks = stream()
    found = run(results, masks)
    labels, scores = [s.label for s, _ in results], [r.score for _, r in results]
    assert found.image["roc_auc"].value == pytest.approx(roc_auc_score(labels, scores))
    assert sum(found.counts.values()) == 12
    assert [(row.defect, row.n) for row in found.per_defect] == [("dent", 3), ("hole", 3)]
    truth = np.stack(
        [
            fit_mask(masks[s.mask], (SIDE, SIDE), HALVED, (2 * SIDE, 2 * SIDE)) if s.mask else np.zeros((SIDE, SIDE))
            for s, _ in results
        ]
    )
    maps = np.stack([r.anomaly_map for _, r in results])
    assert found.pixel.metrics["roc_auc"].value == pytest.approx(
        roc_auc_score(truth.ravel() > 0, maps.ravel()), abs=1e-3
    )
    assert found.pixel.n_images == 12
    assert found.pixel.n_components == 6
    assert (found.pixel_reason, found.pixel_left_out) == (None, ())


def test_a_roc_auc_below_chance_is_remarked_of_images_defects_and_pixels():
    results, masks = stream()
    assert run(results, masks, n_resamples=0).below_chance is None
    turned = [(s, replace(r, score=-r.score, anomaly_map=-r.anomaly_map)) for s, r in results]
    said = run(turned, masks, n_resamples=0).to_json()["below_chance"]
    assert all(f" of {name}" in said for name in ("images", "defect dent", "defect hole", "pixels"))


def test_every_figure_of_pixels_has_a_name_in_words_and_a_line_on_what_it_says():
    for name in run(*stream()).pixel.metrics:
        words = named(f"pixel {name}")
        assert "_" not in words.name
        assert words.meaning


def test_maps_far_from_zero_have_the_same_pixel_figures():
    results, masks = stream()
    shifted = [
        (s, replace(r, anomaly_map=np.float32(4096 + r.anomaly_map), map_scale=MapScale(4096, 4097, 4096.5)))
        for s, r in results
    ]
    usual, found = run(results, masks).pixel, run(shifted, masks).pixel
    for name, figure in usual.metrics.items():
        assert found.metrics[name].value == pytest.approx(figure.value, abs=2e-3), name
    assert found.best_iou_threshold == pytest.approx(4096 + usual.best_iou_threshold, abs=2e-3)


def test_json_is_plain_and_complete():
    plain = json.loads(json.dumps(run(*stream()).to_json(), allow_nan=False))
    assert (plain["n_images"], plain["n_normal"], plain["n_anomalous"], plain["n_unreadable"]) == (12, 6, 6, 0)
    assert plain["image"]["roc_auc"].keys() == {"value", "low", "high"}
    assert plain["scores"][1] == {
        "source": "01.png",
        "label": 1,
        "defect": "dent",
        "score": plain["scores"][1]["score"],
        "decision": "normal",
        "p_value": 0.5,
        "caution": None,
    }
    assert {"aupro_0.3", "aupro_0.05", "iou_auc"} < plain["pixel"]["metrics"].keys()


def test_json_counts_normal_anomalous_and_unreadable_images_apart():
    results, masks = stream(n=9)
    results.append((Labelled(0), Unreadable("z.png", "zero bytes")))
    plain = run(results, masks, seed=7).to_json()
    assert (plain["n_images"], plain["n_normal"], plain["n_anomalous"], plain["n_unreadable"]) == (9, 5, 4, 1)
    assert plain["unreadable"] == [{"source": "z.png", "reason": "zero bytes"}]
    assert plain["interval"] == {"confidence": 0.95, "n_resamples": 100, "seed": 7}
    assert [(row["defect"], row["n"]) for row in plain["per_defect"]] == [("dent", 2), ("hole", 2)]
    assert (plain["pixel"]["n_images"], plain["pixel"]["n_components"]) == (9, 4)


def intervals(found):
    """Both ends of one interval of each kind that is drawn."""
    figures = {
        "image": found.image["average_precision"],
        "decision": found.image["f1"],
        "defect": found.per_defect[0].figures["average_precision"],
        "pixel": found.pixel.metrics["best_iou"],
    }
    return {kind: (figure.low, figure.high) for kind, figure in figures.items()}


def test_every_kind_of_drawn_interval_comes_from_the_seed():
    results, masks = stream(n=24)
    light = np.random.default_rng(0).uniform(0.5, 1, 24).astype(np.float32)
    results = [
        (s, replace(r, image=r.image * x, reconstruction=r.image)) for x, (s, r) in zip(light, results, strict=True)
    ]
    first, again, other = (intervals(run(results, masks, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert [kind for kind in first if first[kind] == other[kind]] == []


def test_resamples_and_limits_are_those_asked_for():
    results, masks = stream()
    found = run(results, masks, n_resamples=0, aupro_limits=(0.2,))
    assert {name for name in found.pixel.metrics if name.startswith("aupro")} == {"aupro_0.2"}
    for figure in (found.image["f1"], found.pixel.metrics["roc_auc"], found.image["average_precision"]):
        assert (figure.value is not None, figure.low) == (True, None)


@pytest.mark.parametrize(("rows", "fits"), [(51, True), (50, False)])
def test_the_sides_of_a_mask_may_be_two_percent_off_those_of_its_image(rows, fits):
    results, masks = stream()
    masks[Path("01_mask.png")] = np.full((rows, 52 if fits else 49), 255, np.uint8)
    assert (run(results, masks).pixel_left_out == ()) == fits


def test_order_of_images_changes_nothing():
    results, masks = stream()
    forward, backward = run(results, masks), run(results[::-1], masks)
    assert (forward.images, forward.image, forward.per_defect) == (backward.images, backward.image, backward.per_defect)
    for name, figure in forward.pixel.metrics.items():
        assert vars(figure) == pytest.approx(vars(backward.pixel.metrics[name]))
    assert forward.reconstruction == backward.reconstruction


def test_maps_are_not_kept():
    results, masks = stream()
    alive = []

    def one_by_one():
        while results:
            sample, result = results.pop()
            copied = result.anomaly_map.copy()
            alive.append(weakref.ref(copied))
            yield sample, Inspection(**{**vars(result), "anomaly_map": copied})
            del copied
            assert sum(reference() is not None for reference in alive) <= 1

    assert len(run(one_by_one(), masks).images) == 12


def test_unreadable_images_are_listed_and_counted_nowhere_else():
    results, masks = stream()
    results.insert(0, (Labelled(1), Unreadable("broken.png", "zero bytes")))
    found = run(results, masks)
    assert found.unreadable == (Unreadable("broken.png", "zero bytes"),)
    assert len(found.images) == 12
    assert found.to_json()["n_unreadable"] == 1


def test_nothing_readable_is_an_error():
    with pytest.raises(InputError, match="1 image came"):
        run([(Labelled(1), Unreadable("broken.png", "zero bytes"))], Masks())


@pytest.mark.parametrize("label", [None, 2, -1])
def test_a_sample_without_a_label_is_an_error(label):
    with pytest.raises(InputError, match="allowed are 0"):
        run([(Labelled(label), inspection("a.png", np.zeros((SIDE, SIDE))))], Masks())


def test_a_map_with_nan_is_an_error():
    with pytest.raises(InputError, match="NaN"):
        run([(Labelled(0), inspection("a.png", np.full((SIDE, SIDE), np.nan)))], Masks())


def test_without_masks_pixel_figures_are_null_with_a_reason():
    found = run(*stream(masked=False))
    assert found.pixel is None
    assert found.pixel_reason == "no image of a defect has a mask"
    assert len(found.pixel_left_out) == 6
    assert found.to_json()["pixel"] is None


def framed(results):
    """The same maps amid a frame of noughts that shows nothing of the images, which lie 4 px further in."""
    for sample, found in results:
        moved = found.to_original @ np.array([[1.0, 0, -4], [0, 1, -4], [0, 0, 1]])
        widened = {"anomaly_map": np.pad(found.anomaly_map, 4), "to_original": moved}
        pictures = {
            name: np.pad(getattr(found, name), ((4, 4), (4, 4), (0, 0))) for name in ("image", "reconstruction")
        }
        yield sample, replace(found, **widened, **pictures)


def test_a_frame_that_preprocessing_added_counts_in_no_figure_of_pixels():
    results, masks = stream()
    found, plain = run(list(framed(results)), masks), run(results, masks)
    for name in ("roc_auc", "pr_auc", "iou_auc", "aupro_0.3"):
        assert found.pixel.metrics[name].value == pytest.approx(plain.pixel.metrics[name].value, abs=1e-9), name
    for name in ("mse", "ssim"):
        assert found.reconstruction[name].value == pytest.approx(plain.reconstruction[name].value), name
    assert (plain.ignored_share, found.ignored_share) == (0, pytest.approx(1 - (16 / 24) ** 2))


def test_constant_maps_have_no_figures_of_pixels():
    """They would rank images, not places."""
    results, masks = stream()
    flat = [(s, replace(r, anomaly_map=np.full_like(r.anomaly_map, r.score))) for s, r in results]
    found = run(flat, masks)
    assert found.pixel is None
    assert found.pixel_reason == "every anomaly map is constant: this detector says nothing of places"
    assert found.image["roc_auc"].value is not None


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "cannot be read"),
        (np.zeros((32, 32), np.uint8), "marks nothing"),
        (np.pad(np.full((1, 1), 255, np.uint8), ((0, 31), (0, 31))), "nothing that preprocessing leaves at 16 × 16 px"),
        (np.full((32, 20), 255, np.uint8), "the mask has 20 × 32 px (width × height), its image 32 × 32 px"),
    ],
)
def test_an_unusable_mask_leaves_its_image_out_and_says_why(mask, reason):
    results, masks = stream()
    if mask is None:
        del masks[Path("01_mask.png")]
    else:
        masks[Path("01_mask.png")] = mask
    found = run(results, masks)
    assert found.pixel.n_images == 11
    assert len(found.images) == 12
    assert [one.source for one in found.pixel_left_out] == ["01.png"]
    assert reason in found.pixel_left_out[0].reason


def test_masks_that_can_all_not_be_used_are_no_absent_ones():
    results, masks = stream()
    masks.clear()
    found = run(results, masks)
    assert found.pixel is None
    assert found.pixel_reason.startswith("none of the 6 masks can be used; the first: 01.png: its mask cannot be read")
    assert len(found.pixel_left_out) == 6


def invert(masks, *numbers):
    for i in numbers:
        masks[Path(f"{i:02}_mask.png")] = 255 - masks[Path(f"{i:02}_mask.png")]


@pytest.mark.parametrize("numbers", [(1, 3, 5, 7, 9, 11), (1, 3, 5, 9, 11)])
def test_inverted_masks_are_refused(numbers):
    results, masks = stream()
    invert(masks, *numbers)
    found = run(results, masks)
    assert [one.source for one in found.pixel_left_out] == [f"{i:02}.png" for i in numbers]
    assert all("are they inverted?" in one.reason for one in found.pixel_left_out)
    assert found.pixel_remarks == ()
    assert (found.pixel is None) == (len(numbers) == 6)
    if found.pixel is None:
        assert found.pixel_reason.startswith("none of the 6 masks can be used; the first: 01.png: its mask marks most")
    else:
        assert (found.pixel.n_images, found.pixel.n_components) == (7, 1)


def test_inverted_masks_of_one_kind_of_defect_are_refused():
    results, masks = stream(n=24)
    invert(masks, 1, 5, 9, 13, 17, 21)
    assert {one.source for one in run(results, masks).pixel_left_out} == {f"{i:02}.png" for i in range(1, 24, 4)}


def test_a_single_mask_of_nearly_all_is_used_with_a_remark_whatever_the_order():
    results, masks = stream()
    invert(masks, 1)
    for found in (run(results, masks), run(results[::-1], masks)):
        assert found.pixel.n_images == 12
        assert [vars(one) for one in found.pixel_remarks] == [
            {"source": "01.png", "reason": "its mask marks 94% of its image; is that right?"}
        ]
        truth = np.stack(
            [
                fit_mask(masks[s.mask], (SIDE, SIDE), HALVED, (2 * SIDE, 2 * SIDE))
                if s.mask
                else np.zeros((SIDE, SIDE))
                for s, _ in results
            ]
        )
        expected = roc_auc_score(truth.ravel() > 0, np.stack([r.anomaly_map for _, r in results]).ravel())
        assert found.pixel.metrics["roc_auc"].value == pytest.approx(expected, abs=1e-3)
    assert found.to_json()["pixel_remarks"][0]["source"] == "01.png"


def test_a_large_defect_inside_is_used_with_a_remark():
    results, masks = stream()
    for mask in masks.values():
        mask[4:28, 4:28] = 255
    found = run(results, masks)
    assert (found.pixel.n_images, len(found.pixel_remarks)) == (12, 6)


def test_a_normal_image_whose_mask_marks_a_defect_is_left_out():
    results, masks = stream()
    results[0] = (Labelled(0, None, Path("01_mask.png")), results[0][1])
    (left_out,) = run(results, masks).pixel_left_out
    assert "labelled normal" in left_out.reason


def test_reconstruction_of_normals_only():
    results, masks = stream()
    found = run(results, masks).reconstruction
    normals = [r for s, r in results if s.label == 0]
    assert found["mse"].value == pytest.approx(0.01, rel=1e-4)
    psnr = [peak_signal_noise_ratio(tensor(r.reconstruction), tensor(r.image), data_range=1.0) for r in normals]
    assert found["psnr"].value == pytest.approx(float(np.mean(psnr)), rel=1e-4)
    assert 0.5 < found["ssim"].value < 1


def test_ssim_is_the_one_of_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

    rng = np.random.default_rng(0)
    image = rng.uniform(size=(64, 64, 3)).astype(np.float32)
    rebuilt = np.clip(image + rng.normal(scale=0.1, size=image.shape), 0, 1).astype(np.float32)
    pair = (tensor(a).permute(2, 0, 1)[None] for a in (rebuilt, image))
    expected = float(torch_ssim(*pair, data_range=1.0))
    assert reconstruction_errors(image, rebuilt)[2] == pytest.approx(expected, abs=5e-3)  # they treat borders apart


def test_a_perfect_reconstruction_has_no_psnr_in_json():
    results, masks = stream()
    same = [(s, Inspection(**{**vars(r), "reconstruction": r.image})) for s, r in results]
    found = run(same, masks).reconstruction
    assert found["mse"].value == 0.0
    assert found["psnr"].value is None
    assert found["psnr"].reason.startswith("infinite")
    assert found["ssim"].value == pytest.approx(1.0)


def test_methods_that_rebuild_no_pixels_say_so():
    found = run(*stream(rebuilt=False))
    assert found.reconstruction is None
    assert found.reconstruction_reason == "no normal image came with a reconstruction in pixels"


def test_all_images_normal():
    results, masks = stream()
    plain = run([one for one in results if one[0].label == 0], masks).to_json()
    assert plain["image"]["roc_auc"]["value"] is None
    assert plain["image"]["roc_auc"]["reason"]
    assert plain["image"]["specificity"]["value"] == 1.0
    assert (plain["pixel"], plain["per_defect"]) == (None, [])


def test_all_images_anomalous():
    results, masks = stream()
    plain = run([one for one in results if one[0].label == 1], masks).to_json()
    assert plain["image"]["specificity"]["value"] is None
    assert plain["image"]["recall"]["value"] == pytest.approx(4 / 6)
    assert plain["pixel"]["metrics"]["roc_auc"]["value"] > 0.5  # normal pixels are the background
    assert plain["reconstruction"] is None


def test_unsure_images_are_counted_apart_and_as_not_called_anomalous():
    results, masks = stream()
    before = run(results, masks)
    doubtful = [
        (sample, replace(one, decision="unsure", warn_threshold=0.1) if i in (0, 1, 2) else one)
        for i, (sample, one) in enumerate(results)
    ]
    found = run(doubtful, masks)
    assert found.to_json()["unsure"] == {"normal": 2, "anomalous": 1}
    assert before.unsure == {"normal": 0, "anomalous": 0}
    assert [results[i][1].decision for i in (0, 1, 2)] == ["normal"] * 3  # so the counts stay as they were
    assert (found.counts, found.image) == (before.counts, before.image)


def test_what_is_drawn_is_drawn_alike_by_default_and_its_options_are_named():
    n_resamples = dict.fromkeys((evaluate, image_figures, defect_figures, decision_figures), 1000)
    n_resamples |= dict.fromkeys((tpr_at_fpr, tnr_at_fnr, operating_points, aupimo, PixelHistograms.figures), 1000)
    for function, n in (n_resamples | {resampled: 200}).items():
        options = signature(function).parameters
        assert (options["seed"].default, options["n_resamples"].default) == (0, n), function
        assert options["seed"].kind is options["n_resamples"].kind is Parameter.KEYWORD_ONLY, function


def test_every_argument_can_be_named():
    own = [vars(import_module(f"urushi.evaluation.{one.name}")).values() for one in iter_modules(evaluation.__path__)]
    functions = [one for values in own for one in values if isfunction(one) and one.__module__.startswith("urushi.")]
    kinds = {
        p.kind for function in (*functions, PixelHistograms.figures) for p in signature(function).parameters.values()
    }
    assert len(functions) > 100
    assert kinds == {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}


def test_results_cannot_be_changed():
    modules = [import_module(f"urushi.evaluation.{one.name}") for one in iter_modules(evaluation.__path__)]
    found = {cls for module in modules for cls in vars(module).values() if isinstance(cls, type) and is_dataclass(cls)}
    own = {cls.__name__: cls for cls in found if cls.__module__.startswith("urushi.evaluation.")}
    assert {name for name, cls in own.items() if not cls.__dataclass_params__.frozen} == {"_Collected"}
    assert {"Figure", "Evaluation", "ScoredImage", "PixelFigures"} <= own.keys()


def test_normal_images_have_no_defect_and_unnamed_ones_are_a_type_of_their_own():
    results, masks = stream()
    results[0] = (Labelled(0, "good"), results[0][1])
    results[1] = (Labelled(1, None, results[1][0].mask), results[1][1])
    plain = run(results, masks).to_json()
    assert plain["format"] == 1
    assert [row["defect"] for row in plain["scores"][:4]] == [None, "(unnamed)", None, "hole"]
    assert [(row["defect"], row["n"]) for row in plain["per_defect"]] == [("(unnamed)", 1), ("dent", 2), ("hole", 3)]
    assert [group["name"] for group in plain["luminance"]["groups"]] == ["good", "(unnamed)", "dent", "hole"]


def test_brightness_is_that_of_images_as_they_were_read_and_not_as_the_model_saw_them():
    results, masks = stream()
    groups = run(results, masks).luminance.groups
    assert [group.mean for group in groups] == [0.125] * len(groups)
    unknown = [(sample, replace(found, brightness=None)) for sample, found in results]
    assert run(unknown, masks).luminance.groups == ()


def test_brightness_after_preprocessing_is_that_of_the_image_that_the_method_saw():
    results, masks = stream()
    prepared = run(results, masks).prepared_luminance
    good = [found.image.mean() for sample, found in results if sample.label == 0]
    assert prepared.groups[0].mean == pytest.approx(np.mean(good))
    assert prepared.groups[0].name == "good"


def test_reconstruction_of_one_normal_image_has_no_interval_and_that_of_two_has():
    results, masks = stream(n=5)
    assert [run(results[:n], masks).reconstruction["ssim"].low is None for n in (2, 3)] == [True, False]


@pytest.mark.parametrize(("shape", "is_defined"), [((11, 20, 1), True), ((10, 20, 1), False), ((20, 10, 1), False)])
def test_ssim_needs_eleven_pixels_a_side(shape, is_defined):
    image = np.random.default_rng(0).uniform(size=shape)
    assert np.isfinite(reconstruction_errors(image, image * 0.9)[2]) == is_defined


def test_errors_of_a_reconstruction_are_those_calculated_by_hand():
    image = np.zeros((2, 2, 3), np.float32)
    assert reconstruction_errors(image, image + np.float32(0.5))[:2] == pytest.approx((0.25, 6.0206), abs=1e-4)
    for pair in ((image, image[:1]), (image[0], image[0]), (image[None], image[None])):
        with pytest.raises(InputError, match="both must be"):
            reconstruction_errors(*pair)


def test_ssim_of_two_even_images_is_that_calculated_by_hand():
    dark = np.full((12, 12, 1), 0.1)
    assert reconstruction_errors(dark, 2 * dark)[2] == pytest.approx((0.04 + 1e-4) / (0.05 + 1e-4))  # 1e-4: 0.01²


def test_masks_follow_maps_that_are_no_squares():
    mask = np.zeros((16, 32), np.uint8)
    mask[4:8, 20:28] = 255
    anomaly_map = np.random.default_rng(0).gamma(2.0, 0.1, (8, 16))
    anomaly_map[2:4, 10:14] += 5
    one = replace(inspection("a.png", anomaly_map), original_size=(16, 32))
    found = run([(Labelled(1, "dent", Path("mask.png")), one)], Masks({Path("mask.png"): mask}))
    assert found.pixel.metrics["roc_auc"].value == 1
