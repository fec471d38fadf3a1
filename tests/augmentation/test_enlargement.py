import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.augmentation import Record, Wish, enlarge, plan, read_records, replay
from urushi.data.dataset import find_dataset
from urushi.data.defects import KINDS
from urushi.data.images import read_image
from urushi.data.masks import read_mask
from urushi.errors import InputError, UnreadableImageError
from urushi.inspection import Unreadable

TRANSFORMS = (("rotation", {}), ("elastic", {}))


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path, smooth) -> Path:
    """MVTec layout; 16-bit to train, a bright square to find in test/square."""
    root = tmp_path / "in"
    for i in range(4):
        write(root / "train" / "good" / f"{i}.png", smooth((40, 48), np.uint16, i))
        write(root / "test" / "good" / f"{i}.png", smooth((40, 48, 3), np.uint8, i))
    for i in range(2):
        mask = np.zeros((40, 48), np.uint8)
        mask[10:22, 14:30] = 255
        write(root / "test" / "square" / f"{i}.png", mask)
        write(root / "ground_truth" / "square" / f"{i}_mask.png", mask)
    return root


def run(root, out, augmentation, wish=None, seed=0):
    dataset = find_dataset(root)
    wish = wish or Wish(n_copies=2, augments_test=True, n_synthetic=1)
    return list(enlarge(dataset, out, augmentation, plan(dataset.samples, wish, seed=seed), seed=seed, about="about"))


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_written_is_a_data_set_with_nothing_wrong_about_it(root, tmp_path, sequence):
    results = run(root, tmp_path / "out", sequence(*TRANSFORMS), Wish(n_copies=2, augments_test=True))
    assert not any(isinstance(result, Unreadable) for result in results)
    found = find_dataset(tmp_path / "out")
    assert (found.layout, found.problems) == ("mvtec", ())
    assert (len(found.normal_training()), len(found.test())) == (12, 18)
    assert sum(sample.mask is not None for sample in found.test()) == 6
    assert (tmp_path / "out" / "README.txt").read_text("utf-8").endswith("about\n")


def test_depth_and_channels_are_kept_and_originals_are_as_they_were(root, tmp_path, sequence):
    for record in run(root, tmp_path / "out", sequence(*TRANSFORMS), Wish(n_copies=2, augments_test=True)):
        before, after = read_image(root / record.source), read_image(tmp_path / "out" / record.file)
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        if not record.drawn.steps:
            np.testing.assert_array_equal(after, before)


def test_every_picture_can_be_made_again_from_its_record(root, tmp_path, sequence):
    augmentation = sequence(*TRANSFORMS, border="constant", fill_level=30.0, interpolation="bicubic")
    results = run(root, tmp_path / "out", augmentation)
    records = read_records(tmp_path / "out")
    assert records == results
    assert len(records) == 3 * 10 + len(KINDS)
    for record in records:
        image, mask = replay(record, root)
        np.testing.assert_array_equal(image, read_image(tmp_path / "out" / record.file))
        assert (mask is None) == (record.mask is None)
        if record.mask is not None:
            np.testing.assert_array_equal(mask, read_mask(tmp_path / "out" / record.mask))
    written = set(files(tmp_path / "out")) - {"README.txt", "augmentation.jsonl"}
    assert written == {name for record in records for name in (record.file, record.mask) if name}


def test_masks_lie_on_the_defects_they_belong_to(root, tmp_path, sequence):
    out = tmp_path / "out"
    run(root, out, sequence(*TRANSFORMS))
    squares = [sample for sample in find_dataset(out).test() if sample.defect == "square"]
    assert len(squares) == 6
    for sample in squares:
        seen, mask = read_image(sample.path) > 127, read_mask(sample.mask)
        assert (seen & mask).sum() / (seen | mask).sum() > 0.95


def test_masks_in_a_folder_and_of_the_unturned_image_follow_it(root, tmp_path, sequence):
    place = root / "ground_truth" / "square"
    mask = read_mask(place / "0_mask.png")
    (place / "0_mask.png").unlink()
    for i, side in enumerate((np.arange(48) < 20, np.arange(48) >= 20)):
        write(place / "0" / f"{i}.png", mask & side)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "test" / "square" / "1.png").save(root / "test" / "square" / "1.png", exif=exif)
    records = [one for one in run(root, tmp_path / "out", sequence(*TRANSFORMS)) if one.source_mask]
    assert {record.source_mask for record in records} == {"ground_truth/square/0", "ground_truth/square/1_mask.png"}
    for record in records:
        _, mask = replay(record, root)
        seen = read_image(tmp_path / "out" / record.file) > 127
        np.testing.assert_array_equal(mask, read_mask(tmp_path / "out" / record.mask))
        assert (seen & mask).sum() / (seen | mask).sum() > 0.95


def test_synthetic_defects_change_their_image_under_the_mask_and_nowhere_else(root, tmp_path, sequence):
    results = run(root, tmp_path / "out", sequence(), Wish(n_synthetic=2))
    synthetic = [record for record in results if record.defect]
    assert len(synthetic) == 2 * len(KINDS)
    for record in synthetic:
        before, after = read_image(root / record.source), read_image(tmp_path / "out" / record.file)
        changed = (before != after).any(axis=2)
        np.testing.assert_array_equal(changed, read_mask(tmp_path / "out" / record.mask))
        assert record.file.startswith(f"test/synthetic_{record.defect.kind}/")


@pytest.mark.thorough
def test_the_same_seed_writes_the_same_bytes_and_may_be_repeated(root, tmp_path, sequence):
    for name, seed in (("a", 1), ("b", 1), ("a", 1), ("c", 2)):
        run(root, tmp_path / name, sequence(*TRANSFORMS), seed=seed)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_every_variant_and_every_defect_is_another_one_and_depends_on_the_seed(root, tmp_path, sequence):
    wish = Wish(n_copies=3, n_synthetic=6)
    records = [
        record for seed in (0, 1) for record in run(root, tmp_path / str(seed), sequence(*TRANSFORMS), wish, seed)
    ]
    drawn = [str(record.drawn) for record in records if record.drawn.steps]
    painted = [record.defect for record in records if record.defect]
    assert len(drawn) == len(set(drawn)) == 2 * 4 * 3
    assert len(painted) == len(set(painted)) == 2 * 6 * len(KINDS)


def test_a_variant_is_the_same_whatever_else_is_written(root, tmp_path, sequence):
    run(root, tmp_path / "few", sequence(*TRANSFORMS), Wish(n_copies=1))
    run(root, tmp_path / "many", sequence(*TRANSFORMS), Wish(n_copies=3, augments_test=True))
    few, many = files(tmp_path / "few"), files(tmp_path / "many")
    del few["augmentation.jsonl"]
    assert few.items() <= many.items()


def test_a_defect_does_not_leave_the_picture(root, tmp_path, sequence):
    augmentation = sequence(("translation", {"horizontal_share": 0.7, "vertical_share": 0.7}), border="constant")
    results = run(root, tmp_path / "out", augmentation, Wish(n_copies=10, augments_test=True))
    assert not any(isinstance(result, Unreadable) for result in results)
    areas = [read_mask(tmp_path / "out" / record.mask).sum() for record in results if record.mask]
    assert len(areas) == 22
    assert min(areas) >= 12 * 16 / 2


def test_a_defect_that_always_leaves_the_picture_is_told_and_the_rest_is_written(root, tmp_path, sequence):
    corner = np.zeros((40, 48), np.uint8)
    corner[0, 0] = 255
    write(root / "ground_truth" / "square" / "0_mask.png", corner)
    results = run(root, tmp_path / "out", sequence(("scaling", {"low_factor": 2.0, "high_factor": 2.0})))
    (lost, _) = [result for result in results if isinstance(result, Unreadable)]
    assert "less than half of the defect was left" in lost.reason
    assert len(read_records(tmp_path / "out")) == len(results) - 2 == 28 + len(KINDS)


# --- what cannot be read or written -----------------------------------------------------------------------------------


def test_what_cannot_be_read_is_told_once_and_the_rest_is_written(root, tmp_path, sequence):
    (root / "train" / "good" / "1.png").write_text("no image")
    write(root / "ground_truth" / "square" / "1_mask.png", np.zeros((3, 4), np.uint8))
    Image.fromarray(np.full((40, 48), 7, np.float32)).save(root / "train" / "good" / "2.tiff")
    (root / "train" / "good" / "2.png").unlink()
    results = run(root, tmp_path / "out", sequence(*TRANSFORMS), Wish(n_copies=2))
    lost = {Path(r.source).name: r.reason for r in results if isinstance(r, Unreadable)}
    assert sorted(lost) == ["1.png", "1_mask.png", "2.tiff"]
    assert "4 × 3 px (width × height) and 48 × 40 px" in lost["1_mask.png"]
    assert "7…7" in lost["2.tiff"]
    assert len(read_records(tmp_path / "out")) == len(results) - 3 == 2 * 3 + 4 + 1


def test_an_image_too_small_for_a_synthetic_defect_is_told(root, tmp_path, sequence):
    write(root / "test" / "good" / "0.png", np.zeros((8, 8), np.uint8))
    results = run(root, tmp_path / "out", sequence(), Wish(n_synthetic=4))
    lost = [result.reason for result in results if isinstance(result, Unreadable)]
    assert len(lost) == len(KINDS)
    assert all("from 16 px on" in reason for reason in lost)


def test_a_folder_with_other_files_is_refused_before_anything_is_written(root, tmp_path, sequence):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(InputError, match="other files"):
        run(root, tmp_path / "out", sequence(*TRANSFORMS))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_pictures_of_an_earlier_run_with_other_wishes_do_not_stay_beside_the_new(root, tmp_path, sequence):
    run(root, tmp_path / "out", sequence(*TRANSFORMS), Wish(n_copies=3))
    before = files(tmp_path / "out")
    with pytest.raises(InputError, match=r"holds 8 other files, such as 'train/good/00000.-\d-002.png'"):
        run(root, tmp_path / "out", sequence(*TRANSFORMS), Wish(n_copies=1))
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("place", [".", "train/more", ".."])
def test_the_folder_lies_apart_from_the_images(root, place, sequence):
    with pytest.raises(InputError, match="in one another"):
        run(root, root / place, sequence(*TRANSFORMS))


def test_a_source_that_has_gone_is_told_when_its_variant_is_made_again(root, tmp_path, sequence):
    record = run(root, tmp_path / "out", sequence(*TRANSFORMS))[0]
    with pytest.raises(UnreadableImageError):
        replay(record, tmp_path / "elsewhere")


@pytest.mark.parametrize("change", [{"border": "torn"}, {"drawn": [{"name": "swirl"}]}, {"extra": 1}, {"defect": {}}])
def test_a_record_that_was_never_written_is_refused(root, tmp_path, sequence, change):
    table = run(root, tmp_path / "out", sequence(*TRANSFORMS))[0].to_json()
    assert Record.from_json(json.loads(json.dumps(table))).to_json() == table
    with pytest.raises(InputError):
        Record.from_json({**table, **change})


def test_a_damaged_list_of_records_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_records(tmp_path)
    (tmp_path / "augmentation.jsonl").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read_records(tmp_path)
