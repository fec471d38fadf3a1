"""Types learnt from a few labelled defects, and new ones proposed from what gathers, on a fitted detector."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from filelock import FileLock

from urushi import Detector, Recipe
from urushi.defect_types import DefectTypes, Encoder, NoveltyBuffer, buffer_file, update
from urushi.errors import DatasetError, InputError

KINDS = ("hole", "line", "spots")


def part(seed: int, kind: str | None = None) -> np.ndarray:
    """(64, 64) uint8: a weave, with a defect of a kind at a random place."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    image = 128 + 30 * np.sin(x / 3) + 20 * np.sin(y / 4) + rng.normal(0, 6, (64, 64))
    top, left = rng.integers(4, 40, 2)
    if kind == "hole":
        image[top : top + 16, left : left + 16] = 10
    elif kind == "line":
        image[:, left : left + 3] = 250
    elif kind == "spots":
        image[top : top + 20 : 4, left : left + 20 : 4] = 0
    return np.clip(image, 0, 255).astype(np.uint8)


def recipe(**model: object) -> Recipe:
    steps = [{"name": "grey"}, {"name": "scale"}]
    training = {"max_epochs": 2, "batch_size": 8, "accelerator": "cpu"}
    score = {"name": "feature" if model["name"] == "feature_reconstruction" else "squared_error"}
    return Recipe.from_table({"preprocessing": steps, "model": model, "score": score, "training": training}, "test")


@pytest.fixture(scope="module")
def detector() -> Detector:
    model = {"name": "feature_reconstruction", "blocks": [4, 7], "stride": 8}
    return Detector.fit([part(seed) for seed in range(24)], recipe(**model))


@pytest.fixture(scope="module")
def trained() -> Detector:
    model = {"name": "autoencoder", "architecture": "inspection", "latent_dimension": 8}
    return Detector.fit([part(seed) for seed in range(24)], recipe(**model))


def seen(encoder: Encoder, detector: Detector, seeds: range, kinds: tuple[str, ...] = KINDS):
    """Images as the encoder gets them, and their kinds."""
    labels = [kinds[seed % len(kinds)] for seed in seeds]
    found = detector.inspect_many(part(seed, label) for seed, label in zip(seeds, labels, strict=True))
    return [encoder.image(one) for one in found], labels


@pytest.fixture(scope="module")
def types(detector: Detector) -> DefectTypes:
    encoder = Encoder(detector)
    return DefectTypes.learn(encoder, *seen(encoder, detector, range(100, 124)))


def test_new_defects_of_known_types_are_named(types, detector):
    encoder = types.encoder(detector)
    images, labels = seen(encoder, detector, range(200, 230))
    found = [verdict.defect_type for verdict in types.classify(encoder.latents(images))]
    right = sum(name == label for name, label in zip(found, labels, strict=True))
    assert right >= 24
    assert types.held_out_right >= 18
    assert types.held_out_right + types.held_out_unknown <= 24


@pytest.mark.thorough
def test_a_type_that_was_never_shown_is_called_unknown_more_often_than_known_ones(detector):
    encoder = Encoder(detector)
    types = DefectTypes.learn(encoder, *seen(encoder, detector, range(100, 124), KINDS[:2]), unknown_rate=0.1)
    strange, _ = seen(encoder, detector, range(300, 320), ("spots",))
    known, _ = seen(encoder, detector, range(300, 320), KINDS[:2])
    unknown = [sum(v.defect_type is None for v in types.classify(encoder.latents(one))) for one in (strange, known)]
    assert unknown[0] > 14
    assert unknown[1] < 6


def test_saved_and_loaded_they_say_the_same(types, detector, tmp_path):
    types.save(tmp_path / "weave.types")
    loaded = DefectTypes.load(tmp_path / "weave.types")
    codes = types.encoder(detector).latents(seen(Encoder(detector), detector, range(200, 206))[0])
    assert loaded.classify(codes) == types.classify(codes)
    assert (loaded.held_out_right, loaded.key) == (types.held_out_right, types.key)


@pytest.mark.slow
def test_tuning_tells_apart_what_the_frozen_encoder_could_not_and_is_kept(trained, tmp_path):
    """An encoder that has hardly been trained; the images are those that it is tuned on."""
    encoder = Encoder(trained)
    images, labels = seen(encoder, trained, range(100, 118))
    tuned = DefectTypes.learn(encoder, images, labels, n_epochs=40)
    right = []
    for types in (DefectTypes.learn(encoder, images, labels), tuned):
        found = types.classify(types.encoder(trained).latents(images))
        right.append(sum(v.likeliest == label for v, label in zip(found, labels, strict=True)))
    assert right[1] > right[0]
    tuned.save(tmp_path / "tuned.types")
    loaded = DefectTypes.load(tmp_path / "tuned.types")
    codes = [one.encoder(trained).latents(images) for one in (tuned, loaded)]
    assert np.array_equal(*codes)
    assert not np.allclose(codes[0], encoder.latents(images))


@pytest.mark.slow
def test_tuned_jointly_an_encoder_goes_on_rebuilding(trained):
    encoder = Encoder(trained)
    images, labels = seen(encoder, trained, range(100, 112))
    owners = np.unique(labels, return_inverse=True)[1]
    errors = []
    for rebuilding in (0.0, 1.0):
        tuned = encoder.tuned(images, owners, n_epochs=60, seed=0, rebuilding=rebuilding)
        with torch.no_grad():
            pair = tuned._backend.graph.model.reconstruct(torch.from_numpy(np.stack(images)))
        errors.append(float((pair.original - pair.reconstruction).square().mean()))
    assert errors[1] < errors[0]


def test_a_frozen_backbone_cannot_be_tuned(detector):
    encoder = Encoder(detector)
    with pytest.raises(InputError, match="nothing to tune"):
        DefectTypes.learn(encoder, *seen(encoder, detector, range(100, 106)), n_epochs=1)


def test_one_image_of_a_type_is_too_few(detector):
    encoder = Encoder(detector)
    images, _ = seen(encoder, detector, range(3))
    with pytest.raises(DatasetError, match="a 2, b 1"):
        DefectTypes.learn(encoder, images, ["a", "a", "b"])


def test_types_of_another_detector_are_refused(types, autoencoder):
    with pytest.raises(InputError, match="another detector"):
        types.encoder(Detector.load(autoencoder))


@pytest.fixture(scope="module")
def gathered(detector: Detector) -> tuple[NoveltyBuffer, list[str]]:
    encoder = Encoder(detector)
    images, labels = seen(encoder, detector, range(400, 430))
    buffer = NoveltyBuffer(encoder.key)
    for code, image, label in zip(encoder.latents(images), images, labels, strict=True):
        buffer = buffer.add(code, image.transpose(1, 2, 0), label)
    return buffer.proposed(), labels


def test_similar_images_become_proposals(gathered):
    from sklearn.metrics import adjusted_rand_score

    buffer, labels = gathered
    assert len(buffer.codes) == 30
    assert adjusted_rand_score(labels, buffer.proposals) > 0.7


def test_a_named_proposal_names_later_images_and_nothing_else(gathered, detector):
    buffer, labels = gathered
    number = buffer.proposals[labels.index("hole")]
    named = buffer.named({number: "a hole"})
    assert number not in named.proposals
    encoder = Encoder(detector)
    found = {}
    for kind in ("hole", "line"):
        images, _ = seen(encoder, detector, range(500, 512), (kind,))
        found[kind] = [named.type_of(code) for code in encoder.latents(images)]
    assert found["hole"].count("a hole") >= 9
    assert found["line"].count("a hole") <= 1


def test_nothing_is_named_before_somebody_names_it(gathered, detector):
    buffer, _ = gathered
    assert buffer.type_of(buffer.codes[0].astype(float)) is None
    assert NoveltyBuffer("key").type_of(np.zeros(3)) is None
    with pytest.raises(InputError, match="99=x"):
        buffer.named({99: "x"})


def test_an_image_that_comes_again_is_kept_once(gathered):
    buffer, _ = gathered
    assert buffer.add(buffer.codes[3].astype(float), np.zeros((64, 64, 1), np.float32), "again") is buffer


def test_few_images_are_no_proposal_yet():
    buffer = NoveltyBuffer("key")
    for seed in range(4):
        buffer = buffer.add(np.random.default_rng(seed).normal(size=5), np.zeros((8, 8, 3), np.float32), str(seed))
    assert buffer.proposed().proposals == (0,) * 4


def test_a_buffer_is_saved_and_loaded_whole(gathered, tmp_path):
    buffer, _ = gathered
    named = buffer.named({1: "one"})
    named.save(tmp_path / "b")
    loaded = NoveltyBuffer.load(tmp_path / "b")
    assert (loaded.names, loaded.proposals, loaded.sources) == (named.names, named.proposals, named.sources)
    assert np.array_equal(loaded.codes, named.codes)
    assert np.array_equal(loaded.pictures, named.pictures)


def part_of(buffer: NoveltyBuffer, rows: list[int]) -> NoveltyBuffer:
    found = NoveltyBuffer(buffer.key)
    for row in rows:
        found = found.add(buffer.codes[row].astype(float), buffer.pictures[row] / 255, buffer.sources[row])
    return found


def test_what_two_programs_gather_and_a_third_names_is_all_kept(gathered, tmp_path):
    buffer, path = gathered[0], tmp_path / "b"
    first, second = part_of(buffer, list(range(20))), part_of(buffer, list(range(10, 30)))
    update(path, lambda _: first)
    named = update(path, lambda stored: stored.proposed().named({1: "a type"}))
    both = update(path, lambda stored: stored.merged(second))
    assert sorted(both.sources) == sorted(buffer.sources)
    assert both.names.count("a type") == named.names.count("a type") > 0
    assert both.merged(NoveltyBuffer(buffer.key)) is both
    assert NoveltyBuffer(buffer.key).merged(first).sources == first.sources


def test_of_programs_that_write_at_once_none_loses_its_images(gathered, tmp_path):
    buffer, path = gathered[0], tmp_path / "b"

    def gather(row: int) -> None:
        own = part_of(buffer, [row])
        update(path, lambda stored: own if stored is None else stored.merged(own))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(gather, range(30)))
    assert sorted(NoveltyBuffer.load(path).sources) == sorted(buffer.sources)


def test_a_file_that_stays_in_use_is_an_error_after_a_while(gathered, tmp_path, monkeypatch):
    monkeypatch.setattr(buffer_file, "_PATIENCE_SECONDS", 0.1)
    with FileLock(tmp_path / ".b.lock"), pytest.raises(InputError, match="in use by another program"):
        update(tmp_path / "b", lambda _: gathered[0])


@pytest.mark.parametrize("damage", ["text", "other kind", "no facts", "short list", "wrong list", "nan", "missing"])
def test_damaged_files_are_refused_in_words(damage, gathered, types, tmp_path: Path):
    path, (buffer, _) = tmp_path / "file", gathered
    buffer.save(path)
    if damage == "text":
        path.write_text("no tensors")
    elif damage == "other kind":
        types.save(path)
    elif damage == "missing":
        path.unlink()
    else:
        change(path, damage)
    with pytest.raises(InputError, match="file"):
        NoveltyBuffer.load(path)


def contents(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    with safetensors.safe_open(path, "numpy") as file:
        return file.metadata(), safetensors.numpy.load_file(path)


def change(path: Path, damage: str) -> None:
    metadata, tensors = contents(path)
    if damage == "no facts":
        del metadata["facts"]
    elif damage == "short list":
        tensors["codes"] = tensors["codes"][1:]
    elif damage == "wrong list":
        metadata["facts"] = metadata["facts"].replace('"hole"', "7")
    elif damage == "nan":
        tensors["codes"][0, 0] = np.nan
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


def test_types_with_shapes_that_do_not_fit_are_refused(types, tmp_path):
    path = tmp_path / "file"
    types.save(path)
    metadata, tensors = contents(path)
    path.write_bytes(safetensors.numpy.save(tensors | {"weight": tensors["weight"][:, 1:]}, metadata))
    with pytest.raises(InputError, match="damaged"):
        DefectTypes.load(path)


@pytest.mark.parametrize("names", [[1, 2, 3], ["hole", "line"], "hol", ["hole", "", "spots"], None, {"hole": 1}])
def test_types_with_names_that_are_none_are_refused(names, types, tmp_path):
    types.save(path := tmp_path / "file")
    metadata, tensors = contents(path)
    facts = json.dumps(json.loads(metadata["facts"]) | {"names": names})
    path.write_bytes(safetensors.numpy.save(tensors, metadata | {"facts": facts}))
    with pytest.raises(InputError, match="damaged"):
        DefectTypes.load(path)


def test_a_code_of_zeros_is_one_like_others():
    """A network of rectifiers may give it for a black image."""
    buffer = NoveltyBuffer("key")
    for seed in range(12):
        code = np.random.default_rng(seed).normal(size=5) * (seed > 3)
        buffer = buffer.add(code + 1e-3 * seed * (seed < 4), np.zeros((8, 8, 3), np.float32), str(seed))
    buffer = buffer.add(np.zeros(5), np.zeros((8, 8, 3), np.float32), "zeros")
    assert len(buffer.proposed().proposals) == 12
    named = buffer.proposed().named({number: str(number) for number in set(buffer.proposed().proposals) - {0}})
    named.type_of(np.zeros(5))
