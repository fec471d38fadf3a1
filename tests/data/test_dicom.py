import io
import logging
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from damaged import damaged, damages, read_or_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from urushi.catalogue.extras import how_to_install
from urushi.data.folders import images_below
from urushi.data.images import read_image
from urushi.errors import UnreadableImageError
from urushi.preprocessing.min_max import min_max
from urushi.preprocessing.scale import scale

pydicom = pytest.importorskip("pydicom")
from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (32, 24)).astype(np.uint8)
RGB = RANDOM.integers(0, 256, (32, 24, 3)).astype(np.uint8)
DEEP = RANDOM.integers(0, 65536, (32, 24)).astype(np.uint16)
TWELVE = RANDOM.integers(0, 4096, (32, 24)).astype(np.uint16)
SIGNED = RANDOM.integers(-1024, 3000, (32, 24)).astype(np.int16)
SMOOTH = np.linspace(0, 250, 32 * 24).reshape(32, 24).astype(np.uint8)


def header_of(frame: np.ndarray, n_frames: int, **elements: object) -> FileDataset:
    data = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = uid.DigitalXRayImageStorageForPresentation, "1.2.3"
    data.Rows, data.Columns = frame.shape[:2]
    data.SamplesPerPixel = 3 if frame.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if frame.ndim == 3 else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = frame.dtype.itemsize * 8
    data.PixelRepresentation = int(frame.dtype.kind == "i")
    if frame.ndim == 3:
        data.PlanarConfiguration = 0
    if n_frames > 1:
        data.NumberOfFrames = n_frames
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.HighBit = elements.get("HighBit", data.BitsStored - 1)
    return data


def dicom(
    *frames: np.ndarray, syntax: str = uid.ExplicitVRLittleEndian, encoded: bytes = b"", **elements: object
) -> bytes:
    """A DICOM file of these frames; the elements overrule what would be said of them; None leaves one out."""
    data = header_of(frames[0], len(frames), **elements)
    data.file_meta.TransferSyntaxUID = uid.UID(syntax)
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    pixels = b"".join(frame.astype(frame.dtype.newbyteorder(order)).tobytes() for frame in frames)
    data.PixelData = encoded or pixels + bytes(len(pixels) % 2)
    data["PixelData"].VR = "OB" if frames[0].itemsize == 1 else "OW"
    data["PixelData"].is_undefined_length = bool(encoded)
    for keyword, value in elements.items():
        if value is None:
            delattr(data, keyword)
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def rle(frame: np.ndarray, **elements: object) -> bytes:
    data = header_of(frame, 1, **elements)
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.PixelData = frame.tobytes()
    data["PixelData"].VR = "OB" if frame.itemsize == 1 else "OW"
    data.compress(uid.RLELossless, generate_instance_uid=False)
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def with_pillow(array: np.ndarray, form: str, syntax: str, **elements: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return dicom(array, syntax=syntax, encoded=encapsulate([file.getvalue()]), **elements)


VALID = {
    "8 bits": dicom(GREY),
    "12 in 16": dicom(TWELVE, BitsStored=12),
    "16 bits": dicom(DEEP),
    "signed": dicom(SIGNED),
    "rgb": dicom(RGB),
    "inverted": dicom(GREY, PhotometricInterpretation="MONOCHROME1"),
    "rescaled": dicom(TWELVE, BitsStored=12, RescaleSlope="1", RescaleIntercept="-1024"),
    "frames": dicom(GREY, 255 - GREY, GREY // 2),
    "big endian": dicom(DEEP, syntax=uid.ExplicitVRBigEndian),
    "implicit": dicom(DEEP, syntax=uid.ImplicitVRLittleEndian),
    "rle": rle(DEEP),
    "rle rgb": rle(RGB),
    "jpeg": with_pillow(SMOOTH, "JPEG", uid.JPEGBaseline8Bit),
    "jpeg2000": with_pillow(DEEP, "JPEG2000", uid.JPEG2000Lossless),
}


@pytest.fixture
def put(tmp_path: Path):
    def write(data: bytes, name: str = "x.dcm") -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def reason(path: Path, **options: int) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(path, **options)
    assert "\n" not in caught.value.reason
    return caught.value.reason


def assert_reads(path: Path, expected: np.ndarray) -> None:
    read = read_image(path)
    assert read.dtype == expected.dtype
    assert read.flags.writeable
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, expected)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("8 bits", GREY),
        ("16 bits", DEEP),
        ("big endian", DEEP),
        ("implicit", DEEP),
        ("rgb", RGB),
        ("rle", DEEP),
        ("rle rgb", RGB),
        ("jpeg2000", DEEP),
        ("inverted", 255 - GREY),
        ("signed", SIGNED.astype(np.float32)),
        ("rescaled", TWELVE.astype(np.float32) - 1024),
    ],
)
def test_every_kind_gives_its_values(put, name, expected):
    assert_reads(put(VALID[name]), expected)


@given(st.data(), st.sampled_from((1, 8, 10, 12, 14, 16)), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_unsigned_levels_fill_their_type_so_that_white_is_white_and_no_two_merge(data, bits, is_inverted, is_rle):
    kind = np.uint8 if bits <= 8 else np.uint16
    array = data.draw(arrays(kind, (4, 6), elements=st.integers(0, 2**bits - 1)))
    photometric = "MONOCHROME1" if is_inverted else "MONOCHROME2"
    encode = rle if is_rle else dicom
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.dcm")
        path.write_bytes(encode(array, BitsStored=bits, PhotometricInterpretation=photometric))
        read = read_image(path)
    white, full = 2**bits - 1, np.iinfo(kind).max
    assert read.dtype == kind
    np.testing.assert_array_equal(read, np.rint((white - array if is_inverted else array) / white * full))
    np.testing.assert_array_equal(np.rint(read / full * white), white - array if is_inverted else array)
    assert 0 <= scale(read).min() <= scale(read).max() <= 1


def test_bits_outside_the_stored_ones_do_not_count(put):
    assert_reads(put(dicom(TWELVE | np.uint16(0x9000), BitsStored=12)), read_image(put(VALID["12 in 16"], "y.dcm")))


def test_one_bit_becomes_0_and_255(put):
    packed = np.packbits(GREY > 127, bitorder="little").reshape(32, 3)
    assert_reads(put(dicom(packed, Columns=24, BitsAllocated=1, BitsStored=1)), (GREY > 127) * np.uint8(255))


def test_signed_values_are_float_whether_or_not_one_is_negative(put):
    assert_reads(put(dicom(np.abs(SIGNED))), np.abs(SIGNED).astype(np.float32))


def test_signed_12_bits_keep_their_sign(put):
    values = RANDOM.integers(-2048, 2048, (5, 7)).astype(np.int16)
    assert_reads(put(dicom(values & np.int16(0x0FFF), BitsStored=12)), values.astype(np.float32))


@pytest.mark.parametrize(("slope", "intercept"), [("0.5", "0"), ("1", "-1000"), ("2", "3"), ("1.0", None)])
def test_a_rescaling_is_applied_unless_it_changes_nothing(put, slope, intercept):
    elements = {"RescaleSlope": slope} | ({"RescaleIntercept": intercept} if intercept else {})
    expected = GREY * np.float32(slope) + np.float32(intercept or 0)
    assert_reads(put(dicom(GREY, **elements)), GREY if intercept is None else expected.astype(np.float32))


def test_monochrome1_is_inverted_before_it_is_rescaled(put):
    data = dicom(SIGNED, PhotometricInterpretation="MONOCHROME1", RescaleSlope="2", RescaleIntercept="5")
    assert_reads(put(data), (2 * (-1 - SIGNED.astype(int)) + 5).astype(np.float32))


def test_quantities_are_refused_by_scale_which_names_min_max(put):
    read = read_image(put(VALID["rescaled"]))
    with pytest.raises(UnreadableImageError, match="min_max"):
        scale(read)
    assert (min_max(read).min(), min_max(read).max()) == (0, 1)


def test_32_bit_integers_and_float_pixels_become_float(put):
    values = RANDOM.integers(0, 2**24, (4, 6)).astype(np.uint32)
    assert_reads(put(dicom(values)), values.astype(np.float32))
    data = pydicom.dcmread(io.BytesIO(dicom(values)))
    del data.PixelData
    data.FloatPixelData = (values / 2**24).astype("<f4").tobytes()
    file = io.BytesIO()
    data.save_as(file)
    assert_reads(put(file.getvalue()), (values / 2**24).astype(np.float32))


def test_jpeg_and_colour_planes_and_ybr_are_read_as_their_colours(put):
    assert np.abs(read_image(put(VALID["jpeg"])).astype(int) - SMOOTH).max() < 8
    assert_reads(put(dicom(np.moveaxis(RGB, 2, 0), Rows=32, Columns=24, SamplesPerPixel=3,
                           PhotometricInterpretation="RGB", PlanarConfiguration=1)), RGB)  # fmt: skip
    ybr = np.array(Image.fromarray(RGB).convert("YCbCr"))
    read = read_image(put(dicom(ybr, PhotometricInterpretation="YBR_FULL")))
    assert np.abs(read.astype(int) - np.array(Image.fromarray(ybr, "YCbCr").convert("RGB"))).max() <= 2


# --- which files ------------------------------------------------------------------------------------------------------


def test_the_mark_decides_whatever_the_name(put):
    assert_reads(put(VALID["8 bits"], "no_suffix"), GREY)
    assert_reads(put(b"II*\0" + VALID["8 bits"][4:], "x.tif"), GREY)  # both, by the standard
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG")
    assert_reads(put(file.getvalue(), "x.dcm"), GREY)


@pytest.mark.parametrize("suffix", [".dcm", ".DICOM"])
@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_a_file_without_mark_is_read_by_its_suffix(put, suffix, syntax):
    data = pydicom.dcmread(io.BytesIO(dicom(DEEP, syntax=syntax)))
    file = io.BytesIO()
    pydicom.dcmwrite(file, Dataset(data), implicit_vr=syntax == uid.ImplicitVRLittleEndian, little_endian=True)
    assert_reads(put(file.getvalue(), f"x{suffix}"), DEEP)
    assert "not an image" in reason(put(file.getvalue(), "x.png"))


def test_folders_list_dicom_files(put, tmp_path):
    paths = {put(VALID["8 bits"], "a.dcm"), put(VALID["8 bits"], "b.DICOM")}
    assert set(images_below(tmp_path)) == paths


@pytest.mark.thorough
def test_pydicom_is_imported_for_a_dicom_file_only(put):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, "PNG")
    code = "import sys; from urushi.data.images import read_image; read_image({!r}); print('pydicom' in sys.modules)"
    for path in (put(file.getvalue(), "x.png"), put(VALID["8 bits"])):
        run = [sys.executable, "-c", code.format(str(path))]
        assert subprocess.run(run, capture_output=True, text=True).stdout.strip() == str(path.suffix == ".dcm")


def test_without_pydicom_the_reason_says_how_to_install_it(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert reason(put(VALID["8 bits"])).endswith(how_to_install("dicom"))


# --- hostile files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (dicom(GREY, PhotometricInterpretation="PALETTE COLOR"), "PhotometricInterpretation is 'PALETTE COLOR'"),
        (dicom(GREY, PixelData=None), "no pixel data"),
        (dicom(GREY, Rows=None), "Rows is None"),
        (dicom(GREY, Rows=0), "24 × 0"),
        (dicom(GREY, SamplesPerPixel=4), "SamplesPerPixel is 4"),
        (dicom(GREY, BitsStored=12), "BitsStored is 12"),
        (dicom(DEEP, BitsStored=12, HighBit=15), "HighBit is 15"),
        (dicom(GREY, BitsAllocated=[8, 8]), "BitsAllocated is"),
        (dicom(GREY, RescaleSlope="0"), "RescaleSlope is 0"),
        (dicom(GREY, RescaleSlope="1e300", RescaleIntercept="-1"), "32-bit floats"),
        (dicom(GREY, RescaleSlope="1e308", RescaleIntercept="1e308"), "infinite"),
        (dicom(GREY, NumberOfFrames=2**31 - 1), "holds 2,147,483,647 images, more than 10000"),
        (dicom(GREY, Rows=64), "truncated: 768 of 1536 bytes"),
        (VALID["8 bits"][:-1], "truncated: 767 of 768 bytes"),
        (dicom(GREY, NumberOfFrames=1).replace(b"IS\x02\x001 ", b"LO\x02\x001 "), "NumberOfFrames is '1'"),
        (b"", "empty"),
        (bytes(128) + b"DICM", "no pixel data"),
        (bytes(128) + b"DICM" + bytes(range(256)) * 9, ""),
        (b"hello, I am text", "no pixel data"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(put, data, expected):
    assert expected in reason(put(data))


@pytest.mark.parametrize("syntax", ["JPEGLossless", "JPEGLSLossless", "DeflatedExplicitVRLittleEndian", "MPEG2MPML"])
def test_a_syntax_that_cannot_be_decoded_is_named(put, syntax):
    known = getattr(uid, syntax)
    data = VALID["8 bits"].replace(b"1.2.840.10008.1.2.1\0", str(known).encode().ljust(20, b"\0")[:20])
    if len(known) > 20:  # another length of the element
        data = dicom(GREY, syntax=known, encoded=encapsulate([GREY.tobytes()]) if known.is_encapsulated else b"")
    assert known.name in reason(put(data)).replace("\\'", "'")


def test_an_unknown_syntax_is_named(put):
    data = VALID["8 bits"].replace(b"1.2.840.10008.1.2.1\0", b"1.2.999.\n0008.1.2.1\0")
    assert r"1.2.999.\n0008" in reason(put(data))


def test_a_deflated_bomb_is_not_inflated(put):
    data = dicom(np.zeros((6000, 6000), np.uint8), syntax=uid.DeflatedExplicitVRLittleEndian)
    assert len(data) < 100_000
    assert peak_of(put(data)) < 5_000_000


def jpeg_of_another_size(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "JPEG")
    return dicom(GREY, syntax=uid.JPEGBaseline8Bit, encoded=encapsulate([file.getvalue()]))


def with_element_of_4_gb() -> bytes:
    """A header whose first element claims nearly all the memory there is."""
    start = VALID["8 bits"].index(struct.pack("<HH2s", 0x28, 2, b"US"))
    huge = struct.pack("<HH2sHL", 0x28, 2, b"UN", 0, 0xFFFFFFF0)
    return VALID["8 bits"][:start] + huge + VALID["8 bits"][start:]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_box_without_an_end_in_a_jpeg_2000_is_refused_at_once(put, length):
    """Its reader would come to the same box again and again."""
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + length.to_bytes(4, "big") + b"ftyp" + bytes(8) + b"jp2 " + bytes(60)
    start = time.monotonic()
    assert "box" in reason(put(dicom(GREY, syntax=uid.JPEG2000Lossless, encoded=encapsulate([boxes]))))
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "data",
    [
        dicom(GREY, Rows=65535, Columns=65535),
        dicom(GREY, Rows=10000, Columns=10000, NumberOfFrames=1000),
        dicom(GREY, Rows=13000, Columns=13000, syntax=uid.RLELossless, encoded=encapsulate([bytes(64)])),
        dicom(GREY[:1, :2], syntax=uid.RLELossless, encoded=encapsulate([bytes(64) + b"\x81\0" * 200_000])),
        jpeg_of_another_size(9000, 9000),
        with_element_of_4_gb(),
    ],
    ids=["rows", "frames", "rle of nothing", "rle of more", "jpeg", "element"],
)
def test_a_bomb_is_refused_without_being_decoded(put, data):
    assert peak_of(put(data)) < 5_000_000


def peak_of(path: Path) -> int:
    read_image_once_to_import_pydicom(path.with_name("warm.dcm"))
    tracemalloc.start()
    try:
        reason(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def read_image_once_to_import_pydicom(path: Path) -> None:
    path.write_bytes(VALID["8 bits"])
    read_image(path)


def test_the_limit_of_pixels_counts_one_frame(put):
    path = put(VALID["frames"])
    path = path.with_name(f"{path.name}#2")
    assert reason(path, max_pixels=767) == "too large: 24 × 32 = 768 pixels, the limit is 767"
    assert read_image(path, max_pixels=768).shape == (32, 24)


@pytest.mark.parametrize("name", sorted(VALID))
def test_a_file_cut_anywhere_is_never_read_as_if_it_were_whole(put, name):
    data = VALID[name]
    end = len(data) - (20 if name.startswith(("rle", "jpeg")) else 1)  # a delimiter and padding may be missing
    for length in (*range(133, end, max(1, end // 60)), end):
        reason(put(data[:length]))


@given(st.sampled_from(sorted(VALID)), damages(128, 700))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_file_is_read_or_refused_without_a_warning(name, found):
    read_or_refused(damaged(VALID[name], found), "x.dcm")


@given(st.binary(max_size=300), st.sampled_from([bytes(128) + b"DICM", b"", VALID["8 bits"][:400]]))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_read_or_refused(data, start):
    read_or_refused(start + data, "x.dcm")


def test_neither_warnings_nor_log_come_from_a_bad_file_and_the_filters_stay(put, caplog):
    before = list(warnings.filters), list(logging.getLogger("pydicom").filters)
    bad = VALID["rescaled"].replace(b"-1024 ", b"-1e2x ")
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reason(put(bad))
        reason(put(dicom(GREY, syntax=uid.RLELossless, encoded=encapsulate([bytes(900)]))))  # a traceback, in the log
    assert not caught
    assert not caplog.records
    assert (list(warnings.filters), list(logging.getLogger("pydicom").filters)) == before
