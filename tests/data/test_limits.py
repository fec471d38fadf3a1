"""What one image may take: memory, time, scans; and pictures of which a part is missing though the file looks whole."""

import io
import struct
import threading
import time

import numpy as np
import pytest
from PIL import Image

from urushi.data import limits
from urushi.data._pixels import RefusalError
from urushi.data.images import read_image
from urushi.data.limits import MAX_PIXELS, allow, in_time, memory
from urushi.errors import UnreadableImageError

Y, X = np.mgrid[:61, :93]
GREY = (120 + 60 * np.sin(X / 5) * np.cos(Y / 7)).astype(np.uint8)
COLOUR = np.stack([GREY, 255 - GREY, GREY[:, ::-1]], axis=-1)
FLAT = np.full((61, 93), 250, np.uint8)


@pytest.fixture
def usual():
    """The limits as they are, again."""
    before = limits._limits.max_pixels, limits._limits.deadline_seconds
    yield
    limits._limits.max_pixels, limits._limits.deadline_seconds = before


def jpeg(image: np.ndarray, **how) -> bytes:
    Image.fromarray(image).save(buffer := io.BytesIO(), "JPEG", **{"quality": 90, **how})
    return buffer.getvalue()


def why(tmp_path, data: bytes, name: str = "x.jpg") -> str | None:
    (tmp_path / name).write_bytes(data)
    try:
        read_image(tmp_path / name)
    except UnreadableImageError as error:
        return error.reason
    return None


# What is missing


WAYS = {
    "plain": {},
    "progressive": {"progressive": True},
    "subsampled": {"subsampling": 2},
    "restarts": {"restart_marker_rows": 1},
    "optimised": {"optimize": True, "quality": 40},
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("image", [GREY, COLOUR, FLAT], ids=["grey", "colour", "flat"])
def test_a_jpeg_that_was_cut_and_got_an_end_mark_again_is_not_read_and_a_whole_one_is(image, how, tmp_path):
    data = jpeg(image, **how)
    assert why(tmp_path, data) is None
    assert why(tmp_path, data + b"what a camera writes behind \xff\xd9 it") is None
    start = data.index(b"\xff\xda") + 12
    for share in (0.1, 0.3, 0.5, 0.8):
        cut = data[: start + int(share * (len(data) - start))].rstrip(b"\xff") + b"\xff\xd9"
        assert "truncated" in (why(tmp_path, cut) or "read"), share


def test_a_progressive_jpeg_without_its_last_scans_is_not_read(tmp_path):
    data = jpeg(COLOUR, progressive=True)
    scans = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]
    assert len(scans) > 4
    end = data.rindex(b"\xff\xc4", 0, scans[-1])  # the table of the last one goes too
    assert "some of its scans are missing" in (why(tmp_path, data[:end] + b"\xff\xd9") or "read")


def test_a_jpeg_of_more_scans_than_any_camera_writes_is_refused_before_it_is_decoded(tmp_path):
    data = jpeg(GREY, progressive=True)
    start, end = data.index(b"\xff\xda"), data.rindex(b"\xff\xd9")
    assert "scans" in why(tmp_path, data[:start] + 200 * data[start : data.index(b"\xff\xc4", start)] + data[end:])


def tiff(strips: list[bytes], rows_per_strip: int) -> bytes:
    """61 rows of 93 grey pixels, of which there are as many strips as given."""
    places = 8 + 2 + 8 * 12 + 4 + np.cumsum([8 * len(strips), *map(len, strips)])[:-1]
    entries = [(256, 4, 1, 93), (257, 4, 1, 61), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    at = 8 + 2 + 8 * 12 + 4
    entries += [(273, 4, len(strips), at), (278, 4, 1, rows_per_strip), (279, 4, len(strips), at + 4 * len(strips))]
    head = b"II*\0" + struct.pack("<IH", 8, 8) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    tables = struct.pack(f"<{len(strips)}I", *places) + struct.pack(f"<{len(strips)}I", *map(len, strips))
    return head + tables + b"".join(strips)


def test_a_tiff_without_the_strips_of_its_lower_half_is_not_read(tmp_path):
    strips = [GREY[row : row + 10].tobytes() for row in range(0, 61, 10)]
    assert why(tmp_path, tiff(strips, 10), "x.tif") is None
    for some in (strips[:4], [*strips[:4], b"", b"", b""]):
        assert "truncated" in (why(tmp_path, tiff(some, 10), "x.tif") or "read")


# What takes too long


def test_a_pgm_of_endless_comments_is_refused_at_once(tmp_path):
    assert why(tmp_path, b"P5\n# a comment\n93 61 # another\n255\n" + GREY.tobytes(), "x.pgm") is None
    start = time.monotonic()
    data = b"P5\n" + 500_000 * b"#\n" + b"93 61\n255\n" + GREY.tobytes()
    assert "no size in the first" in why(tmp_path, data, "x.pgm")
    assert time.monotonic() - start < 5


def test_a_decoder_that_does_not_end_is_stopped_and_said(usual):
    allow(seconds=0.2)
    ended = threading.Event()

    def forever() -> None:
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    with pytest.raises(RefusalError, match=r"took longer than 0\.2 s"):
        in_time(forever)
    assert ended.wait(10)


def test_what_work_raises_is_raised_and_what_it_gives_given():
    assert in_time(lambda: 3) == 3
    with pytest.raises(KeyError):
        in_time(lambda: {}["x"])


# What takes too much memory


def test_a_picture_of_deep_colour_may_have_fewer_pixels_than_one_of_grey():
    with (
        memory(10_000, 10_000, 1, MAX_PIXELS),
        pytest.raises(RefusalError, match="too large"),
        memory(10_000, 10_000, 8, MAX_PIXELS),
    ):
        pass


def test_large_pictures_are_decoded_one_after_the_other_and_small_ones_beside_them(monkeypatch):
    monkeypatch.setattr(limits, "_BUDGET_BYTES", 1000)
    held, most, lock = [0], [0], threading.Lock()

    def decode(side: int) -> None:
        with memory(side, side, 1, MAX_PIXELS):
            with lock:
                held[0] += side**2 * 3
                most[0] = max(most[0], held[0])
            time.sleep(0.005)
            with lock:
                held[0] -= side**2 * 3

    threads = [threading.Thread(target=decode, args=(side,)) for side in (17, 17, 5, 5, 100, 17, 5, 100, 17)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] == 3 * 100**2  # which is more than the budget, and so alone


def test_waiting_for_memory_is_not_counted_as_decoding(monkeypatch, usual):
    monkeypatch.setattr(limits, "_BUDGET_BYTES", 100)
    allow(seconds=0.3)

    def decode() -> int:
        with memory(10, 10, 1, MAX_PIXELS):
            return 1

    with memory(10, 10, 1, MAX_PIXELS):
        thread = threading.Timer(0.0, lambda: None)
        thread.start()
        found: list[int] = []
        waiting = threading.Thread(target=lambda: found.append(in_time(decode)))
        waiting.start()
        time.sleep(0.6)
    waiting.join(10)
    assert found == [1]


def test_the_limit_of_this_process_can_be_set(tmp_path, usual):
    Image.fromarray(GREY).save(tmp_path / "x.png")
    allow(megapixels=0.005)
    with pytest.raises(UnreadableImageError, match="too large: 93 × 61 = 5673 pixels, the limit is 5000"):
        read_image(tmp_path / "x.png")
    allow(megapixels=0.006)
    assert read_image(tmp_path / "x.png").shape == (61, 93)
