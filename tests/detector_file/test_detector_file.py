"""A detector file from a stranger, from a failing disk, from a killed process: a clear error, or the very detector."""

import hashlib
import io
import json
import math
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from urushi import Detector, Recipe
from urushi.errors import DetectorFileError, InputError

MEMBERS = {"recipe.toml", "weights.safetensors", "calibration.json", "card.json"}


def recipe(model: str) -> Recipe:
    return Recipe.from_table(
        {
            "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
            "model": {"name": model, "latent_dimension": 4},
            "score": {"name": "squared_error"},
            "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
        },
        "test",
    )


def fit(model: str) -> Detector:
    pictures = np.random.default_rng(0).integers(0, 255, (8, 32, 32), dtype=np.uint8)
    return Detector.fit(list(pictures), recipe(model))


@pytest.fixture(scope="module")
def detector(autoencoder) -> Detector:
    return Detector.load(autoencoder)


@pytest.fixture(scope="module")
def content(autoencoder) -> bytes:
    """A good file's bytes."""
    return autoencoder.read_bytes()


@pytest.fixture
def load(tmp_path) -> Callable[[bytes], Detector]:
    def load(content: bytes) -> Detector:
        path = tmp_path / "part.urushi"
        path.write_bytes(content)
        return Detector.load(path)

    return load


def members_in(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def forged(content: bytes, card: Callable[[dict[str, Any]], object] = len, **changes: bytes) -> bytes:
    """A file with other members and a card to match, as an attacker would write it; NaN and Infinity are let pass."""
    members = members_in(content)
    names = {name.partition(".")[0]: name for name in members}
    members |= {names[name]: data for name, data in changes.items()}
    facts = json.loads(members["card.json"])
    facts["digests"] = {name: hashlib.sha256(d).hexdigest() for name, d in members.items() if name != "card.json"}
    card(facts)
    return packed(members | {"card.json": json.dumps(facts).encode()})


def is_same(one: Detector, other: Detector) -> bool:
    weights, others = (d.backend.graph.state_dict() for d in (one, other))
    return (
        (one.recipe, one.held_out, one.threshold) == (other.recipe, other.held_out, other.threshold)
        and one.card["fit"] == other.card["fit"]
        and all(torch.equal(weights[key], others[key]) for key in weights)
    )


@pytest.fixture(scope="module")
def exported(exported_autoencoder) -> bytes:
    """The bytes of a file with an exported graph."""
    return exported_autoencoder.read_bytes()


# Exported graphs


def test_a_file_with_a_graph_is_saved_to_the_same_bytes(exported, load, tmp_path):
    load(exported).save(tmp_path / "again.urushi")
    assert (tmp_path / "again.urushi").read_bytes() == exported


def test_a_changed_graph_is_refused_by_its_digest(exported, load):
    members = members_in(exported)
    for graph in (members["graph.onnx"] + b"\0", members["weights.safetensors"], b""):
        with pytest.raises(DetectorFileError, match="digests do not match"):
            load(packed(members | {"graph.onnx": graph}))


def test_a_graph_of_another_detector_is_refused_though_its_digest_is_forged(exported, load):
    other = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20]> other (float[n, 1, 64, 64] images)
        => (float[n, 1, 64, 64] reconstruction, float[n, 1, 64, 64] anomaly_map, float[n] score)
        <int64[3] places = {1, 2, 3}> { reconstruction = Identity(images) anomaly_map = Abs(images)
        score = ReduceMean<keepdims = 0>(images, places) }"""
    )
    with pytest.raises(DetectorFileError, match="does not fit images"):
        load(forged(exported, graph=other.SerializeToString()))


def test_a_card_that_speaks_of_a_graph_that_is_not_there_is_an_error(exported, content, load):
    exports = json.loads(members_in(exported)["card.json"])["exports"]
    with pytest.raises(DetectorFileError, match=r"graph\.onnx, which it does not hold"):
        load(forged(content, card=lambda card: card.update(exports=exports)))


def test_a_card_that_lies_about_the_size_of_images_does_not_fit_its_graph(exported, load):
    with pytest.raises(DetectorFileError, match="does not fit images"):
        load(forged(exported, card=lambda card: card["fit"].update(image_shape=[1, 4096, 4096])))


def test_a_graph_that_passed_no_gate_is_not_run(exported, load):
    assert "PyTorch" in load(forged(exported, card=lambda card: card.pop("exports"))).backend.description


def test_a_pattern_of_tiles_that_does_not_fit_is_an_error(content, load):
    members = members_in(content)
    for strange in (np.zeros((3, 3), np.float32), np.full((32, 32), np.nan, np.float32), np.zeros((32, 32))):
        pattern = safetensors.numpy.save({"pattern": strange})
        digests = {"tiling.safetensors": hashlib.sha256(pattern).hexdigest()}
        card = json.loads(members["card.json"])
        card["digests"] |= digests
        with pytest.raises(DetectorFileError, match="pattern of tiles"):
            load(packed(members | {"tiling.safetensors": pattern, "card.json": json.dumps(card).encode()}))


# Good files


def test_forging_nothing_gives_a_file_that_loads(detector, content, load):
    assert is_same(load(forged(content)), detector)


def test_same_detector_gives_the_same_bytes(detector, content, tmp_path):
    detector.save(tmp_path / "again.urushi")
    assert (tmp_path / "again.urushi").read_bytes() == content


def test_loaded_detector_is_saved_to_the_same_bytes(content, load, tmp_path):
    load(content).save(tmp_path / "again.urushi")
    assert (tmp_path / "again.urushi").read_bytes() == content


def test_file_holds_the_stated_members_uncompressed_and_no_pickle(content):
    members = members_in(content)
    assert set(members) == MEMBERS
    assert content.count(members["weights.safetensors"]) == 1
    with zipfile.ZipFile(io.BytesIO(content)) as archive:  # the time of writing would make each file another
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert json.loads(members["card.json"])["format"] == 1
    for name in ("calibration.json", "card.json"):
        json.loads(members[name], parse_constant=pytest.fail)
    Recipe.from_toml(members["recipe.toml"].decode())


# Damage


def test_flipped_byte_anywhere_is_an_error_or_changes_nothing(detector, content, load):
    headers = sorted({m for name in ("PK\x01\x02", "PK\x03\x04", "PK\x05\x06") for m in positions(content, name)})
    rng = random.Random(0)
    chosen = [start + i for start in headers for i in range(0, 46, 2) if start + i < len(content)]
    chosen += [rng.randrange(len(content)) for _ in range(30)]
    refused = 0
    for position in chosen:
        damaged = bytearray(content)
        damaged[position] ^= rng.choice([1, 0x80, 0xFF])
        try:
            loaded = load(bytes(damaged))
        except DetectorFileError:
            refused += 1
        else:
            assert is_same(loaded, detector), position
    assert refused > len(chosen) / 2


def positions(content: bytes, signature: str) -> list[int]:
    parts = content.split(signature.encode("latin-1"))[:-1]
    return [sum(len(p) for p in parts[: n + 1]) + 4 * n for n in range(len(parts))]


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_an_error(share, content, load):
    with pytest.raises(DetectorFileError, match="damaged or no detector file"):
        load(content[: int(share * len(content))])


@pytest.mark.parametrize("foreign", [b"", b"no zip", b"\x89PNG\r\n\x1a\n" * 100, pickle.dumps({"a": 1}), b"PK\x05\x06"])
def test_file_of_another_kind_is_an_error(foreign, load):
    with pytest.raises(DetectorFileError, match="damaged or no detector file"):
        load(foreign)


def test_zip_of_something_else_is_an_error(load):
    with pytest.raises(DetectorFileError, match=r"unexpected member 'word/document\.xml'"):
        load(packed({"word/document.xml": b"<x/>"}))
    with pytest.raises(DetectorFileError, match=r"card\.json is missing"):
        load(packed({}))


def test_absent_file_and_folder_are_errors_that_say_so(tmp_path):
    with pytest.raises(DetectorFileError, match="does not exist; make one with `urushi fit"):
        Detector.load(tmp_path / "absent.urushi")
    with pytest.raises(DetectorFileError, match="cannot be read: Is a directory"):
        Detector.load(tmp_path)


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_missing_member_is_named(name, content, load):
    members = members_in(content)
    del members[name]
    with pytest.raises(DetectorFileError, match=f"{name} is missing"):
        load(packed(members))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "..\\evil", "evil/", "model.pkl", "card.json\n"])
def test_member_that_does_not_belong_there_is_refused_and_written_nowhere(name, content, load, tmp_path):
    with pytest.raises(DetectorFileError, match="unexpected member"):
        load(packed({**members_in(content), name: b"evil"}))
    assert [path.name for path in tmp_path.iterdir()] == ["part.urushi"]
    assert not (tmp_path.parent / "evil").exists()


def test_member_that_occurs_twice_is_refused(content, load):
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("recipe.toml", b"description = 'another'")
    with pytest.raises(DetectorFileError, match="occurs twice"):
        load(buffer.getvalue())


def test_compressed_member_is_refused_before_it_is_unpacked(content, load):
    bomb = members_in(content) | {"weights.safetensors": bytes(10**6)}
    with pytest.raises(DetectorFileError, match="a member is compressed"):
        load(packed(bomb, zipfile.ZIP_DEFLATED))


# Forgery, with digests that match


@pytest.mark.parametrize("number", [3, 10**9])
def test_newer_format_says_to_upgrade(number, content, load):
    with pytest.raises(DetectorFileError, match=f"has format {number}, written by Urushi .* upgrade it"):
        load(forged(content, lambda card: card.update(format=number)))


@pytest.mark.parametrize("number", [None, "new", [], math.inf, -math.inf, math.nan])
def test_format_that_is_no_number_is_an_error(number, content, load):
    with pytest.raises(DetectorFileError, match="does not state a format"):
        load(forged(content, lambda card: card.update(format=number)))


NO_JSON = [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("card", [*NO_JSON, b"{}", b'{"format": ' + b"9" * 5000])
def test_card_that_is_no_card_is_an_error(card, content, load):
    with pytest.raises(DetectorFileError, match=r"card\.json does not state a format"):
        load(packed({**members_in(content), "card.json": card}))


@pytest.mark.parametrize("member", ["recipe", "calibration"])
def test_changed_member_without_its_digest_is_an_error(member, content, load):
    members = members_in(content)
    name = next(n for n in members if n.startswith(member))
    with pytest.raises(DetectorFileError, match="digests do not match"):
        load(packed(members | {name: members[name] + b"\n"}))


HUGE = 10**7  # as channels, 5 GB of weights in the first layer alone


@pytest.mark.parametrize(
    "shape",
    [
        [HUGE, 32, 32],
        [1, 512, 512],
        [3, 32, 32],
        [10**9, 32, 32],
        [10**30, 32, 32],
        [1, HUGE, HUGE],
        [1, 32],
        [1, 32, 32, 32],
        [1, 0, 32],
        [1, -32, 32],
        [1, 32.0, 32],
        ["1", "32", "32"],
        [1, math.inf, 32],
        [1, math.nan, 32],
        "abc",
        {},
        None,
    ],
    ids=str,
)
def test_card_that_lies_about_the_size_of_images_is_an_error_and_takes_no_memory(shape, content, load):
    with at_most_bytes(10**9), pytest.raises(DetectorFileError):
        load(forged(content, lambda card: card["fit"].update(image_shape=shape)))


@pytest.mark.parametrize("n", ["x", -1, 0, 1.5, None, True, [3]], ids=str)
def test_a_card_that_does_not_say_how_many_images_were_learnt_from_is_an_error(n, content, load):
    with pytest.raises(DetectorFileError, match="how many images"):
        load(forged(content, lambda card: card["fit"].update(n_training=n)))


@pytest.mark.parametrize("beside", ["walls", 3, ["image"], {}], ids=str)
def test_a_card_that_names_something_else_beside_the_map_is_an_error(beside, content, load):
    with pytest.raises(DetectorFileError, match="beside_map"):
        load(forged(content, lambda card: card["fit"].update(beside_map=beside)))


class at_most_bytes:  # noqa: N801  reads as a statement
    """Inside, the process may take so many bytes more than it has."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + self.n, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


@pytest.mark.parametrize("fit", [None, [], {}, "abc"])
def test_card_without_facts_of_the_fit_is_an_error(fit, content, load):
    with pytest.raises(DetectorFileError, match="do not fit together"):
        load(forged(content, lambda card: card.update(fit=fit)))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"1"', "[]"])
@pytest.mark.parametrize("key", ["value", "scores", "map_peaks"])
def test_calibration_with_values_that_are_no_numbers_is_an_error(key, value, content, load):
    calibration = json.loads(members_in(content)["calibration.json"])
    part = calibration["threshold" if key == "value" else "held_out"]
    part[key] = "@" if key == "value" else ["@", *part[key][1:]]
    with pytest.raises(DetectorFileError):
        load(forged(content, calibration=json.dumps(calibration).replace('"@"', value).encode()))


@pytest.mark.parametrize("calibration", [*NO_JSON, b"{}", b'{"held_out": {}, "threshold": {}}'])
def test_calibration_that_is_none_is_an_error(calibration, content, load):
    with pytest.raises(DetectorFileError, match="do not fit together"):
        load(forged(content, calibration=calibration))


@pytest.mark.parametrize("text", [b"", b"a = ", b"\xff", b"description = 'nothing else'"])
def test_recipe_that_is_none_is_an_error(text, content, load):
    with pytest.raises(DetectorFileError, match="do not fit together"):
        load(forged(content, recipe=text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "autoencoder"', 'name = "../evil"'),
        ('name = "autoencoder"', 'name = "os"'),
        ('name = "autoencoder"', 'name = "variational_autoencoder"'),
        ("latent_dimension = 4", "latent_dimension = 5"),
        ("latent_dimension = 4", "latent_dimension = 1000000000"),
        ('name = "squared_error"', 'name = "squared"'),
        ('name = "scale"', 'name = "scale"\nfactor = 2'),
    ],
)
def test_recipe_that_does_not_fit_the_weights_is_an_error(old, new, content, load):
    text = members_in(content)["recipe.toml"].decode()
    assert old in text
    with pytest.raises(DetectorFileError, match="do not fit together"):
        load(forged(content, recipe=text.replace(old, new).encode()))


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("evil-was-here",)


def test_pickle_in_place_of_weights_is_not_run(content, load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch_file = io.BytesIO()
    torch.save({"weights": Evil()}, torch_file)
    for evil in (pickle.dumps(Evil()), torch_file.getvalue()):
        with pytest.raises(DetectorFileError, match="do not fit together"):
            load(forged(content, weights=evil))
    assert not (tmp_path / "evil-was-here").exists()


def test_weights_of_another_model_are_an_error(content, load, tmp_path):
    fit("variational_autoencoder").save(tmp_path / "other.urushi")
    other = members_in((tmp_path / "other.urushi").read_bytes())["weights.safetensors"]
    with pytest.raises(DetectorFileError, match="weights: "):
        load(forged(content, weights=other))


def test_weights_that_are_missing_strange_or_of_another_shape_are_an_error(content, load):
    weights = safetensors.torch.load(members_in(content)["weights.safetensors"])
    first = min(key for key, tensor in weights.items() if tensor.ndim == 4 and len(tensor) > 1)
    wrong = [
        {key: tensor for key, tensor in weights.items() if key != first},
        {**weights, "strange": torch.zeros(1)},
        {**weights, first: weights[first][:1].clone()},
        {},
    ]
    for state in wrong:
        with pytest.raises(DetectorFileError, match="weights: "):
            load(forged(content, weights=safetensors.torch.save(state)))


def test_weights_in_double_precision_come_back_in_single(detector, content, load):
    weights = safetensors.torch.load(members_in(content)["weights.safetensors"])
    double = {key: t.double() if t.is_floating_point() else t for key, t in weights.items()}
    assert is_same(load(forged(content, weights=safetensors.torch.save(double))), detector)


def test_safetensors_header_that_claims_gigabytes_is_an_error_and_takes_no_memory(content, load):
    header = json.dumps({"a": {"dtype": "F32", "shape": [10**9, 10**3], "data_offsets": [0, 4 * 10**12]}}).encode()
    for size in (len(header), 2**62):
        with at_most_bytes(10**9), pytest.raises(DetectorFileError, match="do not fit together"):
            load(forged(content, weights=size.to_bytes(8, "little") + header))


# Writing


@pytest.mark.parametrize("place", ["absent/part.urushi", "file/part.urushi", "folder"])
def test_place_that_cannot_be_written_is_an_error_that_names_it(place, detector, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{place} cannot be written: .*; choose another place"):
        detector.save(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_an_error(detector, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        detector.save(tmp_path / "part.urushi")
    tmp_path.chmod(0o700)


def test_full_disk_leaves_the_old_file_and_nothing_else(detector, content, tmp_path):
    (tmp_path / "part.urushi").write_bytes(content)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # writing more fails, as on a full disk
    try:
        with pytest.raises(InputError, match="cannot be written: File too large"):
            detector.save(tmp_path / "part.urushi")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == ["part.urushi"]
    assert (tmp_path / "part.urushi").read_bytes() == content


SAVE_FOR_EVER = """
import sys
from urushi import Detector
from urushi.recipe import Part
path = sys.argv[1]
detectors = [Detector.load(path).calibrate(Part(name="conformal", false_alarm_rate=a)) for a in (0.4, 0.7)]
print("ready", flush=True)
while True:
    for detector in detectors:
        detector.save(path)
"""


@pytest.mark.thorough
def test_kill_9_while_saving_leaves_the_old_file_or_the_new_one(content, tmp_path):
    path = tmp_path / "part.urushi"
    path.write_bytes(content)
    rng, seen = random.Random(0), set()
    process = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        for _ in range(20):  # stopped anywhere, the file is whole
            time.sleep(rng.uniform(0.001, 0.02))
            process.send_signal(signal.SIGSTOP)
            seen.add(Detector.load(path).threshold.value)
            process.send_signal(signal.SIGCONT)
    finally:
        process.kill()
        process.communicate()
    seen.add(Detector.load(path).threshold.value)
    assert len(seen) == 2  # both detectors: saving was indeed going on
