"""Image files that were damaged, by chance or on purpose: each is read as an image, or refused with a reason."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import strategies as st

from urushi.data.images import read_image
from urushi.errors import UnreadableImageError

Damage = tuple[str, int, int]


def damages(first: int, last: int) -> st.SearchStrategy[list[Damage]]:
    """Some of a file: cut off, or a byte changed, often between the first and the last of its header."""
    one = st.one_of(
        st.tuples(st.just("cut"), st.integers(0, 3000), st.just(0)),
        st.tuples(st.just("flip"), st.integers(0, 3000), st.integers(1, 255)),
        st.tuples(st.just("flip"), st.integers(first, last), st.integers(1, 255)),
    )
    return st.lists(one, min_size=1, max_size=4)


def damaged(content: bytes, found: Iterable[Damage]) -> bytes:
    data = bytearray(content)
    for kind, place, value in found:
        if kind == "cut":
            del data[place % (len(data) + 1) :]
        elif data:
            data[place % len(data)] ^= value
    return bytes(data)


def read_or_refused(data: bytes, name: str = "x") -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            read = read_image(path, max_pixels=1_000_000)
        except UnreadableImageError as error:
            why = error.reason
        else:
            why = "none"
            assert read.dtype in (np.uint8, np.uint16, np.float32)
            assert read.ndim == 2 or read.shape[2:] == (3,)
            assert np.isfinite(read).all()
    assert why
    assert "\n" not in why
