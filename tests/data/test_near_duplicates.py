"""Scans of one product, found by what they show; and how their names may tell it."""

import cv2
import numpy as np
import pytest

from urushi.data.dataset import find_dataset
from urushi.data.diagnosis import diagnose
from urushi.data.near_duplicates import _N_PAIRS, Imprint, _correlations, _unrelated, connected, near_duplicates
from urushi.data.proposed_groups import numbered, proposed


def product(seed: int, side: int = 128) -> np.ndarray:
    """A plate with a texture of its own: (side, side) uint8."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), 2)
    plate = 60 * (np.abs(np.mgrid[:side, :side] - side / 2).max(axis=0) < side / 3)
    return np.uint8((90 + plate + 25 * texture / texture.std()).clip(0, 255))


def scan(image: np.ndarray, seed: int) -> np.ndarray:
    """Moved by up to two pixels, lighter or darker, with noise."""
    rng = np.random.default_rng(seed)
    shift = np.float32([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]])
    moved = cv2.warpAffine(image, shift, image.shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
    return np.uint8((moved * rng.uniform(0.97, 1.03) + rng.normal(0, 2, moved.shape)).clip(0, 255))


def imprints(n_products: int, n_scans: int) -> list[Imprint]:
    bodies = [product(seed) for seed in range(n_products)]
    return [Imprint.of(scan(body, 100 * n + k)) for n, body in enumerate(bodies) for k in range(n_scans)]


def test_scans_of_one_product_are_found_and_products_told_apart():
    pairs = near_duplicates(imprints(6, 3))
    assert connected(pairs) == [[3 * n, 3 * n + 1, 3 * n + 2] for n in range(6)]


def test_parts_of_one_kind_are_no_duplicates():
    assert near_duplicates(imprints(20, 1)) == []


def test_where_all_images_are_the_same_but_for_noise_nothing_is_named():
    assert near_duplicates([Imprint.of(scan(product(0), seed)) for seed in range(12)]) == []


def test_how_alike_unrelated_images_are_counts_each_drawn_pair():
    made = imprints(4, 1)
    details, thumbnails = [one.detail for one in made], np.stack([one.thumbnail for one in made])
    drawn = np.random.default_rng(0).integers(0, 4, (_N_PAIRS, 2))
    apart = np.linalg.norm(thumbnails[drawn[:, 0]] - thumbnails[drawn[:, 1]], axis=1)
    far = [(i, j) for (i, j), one in zip(drawn, apart, strict=True) if one >= np.median(apart) and i != j]
    reached = [_correlations(details[i], [details[j]])[0] for i, j in far]
    assert _unrelated(details, thumbnails) == pytest.approx(np.quantile(reached, 0.99), abs=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_images_and_flat_ones_have_none(n):
    assert near_duplicates([Imprint.of(np.full((9, 7, 3), 7, np.uint16))] * n) == []
    assert near_duplicates([Imprint.of(np.zeros((64, 64), np.float32))] * 5) == []


PAIRS = [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["item-01_scan-1.png", "item-01_scan-2.png"], r"item-(\d+)"),
        (["scan-1_item-01.png", "scan-2_item-01.png"], r"item-(\d+)"),
        (["A_1.png", "A_2.png"], r"^(.+)[^0-9]+\d+\.\w+$"),
        (["01_1.png", "01_2.png"], r"^\D*(\d+)"),
        (["1_01.png", "2_01.png"], r"^(?:\D*\d+\D+){1}(\d+)"),
        (["p01/a.png", "p01/b.png"], "folder"),
        (["x1.png", "x2.png"], None),
    ],
)
def test_a_common_pattern_of_the_names_is_proposed(names, expected):
    """Three products; of the last case each image has a number of its own."""
    paths = []
    for n, letter in enumerate("ABC", 1):
        paths += [name.replace("01", f"{n:02}").replace("A_", f"{letter}_") for name in names]
    if expected is None:
        paths = [f"x{n}.png" for n in range(6)]
    assert proposed(paths, PAIRS) == expected


def test_a_pattern_that_pairs_contradict_is_not_proposed():
    assert proposed([f"item-{n}_scan-{n}.png" for n in range(6)], PAIRS) is None
    assert proposed(["item-1_scan-1.png", "item-1_scan-2.png"] * 3, PAIRS[:2]) is None  # too few pairs to tell


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"item-{n:03}_scan-{k}.png" for n in range(9) for k in range(3)], (r"item-(\d+)", 9, 3)),
        ([f"item-{n:03}_scan-{k}.png" for n in range(9) for k in range(3)][1:], (r"item-(\d+)", 9, 3)),  # 1 missing
        ([f"cam{k}_{n:04}.png" for n in range(9) for k in range(2)], (r"^(?:\D*\d+\D+){1}(\d+)", 9, 2)),
        ([f"{n:03}.png" for n in range(9)], None),
        ([f"batch-{n // 5}_part-{n}.png" for n in range(50)], None),  # parts count on
        ([f"2026-11-30_12-{n:02}-{7 * n % 60:02}.png" for n in range(50)], None),
        ([f"item-{n}_scan-{k}.png" for n in range(3) for k in range(3)], None),  # too few to tell
        (["a.png", "b.png"], None),
        ([], None),
    ],
)
def test_names_alone_tell_scans_where_the_same_ones_recur_for_each_product(names, expected):
    assert numbered(names) == expected


def test_a_diagnosis_says_that_names_are_those_of_scans_which_look_unlike(tmp_path):
    (tmp_path / "train" / "good").mkdir(parents=True)
    for n in range(20):
        cv2.imwrite(str(tmp_path / "train" / "good" / f"item-{n // 2}_scan-{n % 2}.png"), product(n))
    warnings = " ".join(diagnose(find_dataset(tmp_path)).warnings)
    assert r"names are those of 10 products with 2 images each; if they are, " in warnings
    assert r"--group-by 'item-(\d+)'" in warnings


def test_a_diagnosis_says_what_is_nearly_the_same_and_how_it_is_told(tmp_path):
    """Four products of three scans each to learn from; of the first one also a scan to test with."""
    for n in range(4):
        for k in range(4):
            part = "test" if k == 3 else "train"
            place = tmp_path / part / "good" / f"item-{n if k < 3 or n == 0 else n + 10}_scan-{k}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place), scan(product(n if k < 3 or n == 0 else n + 10), 10 * n + k))
    found = diagnose(find_dataset(tmp_path))
    assert [len(group) for group in found.near] == [4, 3, 3, 3]
    assert len(found.near_leaks) == 1
    assert found.group_by == r"item-(\d+)"
    warnings = " ".join(found.warnings)
    assert "13 images are nearly the same as others" in warnings
    assert r"--group-by 'item-(\d+)'" in warnings
    assert "groups of these in several splits, or good and defective at once: 1" in warnings
    assert found.to_json()["near_leaks"][0][0].startswith("test/good/item-0")
