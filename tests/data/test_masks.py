"""The same mask written in many ways reads the same; what is ambiguous is refused with its reason."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from urushi.data.masks import Coverage, fitting, inverted, read_mask
from urushi.errors import UnreadableImageError

TRUTH = np.zeros((96, 80), bool)
TRUTH[20:40, 30:60] = True
TRUTH[60:64, 5:9] = True
SECOND = np.zeros_like(TRUTH)
SECOND[60:64, 5:9] = True  # a defect of another kind, also in TRUTH
BROAD = np.zeros(TRUTH.shape, np.uint8)
BROAD[70:90, 10:40] = 110  # a label of its own beside 255
GREY = Image.fromarray(TRUTH.astype(np.uint8) * 255)
IDS = TRUTH.astype(np.uint8) + SECOND
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def painted(defect, ground):
    """(H, W, channels) uint8 of two colours."""
    return np.where(TRUTH[:, :, None], np.uint8(defect), np.uint8(ground))


def with_palette(index, *colours):
    image = Image.fromarray(index.astype(np.uint8), mode="P")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def grey_ramp(levels):
    return with_palette(levels, *((level,) * 3 for level in range(256)))


def three_colours():
    pixels = painted(RED, BLACK)
    pixels[SECOND] = (0, 0, 90)
    return pixels


def soft(radius):
    return GREY.filter(ImageFilter.GaussianBlur(radius))


def antialiased():
    """Edges of few levels only."""
    large = np.zeros((192, 160), np.float32)
    cv2.circle(large, (80, 96), 41, 255, -1)
    return cv2.resize(large, (80, 96), interpolation=cv2.INTER_AREA).astype(np.uint8)


EXACT = {
    "255": TRUTH.astype(np.uint8) * 255,
    "1": TRUTH.astype(np.uint8),
    "200": TRUTH.astype(np.uint8) * 200,
    "16 bits, 1": TRUTH.astype(np.uint16),
    "16 bits, 40000": TRUTH.astype(np.uint16) * 40000,
    "one bit": Image.fromarray(TRUTH),
    "labels 1 and 2": IDS,
    "labels 7 and 250": TRUTH.astype(np.uint8) * 7 + SECOND.astype(np.uint8) * 243,
    "labels 128 and 255": TRUTH.astype(np.uint8) * 128 + SECOND * np.uint8(127),
    "16-bit labels 1001 and 1002": TRUTH.astype(np.uint16) * 1001 + SECOND,
    "LA, transparent white": Image.fromarray(painted((255, 255), (255, 0)), mode="LA"),
    "LA, opaque": Image.fromarray(painted((255, 255), (0, 255)), mode="LA"),
    "RGB grey": painted(WHITE, BLACK),
    "RGB, one in blue": painted((0, 0, 1), BLACK),
    "red on black": painted(RED, BLACK),
    "red and dark blue on black": three_colours(),
    "red on white": painted(RED, WHITE),
    "red on grey": painted(RED, (128, 128, 128)),
    "white on blue": painted(WHITE, (0, 0, 255)),
    "RGBA, transparent white": painted((*WHITE, 255), (*WHITE, 0)),
    "RGBA, transparent black and black": painted((*BLACK, 255), (*BLACK, 0)),
    "RGBA, black on transparent white": painted((*BLACK, 255), (*WHITE, 0)),
    "RGBA, red on transparent black": painted((*RED, 255), (*BLACK, 0)),
    "RGBA, opaque": painted((*WHITE, 255), (*BLACK, 255)),
    "RGBA, all transparent": painted((*WHITE, 0), (*BLACK, 0)),
    "RGBA, half transparent red on black": painted((*RED, 128), (*BLACK, 255)),
    "palette, white and red": with_palette(TRUTH, WHITE, RED),
    "palette, white and black": with_palette(TRUTH, WHITE, BLACK),
    "palette, labels": with_palette(IDS, BLACK, (128, 0, 0), (0, 128, 0)),
    "palette, labels on a colour": with_palette(IDS, (68, 1, 84), (253, 231, 37), (33, 145, 140)),
    "palette, all black": with_palette(TRUTH, BLACK, BLACK),
    "palette, grey ramp of 255": grey_ramp(TRUTH * 255),
    "palette, grey ramp of 1": grey_ramp(TRUTH),
    "palette, reversed order": with_palette(~TRUTH, WHITE, BLACK),
    "palette, colours in reversed order": with_palette(~TRUTH, RED, BLACK),
    "quantised": Image.fromarray(painted(RED, BLACK)).quantize(2),
}
NEARLY = {
    "bicubic": GREY.resize((40, 48), 3).resize((80, 96), 3),
    "blurred": soft(1.5),
    "blurred, palette of grey": grey_ramp(np.asarray(soft(1.5))),
    "blurred, 16 bits": np.asarray(soft(1.5)).astype(np.uint16) * 257,
    "blurred, up to 60": (np.asarray(soft(1.5)) * (60 / 255)).astype(np.uint8),
    "blurred, transparent white": np.dstack([np.full((96, 80, 3), 255, np.uint8), np.asarray(soft(1.5))]),
    "blurred, few colours": soft(1).convert("RGB").quantize(16),
    "blurred red on black, few levels": Image.fromarray(painted(RED, BLACK)).filter(ImageFilter.GaussianBlur(0.7)),
    "blurred red on white": Image.fromarray(painted(RED, WHITE)).filter(ImageFilter.GaussianBlur(1.5)),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_mask_reads_the_same_however_it_is_written(name, tmp_path):
    written = EXACT[name]
    image = written if isinstance(written, Image.Image) else Image.fromarray(written)
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)
    np.testing.assert_array_equal(read_mask(image), TRUTH)


@pytest.mark.parametrize("name", NEARLY)
def test_soft_edges_are_cut_in_the_middle(name, tmp_path):
    written = NEARLY[name]
    image = written if isinstance(written, Image.Image) else Image.fromarray(written)
    image.save(tmp_path / "mask.png")
    read = read_mask(tmp_path / "mask.png")
    assert (read ^ TRUTH).sum() <= 24  # corners


def test_soft_edges_of_few_levels_are_no_labels():
    levels = antialiased()
    assert 4 <= len(np.unique(levels)) <= 16
    np.testing.assert_array_equal(read_mask(levels), levels > 127)


def test_many_labels_are_all_defects():
    levels = np.kron(np.arange(100).reshape(10, 10), np.ones((8, 8))).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(levels), levels > 0)


@pytest.mark.parametrize("quality", [30, 75, 95, 100])
@pytest.mark.parametrize(
    ("mode", "ground", "tolerance"), [("L", None, 12), ("RGB", None, 12), ("CMYK", None, 12), ("RGB", WHITE, 12)]
)
def test_noise_of_a_jpeg_is_no_defect(mode, ground, tolerance, quality, tmp_path):
    image = GREY.convert("RGB").convert(mode) if ground is None else Image.fromarray(painted(RED, ground))
    image.save(tmp_path / "mask.jpg", quality=quality, subsampling=0)
    assert (read_mask(tmp_path / "mask.jpg") ^ TRUTH).sum() <= tolerance
    if mode == "L":  # and saved again as something else
        Image.open(tmp_path / "mask.jpg").save(tmp_path / "mask.png")
        assert (read_mask(tmp_path / "mask.png") ^ TRUTH).sum() <= tolerance


@pytest.mark.parametrize("name", ["mask.tif", "mask.bmp", "mask.pgm", "mask.webp"])
def test_other_kinds_of_file(name, tmp_path):
    GREY.save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name), TRUTH)


def interlaced(levels):
    """A grey PNG of 8 bits by Adam7, which Pillow does not write."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = (levels[y::dy, x::dx] for y, x, dy, dx in passes)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for part in parts for row in part))
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def test_palette_and_labels_in_bmp_tiff_and_interlaced_png(tmp_path):
    for name in ("mask.bmp", "mask.tif"):
        with_palette(TRUTH, WHITE, RED).save(tmp_path / name)
        np.testing.assert_array_equal(read_mask(tmp_path / name), TRUTH)
    (tmp_path / "mask.png").write_bytes(interlaced(IDS))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)


@pytest.mark.parametrize(
    "levels",
    [TRUTH.astype(np.float32), TRUTH * np.float32(2) - 1, cv2.GaussianBlur(TRUTH.astype(np.float32), (0, 0), 1.5)],
)
def test_a_float_tiff(levels, tmp_path):
    Image.fromarray(levels).save(tmp_path / "mask.tif")
    assert (read_mask(tmp_path / "mask.tif") ^ TRUTH).sum() <= 24


@pytest.mark.parametrize(("ground", "defect"), [(WHITE, RED), (BLACK, BLACK), (WHITE, BLACK)])
def test_transparency_of_a_palette(ground, defect, tmp_path):
    with_palette(TRUTH, ground, defect).save(tmp_path / "mask.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)
    with_palette(~TRUTH, defect, ground).save(tmp_path / "mask.png", transparency=1)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)


def test_sixteen_bits_with_transparency(tmp_path):
    pixels = np.dstack([np.full((*TRUTH.shape, 3), 65535, np.uint16), TRUTH * np.uint16(65535)])
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)


def test_nothing_marked_and_everything_marked():
    assert not read_mask(np.zeros((8, 8), np.uint8)).any()
    assert read_mask(np.full((8, 8), 3, np.uint8)).all()


@pytest.mark.parametrize("colour", [(*WHITE, 0), (*BLACK, 0), (*BLACK, 255)])
def test_a_transparent_mask_on_which_nothing_is_drawn_marks_nothing(colour, tmp_path):
    Image.new("RGBA", (8, 8), colour).save(tmp_path / "mask.png")
    assert not read_mask(tmp_path / "mask.png").any()


def test_one_transparent_level_of_grey_and_two_bits(tmp_path):
    Image.fromarray(TRUTH.astype(np.uint8) * 200).save(tmp_path / "mask.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)
    with_palette(IDS, *[WHITE] * 4).save(tmp_path / "mask.png", bits=2)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), TRUTH)


def noise(low, high):
    return np.random.default_rng(0).integers(low, high, TRUTH.shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (noise(80, 160), "looks like a picture"),
        (IDS + np.uint8(1), "no pixel of the mask is 0 (1, 2, 3)"),
        (np.where(SECOND, -1, TRUTH).astype(np.float32), "negative"),
        (-TRUTH.astype(np.float32), "negative"),
        (np.where(SECOND, 255, TRUTH).astype(np.uint8), "255 beside 1, which may mean 'ignore'"),
        (with_palette(np.where(SECOND, 255, TRUTH), BLACK, RED, *[BLACK] * 253, WHITE), "may mean 'ignore'"),
        (painted(BLACK, RED), "the ground is unclear"),
        (np.dstack([noise(0, 255), noise(0, 100), noise(0, 30)]), "the ground is unclear"),
    ],
)
def test_what_is_ambiguous_is_refused(written, reason, tmp_path):
    image = written if isinstance(written, Image.Image) else Image.fromarray(written)
    path = tmp_path / ("mask.tif" if image.mode == "F" else "mask.png")
    image.save(path)
    with pytest.raises(UnreadableImageError) as caught:
        read_mask(path)
    assert reason in caught.value.reason
    assert caught.value.source == str(path)


@pytest.mark.parametrize("name", ["mask.tif", "mask.png"])
def test_a_mask_of_several_pages_is_refused(name, tmp_path):
    GREY.save(tmp_path / name, save_all=True, append_images=[Image.fromarray(SECOND)])
    with pytest.raises(UnreadableImageError, match="the mask has 2 pages; save each as a file in a folder"):
        read_mask(tmp_path / name)


@pytest.mark.parametrize("quality", [75, 100])
@pytest.mark.parametrize("levels", [IDS * 5, TRUTH, np.maximum(BROAD, TRUTH * 255)])
def test_labels_in_a_jpeg_are_refused(levels, quality, tmp_path):
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "mask.jpg", quality=quality)
    with pytest.raises(UnreadableImageError, match="save the mask as PNG"):
        read_mask(tmp_path / "mask.jpg")


def test_a_folder_is_all_of_its_masks_together(tmp_path):
    Image.fromarray((TRUTH & ~SECOND).astype(np.uint8) * 255).save(tmp_path / "000.png")
    Image.fromarray(SECOND.astype(np.uint8)).save(tmp_path / "001.png")
    (tmp_path / "notes.txt").write_text("no mask")
    np.testing.assert_array_equal(read_mask(tmp_path), TRUTH)
    Image.new("L", (5, 7)).save(tmp_path / "002.png")
    with pytest.raises(UnreadableImageError, match=r"differ in size: 80 × 96 px \(width × height\) and 5 × 7"):
        read_mask(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_of_the_unturned_image_is_turned_with_it(orientation, tmp_path):
    from urushi.data.images import read_image

    exif = Image.Exif()
    exif[0x0112] = orientation
    GREY.save(tmp_path / "image.png", exif=exif)  # stored as it was before it is turned
    upright = read_image(tmp_path / "image.png") > 0
    if orientation >= 5:
        np.testing.assert_array_equal(fitting(TRUTH, upright.shape, tmp_path / "image.png"), upright)
    np.testing.assert_array_equal(fitting(upright, upright.shape, tmp_path / "image.png"), upright)
    assert fitting(upright.T, upright.shape, tmp_path / "other.png") is None
    GREY.save(tmp_path / "mask.png", exif=exif)  # a mask that is turned by itself
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), upright)


def test_a_mask_may_have_another_size_but_not_another_ratio(tmp_path):
    image = tmp_path / "image.png"
    assert fitting(TRUTH, (192, 160), image) is TRUTH
    assert fitting(TRUTH, (192, 163), image) is TRUTH
    assert fitting(TRUTH, (192, 165), image) is None


def test_only_many_masks_that_mark_nearly_all_are_inverted():
    odd, fine = Coverage("cut", 0.9, 1.0), Coverage("cut", 0.1, 0.0)
    assert inverted([odd] * 5 + [fine]) == {"cut"}
    assert inverted([odd]) == {"cut"}
    assert inverted([odd] + [fine] * 5) == set()
    assert inverted([odd, odd] + [Coverage("dent", 0.1, 0.1)] * 9) == {"cut"}
    assert inverted([Coverage("cut", 1.0, 1.0)] * 3 + [Coverage("dent", 0.1, 0.1)] * 9) == set()
    assert inverted([Coverage("cut", 0.6, 0.4)] * 3) == set()
    assert inverted([]) == set()
