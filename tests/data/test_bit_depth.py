"""White is white: depths that a header states or that are stated fill their type, others are taken by their type."""

import io
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from urushi.data.images import Stated, name_of, read_image
from urushi.data.pages import images_of
from urushi.errors import InputError, UnreadableImageError

tifffile = pytest.importorskip("tifffile")

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (16, 12)).astype(np.uint8)
GREY[0, :2] = 0, 255
DEEP = RANDOM.integers(0, 65536, (16, 12)).astype(np.uint16)
RGB = RANDOM.integers(0, 256, (16, 12, 3)).astype(np.uint8)
DEEP_RGB = RANDOM.integers(0, 65536, (16, 12, 3)).astype(np.uint16)
TEN = (GREY.astype(np.uint16) << 2) | 3  # 3 … 1023
FILLED = np.rint(TEN / 1023 * 65535).astype(np.uint16)


def tiff(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def packed(array: np.ndarray, bits: int, photometric: int = 1) -> bytes:
    """A grey TIFF of levels (H, W) without a gap between them."""
    text = "".join(
        "".join(format(level, f"0{bits}b") for level in row).ljust(-(-len(row) * bits // 8) * 8, "0") for row in array
    )
    data, end = int(text, 2).to_bytes(len(text) // 8, "big"), 8 + 2 + 12 * 10 + 4
    values = [(256, array.shape[1]), (257, array.shape[0]), (258, bits), (259, 1), (262, photometric), (273, end)]
    values += [(277, 1), (278, array.shape[0]), (279, len(data)), (284, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values)
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + bytes(4) + data


def reason(source: object) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(source)
    return caught.value.reason


def assert_reads(source: object, expected: np.ndarray) -> None:
    read = read_image(source)
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


# --- TIFF -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}])
def test_white_that_is_zero_is_turned_round_at_every_depth(put, options):
    for array in (GREY, DEEP):
        assert_reads(put(tiff(array, photometric="miniswhite", **options)), np.iinfo(array.dtype).max - array)
    one_bit = GREY > 127
    assert_reads(put(tiff(one_bit, photometric="miniswhite")), ~one_bit * np.uint8(255))


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_white_that_is_zero_is_refused_where_no_level_is_known_to_be_black(put, dtype):
    assert "white is zero in it" in reason(put(tiff(DEEP.astype(dtype), photometric="miniswhite")))


def test_packed_12_bits_fill_16(put):
    levels = DEEP >> 4
    filled = np.rint(levels / 4095 * 65535).astype(np.uint16)
    assert_reads(put(packed(levels, 12)), filled)
    assert_reads(put(packed(levels, 12, photometric=0)), 65535 - filled)
    for bits in (10, 14):
        assert f"[{bits}] bits a channel are not supported" in reason(put(packed(DEEP >> (16 - bits), bits)))


@pytest.mark.parametrize("array", [RGB, DEEP_RGB, DEEP_RGB / np.float32(65535)])
def test_three_channels_called_grey_are_read_as_rgb(put, array):
    for options in ({}, {"compression": "zlib"}, {"byteorder": ">"}):
        assert_reads(put(tiff(array, photometric="minisblack", planarconfig="contig", **options)), array)


def test_planes_of_8_bits_are_put_together_and_deeper_ones_refused(put):
    planes = np.moveaxis(RGB, 2, 0).copy()
    assert_reads(put(tiff(planes, photometric="minisblack", planarconfig="separate")), RGB)
    assert_reads(put(tiff(planes, photometric="rgb", planarconfig="separate")), RGB)
    deep = np.moveaxis(DEEP_RGB, 2, 0).copy()
    assert "separate colour planes" in reason(put(tiff(deep, photometric="minisblack", planarconfig="separate")))


def test_channels_without_a_colour_are_refused(put):
    for n in (4, 5):
        data = tiff(np.repeat(GREY[..., None], n, 2), photometric="minisblack", planarconfig="contig")
        assert f"a TIFF of {n} channels that is neither grey nor RGB(A)" in reason(put(data))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}, {"tile": (16, 16)}])
def test_grey_with_alpha_loses_only_the_alpha(put, options):
    how = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig", **options}
    for array in (GREY, DEEP):
        assert_reads(put(tiff(np.stack([array, array[::-1]], 2), **how)), array)


def test_grey_with_alpha_that_cannot_be_read_is_refused_for_what_it_is(put):
    how = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "planarconfig": "contig"}
    data = tiff(np.stack([DEEP, DEEP], 2), compression="zlib", predictor=2, **how)
    assert reason(put(data)).startswith("grey with alpha in 16 bits")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_that_are_rewritten_are_turned_upright(put, orientation):
    upright = read_image(put(tiff(GREY, extratags=[(274, 3, 1, orientation, True)])))
    deep = tiff(GREY.astype(np.uint16) * 257, photometric="miniswhite", extratags=[(274, 3, 1, orientation, True)])
    assert_reads(put(deep), 65535 - upright.astype(np.uint16) * np.uint16(257))


def test_a_pgm_of_several_images_is_refused(put):
    deep = DEEP.astype(">u2").tobytes()
    headers = {b"P5 12 16 255": GREY.tobytes(), b"P6 12 16 255": RGB.tobytes(), b"P4 12 16": bytes(32)}
    headers |= {b"P5 12 16 65535": deep, b"P6 12 16 1023": (DEEP_RGB >> 6).astype(">u2").tobytes()}
    for header, pixels in headers.items():
        one = header + b"\n" + pixels
        assert read_image(put(one + b"\n", "x.pgm")).shape[:2] == (16, 12), header
        assert "several images" in reason(put(one + one, "x.pgm")), header


# --- what is stated ---------------------------------------------------------------------------------------------------


def as_png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("make", [np.array, np.int64, ">u2", "<i4", torch.as_tensor, Image.fromarray, "file"])
def test_stated_bits_fill_16_in_whatever_they_come(put, make):
    if make == "file":
        source: object = put(as_png(TEN), "x.png")
    else:
        source = TEN.astype(make) if isinstance(make, str) else make(TEN)
    assert_reads(Stated(source, bits=10), FILLED)


def test_a_dark_image_is_not_taken_for_one_of_8_bits_where_its_bits_are_stated():
    assert_reads(Stated(np.int64(TEN // 8), bits=10), np.rint(TEN // 8 / 1023 * 65535).astype(np.uint16))


def test_floats_of_stated_bits_are_shares_of_white():
    assert_reads(Stated(GREY.astype(np.float64), bits=8), (GREY / np.float32(255)).astype(np.float32))
    assert "float levels from 0 to 1 are not those of 8 bits" in reason(Stated(GREY / 255, bits=8))
    assert "from 0 to 255 are not those of 6 bits, 0 to 63" in reason(Stated(GREY.astype(float), bits=6))
    assert "contains NaN" in reason(Stated(np.full((3, 3), np.nan), bits=8))


def test_what_is_stated_and_cannot_be_is_refused(put):
    assert "levels from 3 to 1023 do not fit the stated 8 bits" in reason(Stated(TEN, bits=8))
    assert "it has 8 bits a channel, but 10 were stated" in reason(Stated(put(as_png(GREY), "x.png"), bits=10))
    assert "it has 1 bit a channel" in reason(Stated(GREY > 127, bits=10))
    for bits in (0, 17, -1, 2.5):
        with pytest.raises(InputError, match="a whole number from 1 to 16"):
            Stated(TEN, bits=bits)


def test_bits_of_a_header_must_be_the_stated_ones_and_are_not_applied_twice(put):
    pgm = put(b"P5 12 16 1023\n" + TEN.astype(">u2").tobytes(), "x.pgm")
    assert_reads(Stated(pgm, bits=10), FILLED)
    assert reason(Stated(pgm, bits=12)) == "its header says 10 bits, but 12 were stated"
    twelve = put(packed(DEEP >> 4, 12))
    assert_reads(Stated(twelve, bits=12), read_image(twelve))
    assert "its header says 12 bits" in reason(Stated(twelve, bits=10))
    full = put(b"P5 12 16 65535\n" + TEN.astype(">u2").tobytes(), "x.pgm")
    assert_reads(Stated(full, bits=10), FILLED)


def test_bits_stated_of_a_file_hold_for_its_pages(put):
    file = io.BytesIO()
    Image.fromarray(TEN).save(file, "TIFF", save_all=True, append_images=[Image.fromarray(TEN[::-1])])
    path = put(file.getvalue())
    pages = list(images_of([Stated(path, bits=10)]))
    assert list(map(name_of, pages)) == [f"{path}#1", f"{path}#2"]
    assert_reads(pages[1], FILLED[::-1])


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint32, np.uint64, ">i4", ">i2"])
def test_integers_that_fit_8_or_16_bits_are_taken_as_such(dtype):
    assert_reads(GREY.astype(dtype), GREY)
    assert_reads(torch.as_tensor(GREY.astype(np.int64)), GREY)
    assert_reads((DEEP >> 1).astype(dtype), DEEP >> 1)


def test_a_pillow_image_of_32_bits_in_memory_is_taken_as_an_array_of_them_is():
    assert_reads(Image.fromarray(GREY.astype(np.int32)), GREY)
    assert_reads(Image.fromarray(DEEP.astype(np.int32)), DEEP)
    assert_reads(Image.fromarray(np.int32(TEN // 8)), np.uint8(TEN // 8))
    stated = Stated(Image.fromarray(np.int32(TEN // 8)), bits=10)
    assert_reads(stated, np.rint(TEN // 8 / 1023 * 65535).astype(np.uint16))


def test_a_dark_file_of_16_bits_that_pillow_opens_as_32_stays_one_of_16():
    dark = Image.open(io.BytesIO(b"P5 3 1 65535\n\0\1\0\2\0\3"))
    assert_reads(dark, np.uint16([[1, 2, 3]]))


def test_integers_that_fit_neither_are_refused():
    assert "int64 values from 0 to 65536" in reason(np.int64([[0, 65536]]))
    assert "int16 values from -1 to 9" in reason(np.int16([[-1, 9]]))


def test_16_bits_are_16_bits_however_dark():
    assert_reads(GREY.astype(np.uint16), GREY.astype(np.uint16))
    assert_reads(GREY.astype(">u2"), GREY.astype(np.uint16))


def test_bgr_is_turned_to_rgb_in_arrays_and_tensors_alone(put):
    assert_reads(Stated(RGB[:, :, ::-1], bgr=True), RGB)
    assert_reads(Stated(np.dstack([RGB[:, :, ::-1], GREY]), bgr=True), RGB)
    assert_reads(Stated(torch.as_tensor(RGB[:, :, ::-1].copy()).permute(2, 0, 1), bgr=True), RGB)
    assert_reads(Stated(GREY, bgr=True), GREY)
    assert_reads(Stated(put(as_png(RGB), "x.png"), bgr=True), RGB)
    assert_reads(Stated(Image.fromarray(RGB), bgr=True), RGB)


def test_the_order_of_axes_is_asked_for_where_it_is_another():
    assert "np.moveaxis(array, 0, -1)" in reason(np.moveaxis(RGB, 2, 0))
    assert "np.moveaxis(array, 0, -1)" in reason(GREY[None])
    assert "moveaxis" not in reason(np.zeros((5, 6, 7)))


def test_masked_pixels_are_refused():
    assert_reads(np.ma.masked_array(GREY, mask=False), GREY)
    assert "some pixels are masked" in reason(np.ma.masked_array(GREY, mask=GREY > 250))
