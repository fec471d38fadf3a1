"""Files of several images: each page, frame or slice is one, and nothing is dropped without a word."""

import io
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from urushi.data._pages import MAX_PAGES
from urushi.data.dataset import find_dataset
from urushi.data.diagnosis import diagnose
from urushi.data.images import read_image
from urushi.data.masks import read_mask
from urushi.data.pages import as_file_name, file_of, images_in_file, images_of
from urushi.errors import UnreadableImageError

pydicom = pytest.importorskip("pydicom")
tifffile = pytest.importorskip("tifffile")

RANDOM = np.random.default_rng(0)
PAGES = RANDOM.integers(0, 256, (3, 16, 12)).astype(np.uint8)
DEEP = RANDOM.integers(0, 65536, (3, 16, 12)).astype(np.uint16)


def pillow(pages, form: str, **options) -> bytes:
    file, (first, *others) = io.BytesIO(), [Image.fromarray(page) for page in pages]
    first.save(file, form, save_all=True, append_images=others, **options)
    return file.getvalue()


def tiff(*pages, **options) -> bytes:
    """Each page an array, or an array and its own options."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, **{k: options.pop(k) for k in ("bigtiff", "byteorder") if k in options}) as writer:
        for page in pages:
            array, own = page if isinstance(page, tuple) else (page, {})
            writer.write(array, metadata=None, **{"photometric": "minisblack", **options, **own})
    return file.getvalue()


def dicom(frames, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_encoder

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    data.Rows, data.Columns, data.NumberOfFrames = *frames.shape[1:], len(frames)
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8 * frames.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelData = frames.tobytes()
    if meta.TransferSyntaxUID.is_encapsulated:
        options = {"rows": 16, "columns": 12, "number_of_frames": 1, "samples_per_pixel": 1, "pixel_representation": 0}
        options |= {"bits_allocated": 8 * frames.itemsize, "bits_stored": 8 * frames.itemsize}
        encoder = get_encoder(syntax)
        encoded = [encoder.encode(f, photometric_interpretation="MONOCHROME2", **options) for f in frames]
        data.PixelData = encapsulate(encoded)
        data["PixelData"].VR = "OB"
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def names_in(path: Path, notices: list | None = None) -> list[str]:
    tell = None if notices is None else notices.append
    return [image.name for image in images_in_file(path, tell)]


def reason(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(path)
    return caught.value.reason


# --- each page is an image --------------------------------------------------------------------------------------------

MANY = {
    "grey.tif": (tiff(*PAGES), PAGES),
    "lzw.tif": (pillow(PAGES, "TIFF", compression="tiff_lzw"), PAGES),
    "big.tif": (tiff(*PAGES, bigtiff=True), PAGES),
    "big_endian.tif": (tiff(*DEEP, byteorder=">"), DEEP),
    "deep.tif": (tiff(*DEEP, compression="zlib", predictor=True), DEEP),
    "tiled.tif": (tiff(*PAGES, tile=(16, 16), compression="zlib"), PAGES),
    "deep_rgb.tif": (
        tiff(*(np.stack([p, p // 2, p // 3], 2) for p in DEEP), photometric="rgb"),
        [np.stack([p, p // 2, p // 3], 2) for p in DEEP],
    ),
    "float.tif": (tiff(*(DEEP / np.float32(65535))), DEEP / np.float32(65535)),
    "white_is_zero.tif": (tiff(*DEEP, photometric="miniswhite"), 65535 - DEEP),
    "animated.png": (pillow(PAGES, "PNG"), PAGES),
    "animated.webp": (
        pillow([np.stack([p] * 3, 2) for p in PAGES], "WEBP", lossless=True),
        [np.stack([p] * 3, 2) for p in PAGES],
    ),
    "frames.dcm": (dicom(PAGES), PAGES),
    "deep_frames.dcm": (dicom(DEEP), DEEP),
    "compressed_frames.dcm": (dicom(DEEP, "1.2.840.10008.1.2.5"), DEEP),
}


@pytest.mark.parametrize("name", MANY)
def test_every_page_is_an_image_of_its_own_in_its_order(put, name):
    data, pages = MANY[name]
    path = put(data, name)
    found = list(images_in_file(path))
    assert [image.name for image in found] == [f"{name}#{number}" for number in (1, 2, 3)]
    for image, page in zip(found, pages, strict=True):
        read = read_image(image)
        assert read.dtype == page.dtype
        np.testing.assert_array_equal(read, page)
    assert reason(path) == f"holds 3 images; inspect_many and folders take each, and {name}#1 is the first"
    assert f"there is no image 4 in it; it holds 3; {name}#1 is the first" in reason(path.with_name(f"{name}#4"))


def test_the_pictures_of_an_mpo_are_images_but_its_thumbnail_is_none(put):
    whole, small = PAGES.repeat(4, 1).repeat(4, 2), PAGES[0]
    path = put(pillow(whole[:2], "MPO"), "x.jpg")
    assert names_in(path) == ["x.jpg#1", "x.jpg#2"]
    assert np.abs(read_image(path.with_name("x.jpg#2")).astype(int) - whole[1]).mean() < 20
    notices: list = []
    assert names_in(put(pillow([whole[0], small], "MPO"), "y.jpg"), notices) == ["y.jpg"]
    assert read_image(path.with_name("y.jpg")).shape == (64, 48)
    assert [notice.reason for notice in notices] == ["1 smaller copy of its images left out"]


def test_an_mpo_whose_second_picture_was_cut_off_is_still_read(put):
    whole = PAGES.repeat(4, 1).repeat(4, 2)
    data = pillow(whole[:2], "MPO")
    path, notices = put(data[: data.rindex(b"\xff\xd8\xff")], "x.jpg"), []
    assert names_in(path, notices) == ["x.jpg"]
    assert read_image(path).shape == (64, 48)
    assert len(notices) == 1


def test_one_page_keeps_its_name_and_may_be_called_the_first(put):
    path = put(tiff(PAGES[0]))
    assert names_in(path) == ["x.tif"]
    np.testing.assert_array_equal(read_image(path.with_name("x.tif#1")), PAGES[0])


def test_sources_in_memory_and_strings_stay_what_they_are(put, tmp_path):
    path = str(put(tiff(*PAGES)))
    array = PAGES[0]
    sources = [array, path, tmp_path / "missing.tif", f"{path}#2"]
    first, *others = images_of(sources)
    assert first is array
    assert others == [f"{path}#1", f"{path}#2", f"{path}#3", tmp_path / "missing.tif", f"{path}#2"]


def test_a_pillow_image_of_several_frames_is_refused_and_its_copy_read(put):
    with Image.open(put(tiff(*PAGES))) as image:
        assert "an image of 3 frames; give each alone" in reason(image)
        image.seek(1)
        np.testing.assert_array_equal(read_image(image.copy()), PAGES[1])


def test_a_file_called_like_a_page_is_that_file(put):
    path = put(tiff(PAGES[2]), "a#2.tif")
    assert names_in(path) == ["a#2.tif"]
    np.testing.assert_array_equal(read_image(path), PAGES[2])
    stack = put(tiff(*PAGES), "b.tif")
    np.testing.assert_array_equal(read_image(put(tiff(PAGES[0]), "b.tif#2")), PAGES[0])
    assert names_in(stack) == ["b.tif"], "its second page has no name"
    assert "holds 3 images" in reason(stack)


@pytest.mark.parametrize("name", ["x.tif#0", "x.tif#", "x.tif#-1", "x.tif#1e3", "x.tif#99999999999999999999", "#1"])
def test_what_is_no_number_of_a_page_is_no_page(put, name):
    put(tiff(*PAGES))
    assert reason(put(b"", "y").with_name(name)) == "no such file or directory"


def test_pages_have_names_that_files_may_have():
    assert as_file_name(Path("a/stack.tif#2")) == Path("a/stack_2.tif")
    assert as_file_name(Path("a/b#2.tif")) == Path("a/b#2.tif")
    assert as_file_name(Path("nothing#2")) == Path("nothing#2")


# --- copies are none, but said ----------------------------------------------------------------------------------------

LARGE, HALF, QUARTER = (RANDOM.integers(0, 256, (64 // n, 48 // n)).astype(np.uint8) for n in (1, 2, 4))


@pytest.mark.parametrize(
    ("pages", "images", "said"),
    [
        ([QUARTER, LARGE], {1: LARGE}, "1 smaller copy of its images left out"),
        ([(QUARTER, {"subfiletype": 1}), LARGE], {1: LARGE}, "1 smaller copy of its images left out"),
        ([LARGE, HALF, QUARTER], {1: LARGE}, "2 smaller copies of its images left out"),
        ([(LARGE, {"subifds": 1}), (HALF, {"subfiletype": 1})], {1: LARGE}, "1 inner picture (SubIFD) of its images"),
        ([QUARTER, LARGE, 255 - LARGE], {2: LARGE, 3: 255 - LARGE}, "1 smaller copy of its images left out"),
        (
            [LARGE, (255 - LARGE, {"subfiletype": 2}), (LARGE > 9, {"subfiletype": 4})],
            {1: LARGE, 2: 255 - LARGE},
            "1 sm",
        ),
        ([LARGE, HALF, 255 - HALF], {1: LARGE, 2: HALF, 3: 255 - HALF}, ""),
        ([LARGE, HALF, 255 - LARGE], {1: LARGE, 2: HALF, 3: 255 - LARGE}, ""),
        ([LARGE, HALF[:, :20]], {1: LARGE, 2: HALF[:, :20]}, ""),
        ([(HALF, {"subfiletype": 1})], {1: HALF}, ""),
    ],
)
def test_smaller_copies_are_no_images_and_that_is_said(put, pages, images, said):
    path, notices = put(tiff(*pages)), []
    found = list(images_in_file(path, notices.append))
    assert [image.name for image in found] == (
        ["x.tif"] if len(images) == 1 else [f"x.tif#{number}" for number in images]
    )
    for image, page in zip(found, images.values(), strict=True):
        np.testing.assert_array_equal(read_image(image), page)
    assert "; ".join(notice.reason for notice in notices).startswith(said)
    assert bool(notices) == bool(said)


def test_an_image_that_lies_in_an_inner_directory_only_is_asked_for(put):
    data = tiff((QUARTER, {"subifds": 1, "subfiletype": 1}), LARGE)
    assert "its image in an inner directory" in reason(put(data))


# --- damaged and hostile ----------------------------------------------------------------------------------------------


def test_a_damaged_page_is_not_read_and_the_others_are(put):
    data = bytearray(tiff(*PAGES, compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        offset, size = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    data[offset : offset + size] = bytes(size)
    path = put(bytes(data))
    assert len(names_in(path)) == 3
    assert "damaged" in reason(path.with_name("x.tif#2"))
    np.testing.assert_array_equal(read_image(path.with_name("x.tif#3")), PAGES[2])


def test_frames_that_were_cut_off_are_not_read_and_the_others_are(put):
    path = put(dicom(PAGES)[:-200], "x.dcm")
    assert len(names_in(path)) == 3
    np.testing.assert_array_equal(read_image(path.with_name("x.dcm#1")), PAGES[0])
    assert "truncated" in reason(path.with_name("x.dcm#3"))


def chain(*offsets: int) -> bytes:
    """A TIFF of directories with nothing in them at 8, 14, …, each followed by the one at an offset."""
    return b"II*\0" + struct.pack("<L", 8) + b"".join(struct.pack("<HL", 0, offset) for offset in offsets)


@pytest.mark.parametrize(("offsets", "said"), [((14, 8), "runs in a circle"), ((14, 4_000_000_000), "breaks off")])
def test_a_broken_chain_of_pages_ends_with_a_page_that_says_so(put, offsets, said):
    path = put(chain(*offsets))
    last = list(images_in_file(path))[-1]
    assert last.name == "x.tif#3"
    assert said in reason(last)


def test_too_many_pages_are_refused_and_take_no_memory(put):
    n = MAX_PAGES + 5000
    path = put(chain(*(14 + 6 * k for k in range(n)), 0))
    tracemalloc.start()
    assert names_in(path) == ["x.tif"]
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert reason(path) == "holds more than 10000 images; split it into several files"


def test_frames_are_counted_as_the_header_says_and_refused_where_that_is_absurd(put):
    data = dicom(PAGES).replace(b"IS\x02\x003 ", b"IS\x02\x0099")
    assert len(names_in(put(data, "x.dcm"))) == 99
    assert "truncated" in reason(put(data, "x.dcm").with_name("x.dcm#99"))
    animation = pillow(PAGES, "PNG")
    start = animation.index(b"acTL") - 4
    claimed = struct.pack(">L4sLL", 8, b"acTL", 2**31 - 1, 0)
    crc = struct.pack(">L", __import__("zlib").crc32(claimed[4:]))
    path = put(animation[:start] + claimed + crc + animation[start + 20 :], "x.png")
    assert "holds 2,147,483,647 images, more than 1000" in reason(path)


def test_pages_whose_data_reach_beyond_the_file_or_lie_on_one_another_are_refused(put):
    data = tiff(*PAGES, rowsperstrip=1)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[1].tags["StripByteCounts"]
        where, width = tag.valueoffset, 2 if tag.dtype == 3 else 4
    claimed = struct.pack("<H" if width == 2 else "<L", 900) * 16
    path = put(data[:where] + claimed + data[where + len(claimed) :])
    assert "truncated" in reason(path.with_name("x.tif#2"))
    np.testing.assert_array_equal(read_image(path.with_name("x.tif#3")), PAGES[2])


def test_a_volume_in_one_directory_is_refused(put):
    volume = (np.stack([PAGES[0, :12]] * 3), {"volumetric": True, "tile": (16, 16, 16)})
    said = "holds a volume of 3 slices, of which only the first is read"
    assert said in reason(put(tiff(volume)))
    assert said in reason(put(tiff(PAGES[0], volume)).with_name("x.tif#2"))


def test_a_stack_whose_images_have_no_pages_is_refused(put):
    file = io.BytesIO()
    tifffile.imwrite(file, PAGES, truncate=True, photometric="minisblack")
    assert "only the first is a page" in reason(put(file.getvalue()))
    data = tiff((PAGES[0], {"description": "ImageJ=1.53\nimages=3\nslices=3\n"}))
    assert "only the first is a page" in reason(put(data))
    assert read_image(put(tiff((PAGES[0], {"description": "ImageJ=1.53\nimages=1\n"})))).shape == (16, 12)


@given(st.sampled_from(sorted(MANY)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=50)
def test_damaged_files_of_several_images_are_read_or_refused(name, changes):
    data = bytearray(MANY[name][0])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        for image in list(images_in_file(path))[:5]:
            with suppress(UnreadableImageError):
                assert read_image(image).size


# --- data sets --------------------------------------------------------------------------------------------------------


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three good pages to learn from; to test with two good ones, and three with a mask of as many pages."""
    root, masks = tmp_path / "set", (PAGES > 200) * np.uint8(255)
    write(root / "train/good/a.tif", tiff(*PAGES))
    write(root / "test/good/b.tif", tiff(*(255 - PAGES[:2])))
    write(root / "test/dent/c.tif", tiff(*(PAGES // 2)))
    write(root / "ground_truth/dent/c_mask.tif", tiff(*masks))
    return root


def test_every_page_is_a_sample_labelled_by_its_folder_with_the_mask_of_its_own(root):
    dataset = find_dataset(root)
    assert [sample.path.name for sample in dataset.normal_training()] == ["a.tif#1", "a.tif#2", "a.tif#3"]
    assert [(s.path.name, s.label) for s in dataset.test()][3:] == [("b.tif#1", 0), ("b.tif#2", 0)]
    assert not dataset.problems
    for page, sample in zip(PAGES, dataset.test(), strict=False):
        np.testing.assert_array_equal(read_mask(sample.mask), page > 200)
    assert diagnose(dataset).counts == {"test": {"dent": 3, "good": 2}, "train": {"good": 3}}
    assert dataset.fingerprint() != find_dataset(root).fingerprint(dataset.test())


def test_many_pages_come_in_their_order(tmp_path):
    write(tmp_path / "a.tif", tiff(*np.concatenate([PAGES] * 4)))
    assert [s.path.name for s in find_dataset(tmp_path).samples] == [f"a.tif#{number}" for number in range(1, 13)]


def test_a_mask_that_fits_none_of_several_images_is_not_used_and_that_is_said(root):
    write(root / "ground_truth/dent/c_mask.tif", tiff(PAGES[0]))
    dataset = find_dataset(root)
    assert not any(sample.mask for sample in dataset.samples)
    said = "is not used: it has 1 page, and its file of images 3"
    assert [(problem.path.name, problem.reason) for problem in dataset.problems] == [("c_mask.tif", said)]


def test_a_mask_of_several_pages_for_one_image_is_refused(root):
    write(root / "test/dent/c.tif", tiff(PAGES[0]))
    problems = diagnose(find_dataset(root)).problems
    assert ["the mask has 3 pages" in problem.reason for problem in problems] == [True]


def test_an_unreadable_page_of_a_data_set_is_listed_and_the_others_are_there(root):
    data = tiff(*PAGES)
    write(root / "train/good/a.tif", data[: len(data) - 40])
    found = diagnose(find_dataset(root))
    assert [problem.path.name for problem in found.unreadable] in (["a.tif#3"], ["a.tif#2"])


def test_the_file_of_a_page_is_found(put):
    path = put(tiff(*PAGES))
    assert file_of(path.with_name("x.tif#2")) == file_of(path) == path
