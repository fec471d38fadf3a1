"""Scans of one product are no independent images: products are what is exchangeable with a new one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.calibration import HeldOut, Normals, Threshold, false_discovery_threshold
from urushi.calibration.conformal import Conformal
from urushi.calibration.quantile import Quantile
from urushi.errors import CalibrationError

SCORES, GROUPS = [1.0, 2.0, 3.0, 4.0, 9.0], ["a", "a", "b", "b", "c"]  # each of a and b counts half


def test_each_image_counts_as_its_share_of_its_product():
    normals = Normals.of(SCORES, GROUPS)
    assert normals.n_independent == 3
    # (1 + 1), (1 + 1 + 1/2), (1 + 1 + 1 + 1/2) and (1 + 3) of 4; above all 1 of 4
    assert normals.p_values([9.5, 9.0, 4.0, 2.0, 1.0]).tolist() == [0.25, 0.5, 0.625, 0.875, 1.0]
    assert normals.limit(0.5) == (4.0, 0.5)
    assert normals.limit(0.65) == (3.0, 0.625)
    assert normals.share_above(3.0) == pytest.approx(1.5 / 3)


def test_the_order_of_images_says_nothing():
    order = [4, 0, 3, 1, 2]
    shuffled = Normals.of([SCORES[i] for i in order], [GROUPS[i] for i in order])
    assert shuffled.p_values(SCORES).tolist() == Normals.of(SCORES, GROUPS).p_values(SCORES).tolist()


some_scores = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 6)), min_size=10, max_size=60)


@given(some_scores, st.floats(0.15, 0.9))
def test_a_score_is_above_the_limit_where_its_p_value_is_at_most_the_rate(drawn, rate):
    scores, groups = [float(score) for score, _ in drawn], [str(group) for _, group in drawn]
    normals = Normals.of(scores, groups)
    if rate < 1 / (normals.n_independent + 1):
        return
    value, stated = normals.limit(rate)
    tested = np.arange(-1, 22, 0.5)
    assert ((tested > value) == (normals.p_values(tested) <= rate)).all()
    assert stated <= rate


def test_products_of_one_image_each_are_as_images():
    scores = np.random.default_rng(0).normal(size=60)
    plain = Conformal(false_alarm_rate=0.1).fit(scores)
    named = Conformal(false_alarm_rate=0.1).fit(scores, groups=[str(n) for n in range(60)])
    assert (named.value, named.false_alarm_rate) == (plain.value, plain.false_alarm_rate)


def test_products_bound_the_smallest_rate_and_not_their_images():
    scores, groups = np.arange(100.0), np.repeat([f"item-{n}" for n in range(10)], 10).tolist()
    assert Conformal(false_alarm_rate=1 / 11).fit(scores, groups=groups).value == 99
    with pytest.raises(CalibrationError, match=r"needs at least 19.*there are 10.*100 images of 10 products"):
        Conformal(false_alarm_rate=0.05).fit(scores, groups=groups)
    found = Conformal().fit(scores, groups=groups)
    assert (found.n_normals, found.n_groups, found.false_alarm_rate) == (100, 10, 1 / 11)
    assert "10 held-out products (100 images) are too few" in found.explanation


def test_other_rules_say_that_images_of_one_product_are_alike():
    groups = np.repeat([f"item-{n}" for n in range(40)], 5).tolist()
    found = Quantile(quantile=0.9, warn_rate=0.2).fit(np.arange(200.0), groups=groups)
    assert "of 40 products only" in found.explanation
    assert found.warn_rate == pytest.approx(0.2, abs=0.03)
    with pytest.raises(CalibrationError, match="Images of one product count as one"):
        Quantile(quantile=0.99).fit(np.arange(200.0), groups=groups)


def test_what_is_kept_in_a_file_comes_back():
    groups = tuple(f"{n:016x}" for n in (1, 1, 2, 3, 4))
    held_out = HeldOut(tuple(SCORES), tuple(SCORES), tuple(SCORES), "split", groups=groups)
    again = HeldOut.from_json(held_out.to_json())
    assert again == held_out
    assert again.normals.n_independent == 4
    threshold = held_out.fitted(Conformal())
    assert Threshold.from_json(threshold.to_json()) == threshold
    with pytest.raises(CalibrationError, match="differ in number"):
        HeldOut.from_json(held_out.to_json() | {"groups": groups[:2]})
    with pytest.raises(CalibrationError, match="of some images it is known"):
        held_out.plus(HeldOut((1.0,), (1.0,), (1.0,), "split"))


def test_a_file_without_products_is_as_it_always_was():
    held_out = HeldOut((1.0, 2.0), (1.0, 2.0), (1.0, 2.0), "split")
    assert "groups" not in held_out.to_json()
    assert "n_groups" not in held_out.fitted(Conformal()).to_json()


def test_a_batch_is_decided_by_products_and_says_what_that_is_worth():
    groups = tuple(f"{n // 10:016x}" for n in range(400))
    scores = tuple(np.random.default_rng(0).normal(size=400).tolist())
    held_out = HeldOut(scores, scores, scores, "split", groups=groups)
    found = false_discovery_threshold([9.0] * 5, scores, 0.2, groups=groups)
    assert found.n_groups == 40
    assert "no independent ones" in held_out.qualified(found).explanation
    with pytest.raises(CalibrationError):
        false_discovery_threshold([9.0], scores[:40], 0.1, groups=groups[:40])


# Whether the rate holds


def simulated(n_products: int, n_calibrations: int, *, within: float, seed: int = 0) -> tuple[float, float]:
    """Mean true false-alarm rates at a stated 5 %: counting products, and counting images as if independent.

    Products differ by a normal deviation of 1, scans of one by `within`; they have 2 to 18 scans each, and those with
    more scans score higher, the worst case for any weighting by images.
    """
    rng, rates = np.random.default_rng(seed), []
    new_sizes = rng.integers(2, 19, 4000)
    new = rng.normal(size=4000) + new_sizes / 9 + rng.normal(0, within, 4000)  # one scan each of new products
    for _ in range(n_calibrations):
        n_scans = rng.integers(2, 19, n_products)
        groups = np.repeat(np.arange(n_products), n_scans)
        scores = (rng.normal(size=n_products) + n_scans / 9)[groups] + rng.normal(0, within, len(groups))
        by_products = Conformal(false_alarm_rate=0.05).fit(scores, groups=list(map(str, groups))).value
        by_images = Conformal(false_alarm_rate=0.05).fit(scores).value
        rates.append([(new > by_products).mean(), (new > by_images).mean()])
    found = np.mean(rates, axis=0)
    return float(found[0]), float(found[1])


def test_the_stated_rate_holds_for_new_products():
    by_products, _ = simulated(39, 200, within=0.3)
    assert 0.03 < by_products < 0.058


def test_counting_images_lets_a_few_products_decide():
    """With as few products as state 5 % at all, the highest of them all is the threshold; by images it is not."""
    by_products, by_images = simulated(19, 300, within=0.1)
    assert by_products < 0.058
    assert by_images > by_products
