import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from damaged import damaged, damages, read_or_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from urushi.data.images import name_of, read_image
from urushi.data.masks import read_mask
from urushi.errors import UnreadableImageError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (32, 24)).astype(np.uint8)
RGB = RANDOM.integers(0, 256, (32, 24, 3)).astype(np.uint8)
DEEP_GREY = RANDOM.integers(0, 65536, (32, 24)).astype(np.uint16)
DEEP_RGB = RANDOM.integers(0, 65536, (32, 24, 3)).astype(np.uint16)
FLOAT_RGB = RANDOM.random((32, 24, 3)).astype(np.float32)


def encoded(array: np.ndarray, suffix: str) -> bytes:
    bgr = array[:, :, ::-1] if array.ndim == 3 else array
    return cv2.imencode(suffix, bgr)[1].tobytes()


def saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG of any header, honest or not, which no encoder would write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(array: np.ndarray, *, kind: int, planes: int = 1) -> bytes:
    """An uncompressed little-endian TIFF of one strip; kind is 1 unsigned, 2 signed, 3 float."""
    n = array.shape[2] if array.ndim == 3 else 1
    bits = array.dtype.itemsize * 8
    end = 8 + 2 + 12 * 11 + 4
    values = [(256, array.shape[1]), (257, array.shape[0]), (258, bits), (259, 1), (262, 2 if n > 1 else 1)]
    values += [(273, end + 2 * n), (277, n), (278, array.shape[0]), (279, array.nbytes), (284, planes), (339, kind)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values)
    if n > 1:  # the bits of each channel do not fit into the entry
        entries = entries.replace(struct.pack("<HHII", 258, 4, 1, bits), struct.pack("<HHII", 258, 3, n, end))
    start = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 11) + entries + bytes(4)
    return start + struct.pack("<H", bits) * n + array.tobytes()


VALID = {
    "grey.png": encoded(GREY, ".png"),
    "rgb.png": encoded(RGB, ".png"),
    "deep_grey.png": encoded(DEEP_GREY, ".png"),
    "deep_rgb.png": encoded(DEEP_RGB, ".png"),
    "palette.png": saved(Image.fromarray(RGB).quantize(8), format="PNG", transparency=b"\0\x80\xff"),
    "rgb.jpg": encoded(RGB, ".jpg"),
    "cmyk.jpg": saved(Image.fromarray(RGB).convert("CMYK"), format="JPEG"),
    "rgb.bmp": encoded(RGB, ".bmp"),
    "rgb.tiff": saved(Image.fromarray(RGB), format="TIFF"),
    "lzw.tiff": encoded(RGB, ".tiff"),
    "deep_rgb.tiff": encoded(DEEP_RGB, ".tiff"),
    "float_rgb.tiff": tiff(FLOAT_RGB, kind=3),
    "float_lzw.tiff": encoded(FLOAT_RGB, ".tiff"),
    "grey.pgm": encoded(GREY, ".pgm"),
    "deep_rgb.ppm": encoded(DEEP_RGB, ".ppm"),
    "plain.pgm": b"P2 3 2 255\n1 2 3\n4 5 6\n",
    "rgb.webp": saved(Image.fromarray(RGB), format="WEBP", lossless=True),
}


@pytest.fixture
def put(tmp_path: Path):
    def write(data: bytes, name: str = "x.png") -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def reason(source: object, **options: int) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(source, **options)
    assert "\n" not in caught.value.reason
    assert caught.value.source == name_of(source)
    return caught.value.reason


@contextmanager
def as_plain_user() -> Iterator[None]:
    """Gives up the rights of root, who may read everything, for the time being."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# --- what is read keeps its values ------------------------------------------------------------------------------------

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))
channels = st.sampled_from(((), (3,)))
depths = st.sampled_from((np.uint8, np.uint16))


@given(st.data(), shapes, channels, depths, st.sampled_from((".png", ".tiff", "netpbm")))
@settings(max_examples=60, deadline=None)
def test_lossless_formats_give_back_every_value(data, shape, channel, depth, suffix):
    array = data.draw(arrays(depth, (*shape, *channel)))
    suffix = (".ppm" if channel else ".pgm") if suffix == "netpbm" else suffix
    with TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        path.write_bytes(encoded(array, suffix))
        read = read_image(path)
    assert read.dtype == depth
    np.testing.assert_array_equal(read, array)


def test_tiff_of_every_type_keeps_its_values(put):
    for dtype in ["<u2", "<f4", "<f8", "<i2", "<u4"]:
        for n_channels in [1, 3, 4]:
            array = RANDOM.integers(0, 1000, (5, 7, n_channels)).astype(dtype)
            kind = {"u": 1, "i": 2, "f": 3}[dtype[1]]
            array = array[:, :, 0] if n_channels == 1 else array
            read = read_image(put(tiff(array, kind=kind), "x.tif"))
            assert read.dtype == (np.float32 if kind == 3 else np.uint16), n_channels
            assert np.array_equal(read, array if n_channels == 1 else array[:, :, :3]), n_channels


def test_integers_beyond_16_bits_become_float(put):
    array = np.array([[-5, 70000], [3, 4]], "<i4")
    read = read_image(put(tiff(array, kind=2), "x.tif"))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, array)


def test_big_endian_compressed_tiff_is_not_swapped_twice(put):
    for dtype in ["<i2", "<f4"]:
        tifffile = pytest.importorskip("tifffile")
        array = RANDOM.integers(0, 1000, (5, 7)).astype(dtype)
        file = io.BytesIO()
        tifffile.imwrite(file, array.astype(dtype.replace("<", ">")), byteorder=">", compression="zlib")
        np.testing.assert_array_equal(read_image(put(file.getvalue())), array)


def test_deep_tiff_with_separate_planes_is_refused_rather_than_misread(put):
    assert "separate colour planes" in reason(put(tiff(DEEP_RGB, kind=1, planes=2)))


def test_8_bit_signed_tiff_with_negative_values_becomes_float(put):
    array = np.array([[-5, 7]], np.int8)
    np.testing.assert_array_equal(read_image(put(tiff(array, kind=2))), array.astype(np.float32))


def test_16_bit_grey_with_alpha_loses_only_the_alpha(put):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP_RGB[:, :, :2])
    np.testing.assert_array_equal(read_image(put(png(24, 32, 16, 4, rows))), DEEP_RGB[:, :, 0])


@pytest.mark.parametrize("magic", [b"P5", b"P6"])
def test_netpbm_is_scaled_so_that_white_is_white(put, magic):
    for white in [100, 255, 1023, 4095, 65535]:
        values = np.array([0, white // 3, white, white, 1, 2])
        pixels = values.astype("u1" if white < 256 else ">u2").tobytes()
        read = read_image(put(magic + (b" 6 1 " if magic == b"P5" else b" 2 1 ") + b"%d\n" % white + pixels))
        full = 255 if white < 256 else 65535
        assert read.dtype == (np.uint8 if white < 256 else np.uint16), white
        assert np.array_equal(read.ravel(), np.rint(values / white * full)), white


def test_one_bit_becomes_0_and_255(put):
    image = Image.fromarray(GREY > 127)
    np.testing.assert_array_equal(read_image(put(saved(image, format="PNG"))), (GREY > 127) * np.uint8(255))


def test_palette_becomes_rgb(put):
    image = Image.fromarray(RGB).quantize(16)
    read = read_image(put(saved(image, format="PNG")))
    np.testing.assert_array_equal(read, np.array(image.convert("RGB")))


def test_cmyk_becomes_rgb_of_the_right_colour(put):
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    read = read_image(put(saved(red, format="JPEG")))
    assert read.shape == (32, 32, 3)
    assert read[..., 0].min() > 200
    assert read[..., 1:].max() < 60


@pytest.mark.parametrize("array", [RGB, DEEP_RGB])
def test_alpha_is_dropped_and_colours_stay(put, array):
    alpha = np.full((32, 24, 1), 7, array.dtype)
    rgba = np.concatenate([array[:, :, ::-1], alpha], 2)  # BGRA for OpenCV
    np.testing.assert_array_equal(read_image(put(cv2.imencode(".png", rgba)[1].tobytes())), array)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_orientation_turns_the_image_upright_as_pillow_would(put, form):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        options = {"lossless": True} if form == "WEBP" else {}
        path = put(saved(Image.fromarray(RGB), format=form, exif=exif, **options))
        with Image.open(path) as image:
            expected = np.array(ImageOps.exif_transpose(image))
            assert np.array_equal(read_image(path), expected), orientation
            assert np.array_equal(read_image(image), expected), orientation


def test_16_bit_colour_is_turned_upright_too(put):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        data = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
        plain = encoded(DEEP_RGB, ".png")
        read = read_image(put(plain[:33] + chunk + plain[33:]))
        halves = [
            Image.fromarray((DEEP_RGB // 256).astype(np.uint8)),
            Image.fromarray((DEEP_RGB % 256).astype(np.uint8)),
        ]
        upright = [Image.open(io.BytesIO(saved(half, format="PNG", exif=exif))) for half in halves]
        high, low = (np.array(ImageOps.exif_transpose(half)).astype(np.uint16) for half in upright)
        assert np.array_equal(read, high * 256 + low), orientation


def test_one_pixel_is_an_image(put):
    assert read_image(put(encoded(GREY[:1, :1], ".png"))).shape == (1, 1)


@pytest.mark.parametrize(
    "name", ["ü 漢字.png", "new\nline.png", "[red]x.png", "no_suffix", os.fsdecode(b"\xff\xfe.png")]
)
def test_names_do_not_matter(put, name):
    path = put(encoded(GREY, ".png"), name)
    np.testing.assert_array_equal(read_image(str(path)), GREY)
    path.write_bytes(b"")
    assert "empty" in reason(path)


def test_what_is_read_can_be_written_to(put):
    for name, data in VALID.items():
        read = read_image(put(data, name))
        assert read.flags.writeable, name
        assert read.flags.c_contiguous, name


def test_a_mask_is_true_where_any_channel_is_not_zero(put):
    mask = np.zeros((32, 24), np.uint8)
    mask[3, 4] = 1
    np.testing.assert_array_equal(read_mask(put(encoded(mask, ".png"))), mask > 0)
    np.testing.assert_array_equal(read_mask(np.stack([mask * 0, mask, mask * 0], 2)), mask > 0)


# --- sources in memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_array", "expected"),
    [
        (GREY, GREY),
        (GREY[:, :, None], GREY),
        (RGB, RGB),
        (np.concatenate([RGB, RGB[:, :, :1]], 2), RGB),
        (GREY > 127, (GREY > 127) * np.uint8(255)),
        (DEEP_GREY.astype(np.int64), DEEP_GREY),
        (DEEP_GREY.astype(">u2"), DEEP_GREY),
        (FLOAT_RGB.astype(np.float64), FLOAT_RGB),
        (np.float16([[0.5]]), np.float32([[0.5]])),
        (RGB[::-1, ::-2], RGB[::-1, ::-2]),
    ],
)
def test_arrays_are_taken_as_they_are(given_array, expected):
    read = read_image(given_array)
    assert read.dtype == expected.dtype
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, expected)


def test_a_read_only_array_is_copied():
    frozen = GREY.copy()
    frozen.flags.writeable = False
    assert read_image(frozen).flags.writeable


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (np.zeros((0, 5)), "empty"),
        (np.zeros(5), "(5,)"),
        (np.zeros((3, 32, 32)), "(3, 32, 32)"),
        (np.zeros((2, 2), complex), "complex"),
        (np.array([[None]]), "object"),
        (np.array([[-1, 2]]), "-1"),
        (np.array([[1, 65536]]), "65536"),
        (np.array([[1.0, np.nan]]), "contains NaN"),
        (np.array([[1.0, -np.inf]]), "infinite"),
        (np.array([[1e300]]), "32-bit floats"),
        ([1, 2], "list"),
        (None, "NoneType"),
        (b"\x89PNG", "bytes"),
    ],
)
def test_what_is_no_image_is_refused_with_what_came(source, expected):
    assert expected in reason(source)


def test_every_mode_of_pillow_with_8_bits_is_read():
    for mode in ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV"]:
        read = read_image(Image.new(mode, (24, 32)))
        assert read.dtype == np.uint8, mode
        assert read.shape[:2] == (32, 24), mode


@pytest.mark.parametrize(
    ("mode", "value", "dtype"),
    [("I", 5, "uint8"), ("I", 500, "uint16"), ("I", -5, "float32"), ("I;16", 9, "uint16"), ("F", 0.5, "float32")],
)
def test_deep_modes_of_pillow_keep_their_values(mode, value, dtype):
    read = read_image(Image.new(mode, (2, 2), value))
    assert str(read.dtype) == dtype
    assert (read == value).all()


def test_a_mode_without_rgb_is_refused_by_name():
    assert "LAB" in reason(Image.new("LAB", (2, 2)))


class FakeTensor:
    """The part of torch.Tensor that is asked for; `float` shows that bfloat16 is widened before NumPy sees it."""

    def __init__(self, array: np.ndarray, is_bfloat16: bool = False) -> None:
        self.array, self.is_bfloat16 = array, is_bfloat16

    def detach(self):
        return self

    def cpu(self):
        return self

    def is_floating_point(self):
        return self.array.dtype.kind == "f"

    def float(self):
        return FakeTensor(self.array.astype(np.float32))

    def numpy(self):
        if self.is_bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


def test_tensors_have_their_channels_first():
    np.testing.assert_array_equal(read_image(FakeTensor(np.moveaxis(RGB, -1, 0))), RGB)
    np.testing.assert_array_equal(read_image(FakeTensor(GREY[None])), GREY)
    np.testing.assert_array_equal(read_image(FakeTensor(GREY)), GREY)
    np.testing.assert_array_equal(read_image(FakeTensor(FLOAT_RGB[:, :, 0], is_bfloat16=True)), FLOAT_RGB[:, :, 0])
    assert "(32, 24, 3)" in reason(FakeTensor(RGB))


def test_a_real_tensor_that_requires_gradients_is_read():
    torch = pytest.importorskip("torch")
    tensor = torch.rand(3, 32, 24, requires_grad=True)
    np.testing.assert_array_equal(read_image(tensor), tensor.detach().permute(1, 2, 0).numpy())
    assert read_image(tensor.to(torch.bfloat16)).dtype == np.float32


def test_names_of_sources_in_memory():
    sources = (GREY, Image.new("L", (1, 1)), FakeTensor(GREY), Path("a/b.png"), "a//b.png", 3)
    assert [name_of(s) for s in sources] == ["<array>", "<image>", "<tensor>", "a/b.png", "a//b.png", "<int>"]


# --- hostile files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(VALID))
def test_an_image_cut_in_half_is_never_read_as_if_it_were_whole(put, name):
    data = VALID[name]
    assert "truncated" in reason(put(data[: len(data) // 2], name)) or name.startswith(("rgb.webp", "float_lzw"))
    reason(put(data[: len(data) * 9 // 10], name))


def test_a_folder_of_hostile_files_gives_one_line_reasons(put, tmp_path):
    (tmp_path / "x.png").mkdir()
    assert reason(tmp_path / "x.png") == "is a directory"
    assert reason(put(b"", "zero.png")) == "the file is empty (zero bytes)"
    assert "not an image" in reason(put(b"hello, I am text", "text.png"))
    assert "not an image" in reason(put(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "eps.png"))
    assert "not an image" in reason(put(saved(Image.fromarray(GREY), format="GIF"), "gif.png"))
    assert reason(tmp_path / "nowhere.png") == "no such file or directory"
    assert "null" in reason("a\0b.png")
    assert "too long" in reason("x" * 5000)


def test_nan_in_a_float_tiff_is_refused(put):
    for array in (np.array([[1, np.nan]], np.float32), FLOAT_RGB * np.float32(np.nan)):
        assert reason(put(tiff(array, kind=3), "nan.tif")) == "contains NaN"


def test_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert "symbolic links" in reason(tmp_path / "a.png")


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    assert reason(tmp_path / "x.png") == "is no regular file"


def test_a_file_without_permission_is_refused():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "x.png")
        path.write_bytes(VALID["grey.png"])
        read_image(path)  # imports everything while that is still allowed
        path.chmod(0)
        with as_plain_user():
            assert reason(path) == "permission denied"


@pytest.mark.parametrize(
    "bomb",
    [
        png(20000, 20000, 8, 2, b""),
        png(2**31 - 1, 2**31 - 1, 16, 2, b""),
        b"P6 20000 20000 65535\n",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 20000, 20000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (9999).to_bytes(3, "little") + (19999).to_bytes(3, "little"),
        tiff(np.zeros((1, 1), np.uint8), kind=1).replace(
            struct.pack("<HHII", 256, 4, 1, 1), b"\0\1\4\0\1\0\0\0\0\0\0\x20"
        ),
        tiff(FLOAT_RGB, kind=3).replace(struct.pack("<HHII", 256, 4, 1, 24), b"\0\1\4\0\1\0\0\0\0\0\0\x20"),
    ],
    ids=["png", "larger png", "ppm", "bmp", "webp", "tiff", "float tiff"],
)
def test_a_decompression_bomb_is_refused_without_being_decoded(put, bomb):
    path = put(bomb)
    tracemalloc.start()
    try:
        why = reason(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert "too large" in why or (bomb.startswith(b"RIFF") and "damaged" in why)


def test_the_limit_of_pixels_is_the_callers_not_pillows(put, monkeypatch):
    path = put(VALID["grey.png"])
    assert reason(path, max_pixels=767) == "too large: 24 × 32 = 768 pixels, the limit is 767"
    assert read_image(path, max_pixels=768).shape == (32, 24)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(path).shape == (32, 24)


@given(st.sampled_from(sorted(VALID)), damages(0, 160))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_file_is_read_or_refused_without_a_warning(name, found):
    read_or_refused(damaged(VALID[name], found))


@given(st.binary(max_size=200), st.sampled_from([data[:12] for data in VALID.values()]))
@settings(max_examples=100, deadline=None)
def test_random_bytes_behind_a_true_signature_are_read_or_refused(data, signature):
    read_or_refused(signature + data)


def test_filters_of_warnings_are_as_before_after_reading_in_many_threads(put):
    path = put(VALID["palette.png"])
    before = list(warnings.filters)
    failures: list[Exception] = []

    def read_many() -> None:
        try:
            for _ in range(50):
                read_image(path)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(warnings.filters) == before


def test_opencv_writes_nothing_about_damaged_files(put, capfd):
    for name in ("float_lzw.tiff", "deep_rgb.png"):
        reason(put(VALID[name][:-200], name))
    assert capfd.readouterr() == ("", "")


def test_reading_imports_no_torch():
    code = (
        "import sys, urushi.data.images, urushi.data.dataset, urushi.data.diagnosis; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
