"""Parts of many images: the same of the same images, each whole or not there, none twice. Nothing here needs Ray."""

import json
from pathlib import Path

import pytest

from urushi.data.samples import Problem
from urushi.distributed.parts import PartFolder, parts, sources
from urushi.errors import DatasetError, InputError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for name in ("b.png", "a.png", "below/c.png", "notes.txt"):
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_and_lists_are_absolute_paths_in_their_order(images: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("images/b.png\n\nimages/a.png\n")
    named = [str(images / name) for name in ("a.png", "b.png", "below/c.png")]
    assert list(sources([images])) == named
    assert list(sources([tmp_path / "list.txt"])) == [named[1], named[0]]
    assert list(sources([tmp_path / "list.txt", images / "a.png"])) == [named[1], named[0], named[0]]


def test_a_list_may_be_of_another_system(images: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("\ufeffimages/b.png\r\nimages/a.png".encode())
    assert list(sources([tmp_path / "list.txt"])) == [str(images / name) for name in ("b.png", "a.png")]


def test_a_missing_list_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path / "none"):
        with pytest.raises(DatasetError):
            list(sources([path]))


def test_what_cannot_be_searched_is_said(images: Path) -> None:
    (images / "linked").symlink_to(images / "below")
    assert [one.path.name for one in sources([images]) if isinstance(one, Problem)] == ["linked"]


def test_a_parquet_file_names_images_in_its_column_of_paths(images: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"line": ["x", "y"], "path": [None, "images/b.png"]}), tmp_path / "list.parquet")
    unnamed, found = sources([tmp_path / "list.parquet"])
    assert found == str(images / "b.png")
    assert unnamed == Problem(tmp_path / "list.parquet", "row 1 has no path")
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):  # pandas' categories
        column = pa.array(["images/b.png"], pa.string()).cast(kind)
        parquet.write_table(pa.table({"n": [1], "path": column}), tmp_path / "list.parquet")
        assert list(sources([tmp_path / "list.parquet"])) == [str(images / "b.png")]
    parquet.write_table(pa.table({"line": ["x"], "camera": ["y"]}), tmp_path / "list.parquet")
    with pytest.raises(DatasetError, match=r"it has: line \(string\), camera \(string\)"):
        list(sources([tmp_path / "list.parquet"]))
    (tmp_path / "list.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        list(sources([tmp_path / "list.parquet"]))


def test_what_is_written_is_there_and_nothing_else_takes_its_place(tmp_path: Path) -> None:
    first, second = parts(["/a", "/b", "/c"], 2, "detector")
    assert (first.sources, second.sources) == (("/a", "/b"), ("/c",))
    folder = PartFolder(tmp_path, "jsonl")
    folder.write(first, [{"source": "/a", "reason": "is empty"}, {"source": "/b\udcff", "score": 0.5}])
    again = PartFolder(tmp_path, "jsonl")
    assert [again.has(one) for one in (first, second)] == [True, False]
    assert [json.loads(line)["source"] for line in next(tmp_path.iterdir()).read_text().splitlines()] == [
        "/a",
        "/b\udcff",
    ]
    for others in (parts(["/a", "/x"], 2, "detector"), parts(["/a", "/b"], 2, "another")):
        with pytest.raises(InputError, match="give a new folder"):
            again.has(next(others))
    with pytest.raises(InputError, match="give a new folder"):
        PartFolder(tmp_path, "parquet").has(first)
    assert again.n_beyond(0) == 1


def test_a_parquet_part_has_a_row_for_each_image_read_or_not(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (part,) = parts(["/a", "/b"], 2, "detector")
    seen = {"source": "/a", "decision": "anomalous", "score": 2.0, "threshold": 1.0, "p_value": 0.1, "caution": None}
    PartFolder(tmp_path, "parquet").write(
        part, [{**seen, "regions": [{"x": 1}]}, {"source": "/b", "reason": "is empty"}]
    )
    rows = parquet.read_table(next(tmp_path.iterdir())).to_pylist()
    assert [row["source"] for row in rows] == ["/a", "/b"]
    assert (rows[0]["n_regions"], json.loads(rows[0]["regions"]), rows[0]["score"]) == (1, [{"x": 1}], 2.0)
    assert (rows[1]["reason"], rows[1]["score"], rows[1]["regions"]) == ("is empty", None, None)
