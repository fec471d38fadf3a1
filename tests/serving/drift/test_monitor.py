"""Several statistics at once: what is learnt first, what the alarm says, and what a detector's file tells."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from urushi import Detector
from urushi.data.appearance import LIGHT
from urushi.serving.drift.martingale import Martingale
from urushi.serving.drift.monitor import N_REFERENCE, STATISTICS, Monitor, references

LEVELS = {"score": 30.0, "brightness": 0.42, "contrast": 0.2, "sharpness": 0.5, "dark": 0.1, "bright": 0.8}
LEVELS |= {"right": 0.5, "below": 0.5, "colour": 0}


def images(n: int, seed: int = 0, **moved: float):
    """Values of normal images, by default as they have always been."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield {name: moved.get(name, level) + level * rng.normal(0, 0.05) for name, level in LEVELS.items()}


def watching(n: int = 150) -> Monitor:
    monitor = Monitor.begun({}, seed=1)
    assert not any(monitor.see(image) for image in images(n))
    return monitor


def test_the_first_images_are_the_reference_where_nothing_else_is_known():
    monitor = watching(N_REFERENCE - 1)
    assert monitor.state == "learning"
    monitor.see(next(images(1, 5)))
    assert monitor.state == "watching"
    assert all(monitor.evidence(name) == 0 for name in STATISTICS)


def test_the_alarm_says_what_moved_from_where_to_where_and_stands():
    monitor = watching()
    n_images = next(n for n, image in enumerate(images(100, 7, brightness=0.47), 1) if monitor.see(image))
    assert n_images < 60
    assert monitor.state == "alarm"
    (moved,) = monitor.moved
    assert (moved.statistic, moved.way) == ("brightness", "up")
    assert re.match(r"brightness has moved up, from 0\.4[12]\d* to 0\.4[678]\d*; in", monitor.message)
    assert f"in the last {moved.n_images} normal images" in monitor.message
    assert monitor.evidence("brightness") >= 1
    assert not any(monitor.see(image) for image in images(10, brightness=0.9))


def test_light_that_flickers_is_said_to_vary_more():
    monitor = watching()
    for number, image in enumerate(images(200, 8)):
        if monitor.see({**image, "brightness": image["brightness"] + (0.06 if number % 2 else -0.06)}):
            break
    assert monitor.message.startswith("brightness varies more: half of it was in 0.4")


def test_after_an_alarm_the_reference_is_the_same_or_what_comes_next():
    monitor = watching()
    assert any(monitor.see(image) for image in images(100, 7, brightness=0.47))
    same, following = monitor.again(2, same_reference=True), monitor.again(2, same_reference=False)
    assert any(same.see(image) for image in images(100, 9, brightness=0.47))
    assert not any(following.see(image) for image in images(500, 9, brightness=0.47))


def test_it_goes_on_as_it_was_from_json():
    monitor = watching()
    other = Monitor.from_json(json.loads(json.dumps(monitor.to_json())))
    found = [(one.see(image), one.message) for image in images(60, 7, contrast=0.25) for one in (monitor, other)]
    assert found[::2] == found[1::2]
    assert Monitor.from_json(json.loads(json.dumps(monitor.to_json()))).message == monitor.message is not None


def test_rounds_begin_anew_against_the_first_of_all_values(monkeypatch):
    monkeypatch.setattr("urushi.serving.drift.monitor._MOST_REFERENCE", N_REFERENCE + 30)
    monkeypatch.setattr("urushi.serving.drift.monitor._ROUND", 50)
    monitor = watching(N_REFERENCE + 120)
    assert len(monitor.tests["score"].values) == 20
    assert len(monitor.tests["score"].reference) == N_REFERENCE + 30
    assert monitor.tests["score"].reference[-1] == float(f"{list(images(N_REFERENCE + 30))[-1]['score']:.6g}")


def test_runs_without_a_change_raise_no_more_alarms_than_is_stated():
    """At one in 1,000 at most 10 % of runs of 100 images: of 12 runs 1.2, and more than 4 in one of 200."""
    alarms = 0
    for run in range(12):
        monitor = replace(Monitor.begun({}, run), images_per_false_alarm=1000)
        alarms += any(monitor.see(image) for image in images(N_REFERENCE + 100, 100 + run))
    assert alarms <= 4


def test_the_file_of_a_detector_tells_of_held_out_images_below_its_threshold(exported_autoencoder):
    detector = Detector.load(exported_autoencoder)
    found = references(detector)
    assert detector.held_out.method == "split"
    assert found == {"score": [s for s in detector.held_out.scores if s < detector.threshold.value]}
    crossed = replace(detector.held_out, method="cross")
    assert references(detector.calibrate_on(detector.recipe.threshold, crossed, ())) == {}


def test_what_is_unknown_of_some_images_is_no_value_of_theirs():
    monitor = Monitor.begun({"score": list(map(float, range(120)))}, 0)
    monitor.see({"score": 3.0})
    assert len(monitor.tests["score"].values) == 1
    assert monitor.tests["dark"].reference == []
    assert isinstance(monitor.tests["dark"], Martingale)
    assert set(STATISTICS) == {"score", *LIGHT}


@pytest.mark.thorough
def test_the_file_of_a_detector_that_can_learn_on_tells_of_the_light_of_its_good_images(textures):
    from test_review import SMALL

    from urushi import Recipe
    from urushi.recipe import parse_setting

    recipe = Recipe.find("default").with_settings(dict(map(parse_setting, SMALL)))
    detector = Detector.fit(textures * 1, recipe)
    found = references(detector)
    below = sum(score < detector.threshold.value for score in detector.held_out.scores)
    assert set(found) == set(LIGHT)
    assert {len(values) for values in found.values()} == {below}
