import numpy as np
import pytest

from urushi.augmentation import augment_batch, rng_for

TRANSFORMS = (("rotation", {}), ("flip", {}), ("elastic", {}))


def test_what_an_image_gets_depends_on_seed_epoch_and_index_alone(sequence):
    for n_channels in [1, 3, 6]:
        augmentation = sequence(*TRANSFORMS)
        images = np.random.default_rng(0).random((6, n_channels, 20, 24), dtype=np.float32)
        whole = augment_batch(images, augmentation, seed=3, epoch=2, indices=range(6))
        order = np.array([4, 0, 5])
        part = augment_batch(images[order], augmentation, seed=3, epoch=2, indices=order)
        assert (whole.shape, whole.dtype) == (images.shape, np.float32), n_channels
        np.testing.assert_array_equal(part, whole[order])


def test_seed_epoch_and_index_each_matter(sequence):
    image = np.random.default_rng(0).random((1, 1, 32, 32), dtype=np.float32)

    def made(seed, epoch, index):
        return augment_batch(image, sequence(*TRANSFORMS), seed=seed, epoch=epoch, indices=[index]).tobytes()

    made_differently = {made(*key) for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]}
    assert len(made_differently) == 5
    assert made(0, 0, 0) == made(0, 0, 0)


def test_a_batch_is_its_images_one_by_one(sequence, smooth):
    augmentation = sequence(*TRANSFORMS)
    image = smooth((24, 24, 3))
    drawn = augmentation.draw(rng_for(1, 0, 7), (24, 24))
    batch = augment_batch(image.transpose(2, 0, 1)[None], augmentation, seed=1, epoch=0, indices=[7])
    np.testing.assert_array_equal(batch[0].transpose(1, 2, 0), augmentation.apply(image, drawn))


def test_without_transforms_a_batch_stays_as_it_is_in_memory_of_its_own(sequence):
    images = np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32)
    result = augment_batch(images, sequence(), seed=0, epoch=0, indices=[0, 1])
    np.testing.assert_array_equal(result, images)
    assert not np.shares_memory(result, images)


def test_too_few_indices_are_an_error(sequence):
    with pytest.raises(ValueError, match="shorter"):
        augment_batch(np.zeros((2, 1, 8, 8), np.float32), sequence(), seed=0, epoch=0, indices=[0])
