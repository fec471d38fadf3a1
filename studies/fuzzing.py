"""python -m studies.fuzzing [--images N] [--texts N] [--seed N] [--out DIR]

Files of every format are damaged at random and read: images as `urushi inspect` reads them, detector files with their
digests forged so that what they hold is looked at, recipes, studies and buffers of new defects. Right is an error of
Urushi's own or a result; counted are other errors, reads of more than 10 s, and growth of memory beyond 1 GiB.
Results: studies/results/fuzzing.json and .md.
"""

import hashlib
import io
import json
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line, record
from PIL import Image

from studies import RESULTS
from urushi import Detector, Recipe
from urushi.data.images import read_image
from urushi.data.pages import images_in_file
from urushi.defect_types import NoveltyBuffer
from urushi.errors import UrushiError
from urushi.recipe import parse_setting
from urushi.study.plan import Study

SLOW_SECONDS, MEMORY_BYTES = 10.0, 1 << 30
EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\1",
    b"\1\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\x80\0",
)
GREY = (128 + 90 * np.sin(np.mgrid[:40, :56].sum(axis=0) / 4)).astype(np.uint8)


def damaged(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """One to four damages: bytes, fields, cuts, repeats, and parts of other files."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place, kind = rng.randrange(len(found) + 1), rng.randrange(7)
        if rng.random() < 0.5:  # headers are read first
            place = rng.randrange(min(len(found), 256) + 1)
        if kind == 0 and found:
            found[min(place, len(found) - 1)] = rng.randrange(256)
        elif kind == 1:
            found[place : place + 4] = rng.choice(EXTREMES)
        elif kind == 2:
            found[place : place + 2] = rng.choice(EXTREMES)[:2]
        elif kind == 3:
            del found[place : place + rng.randint(1, 40)]
        elif kind == 4:
            found[place:place] = found[place : place + rng.randint(1, 60)] * rng.randint(1, 50)
        elif kind == 5:
            del found[place:]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            found[place : place + 30] = other[start : start + rng.randint(1, 60)]
    return bytes(found)


def images() -> dict[str, bytes]:
    """Small valid files, by name."""
    grey, colour = (
        Image.fromarray(GREY),
        Image.fromarray(np.stack([GREY, GREY.T.reshape(GREY.shape), 255 - GREY], axis=-1)),
    )
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [colour, colour]}
    made: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("grey.png", grey, "PNG", {}),
        ("deep.png", deep, "PNG", {}),
        ("palette.png", colour.quantize(32), "PNG", {}),
        ("alpha.png", colour.convert("RGBA"), "PNG", {}),
        ("frames.png", colour, "PNG", frames),
        ("plain.jpg", colour, "JPEG", {}),
        ("progressive.jpg", colour, "JPEG", {"progressive": True}),
        ("restarts.jpg", grey, "JPEG", {"restart_marker_rows": 1}),
        ("cmyk.jpg", colour.convert("CMYK"), "JPEG", {}),
        ("plain.bmp", colour, "BMP", {}),
        ("grey.tif", grey, "TIFF", {}),
        ("deep.tif", deep, "TIFF", {"compression": "tiff_lzw"}),
        ("pages.tif", colour, "TIFF", {**frames, "compression": "tiff_deflate"}),
        ("jpeg.tif", colour, "TIFF", {"compression": "jpeg"}),
        ("fax.tif", grey.convert("1"), "TIFF", {"compression": "group4"}),
        ("plain.pgm", grey, "PPM", {}),
        ("plain.ppm", colour, "PPM", {}),
        ("lossless.webp", colour, "WEBP", {"lossless": True}),
        ("frames.webp", colour, "WEBP", frames),
    ]
    return {name: _saved(image, kind, how) for name, image, kind, how in made} | dict(_dicoms())


def _saved(image: Image.Image, kind: str, how: dict[str, Any]) -> bytes:
    image.save(buffer := io.BytesIO(), kind, **how)
    return buffer.getvalue()


def _dicoms() -> Iterator[tuple[str, bytes]]:
    from pydicom import Dataset, FileMetaDataset, dcmwrite, uid
    from pydicom.encaps import encapsulate

    ways = {
        "raw": uid.ExplicitVRLittleEndian,
        "jpeg": uid.JPEGBaseline8Bit,
        "j2k": uid.JPEG2000Lossless,
        "rle": uid.RLELossless,
    }
    for name, syntax in ways.items():
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        data.SOPClassUID, data.SOPInstanceUID = uid.SecondaryCaptureImageStorage, uid.generate_uid()
        data.Rows, data.Columns = GREY.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
        frame = Image.fromarray(GREY)
        if name == "rle":
            data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
            data.PixelData = GREY.tobytes()
            data.compress(uid.RLELossless)
        else:
            kind = {"jpeg": "JPEG", "j2k": "JPEG2000"}.get(name)
            data.PixelData = encapsulate([_saved(frame, kind, {})]) if kind else GREY.tobytes()
            data["PixelData"].is_undefined_length = bool(kind)
        data["PixelData"].VR = "OB"
        dcmwrite(buffer := io.BytesIO(), data, enforce_file_format=True)
        yield f"{name}.dcm", buffer.getvalue()


def read(path: Path) -> None:
    """As an inspection does: what images there are, and each of the first."""
    for number, name in enumerate(images_in_file(path)):
        read_image(name)
        if number == 3:
            return


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forged(parts: dict[str, bytes], name: str, rng: random.Random) -> bytes:
    """A detector file with one damaged member whose digest is right again."""
    changed = parts | {name: damaged(parts[name], rng, list(parts.values()))}
    if name != "card.json":
        card = json.loads(changed["card.json"])
        card["digests"] = {n: hashlib.sha256(c).hexdigest() for n, c in changed.items() if n != "card.json"}
        changed["card.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for member, content in changed.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def load(path: Path, damaged_member: str) -> Detector:
    """In the runtime that looks at the damaged member."""
    return Detector.load(path, runtime="torch" if damaged_member == "weights.safetensors" else None)


def detector(folder: Path) -> bytes:
    rng = np.random.default_rng(0)
    good = [(GREY + rng.normal(0, 4, GREY.shape)).clip(0, 255).astype(np.uint8) for _ in range(8)]
    small = {
        "preprocessing.resize.height": 32,
        "preprocessing.resize.width": 32,
        "model.name": "feature_reconstruction",
        "model.blocks": [2],
        "model.windows": [0],
    }
    made = Detector.fit(good, Recipe.find("default").with_settings(small | {"split.n_folds": 2, "model.variance": 0.8}))
    made.export(good).save(folder / "whole.urushi")
    return (folder / "whole.urushi").read_bytes()


class Counts:
    """What came of the cases of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind, self.n, self.n_refused = kind, 0, 0
        self.others: Counter[str] = Counter()
        self.slowest, self.grown = 0.0, 0

    def case(self, work: Callable[[], object]) -> None:
        start, before = time.monotonic(), _peak_bytes()
        self.n += 1
        try:
            work()
        except UrushiError:
            self.n_refused += 1
        except Exception as error:  # what is being looked for
            self.others[f"{type(error).__name__}: {str(error)[:80]}"] += 1
        self.slowest = max(self.slowest, time.monotonic() - start)
        self.grown = max(self.grown, _peak_bytes() - before)

    def row(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "cases": self.n,
            "refused": self.n_refused,
            "other_errors": dict(self.others),
            "slowest_seconds": self.slowest,
            "is_slow": self.slowest > SLOW_SECONDS,
            "most_memory_mib": self.grown / 2**20,
            "is_large": self.grown > MEMORY_BYTES,
        }


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def of_images(n: int, folder: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    files = images()
    for name, data in files.items():
        counts, path = Counts(name), folder / name
        path.write_bytes(data)
        read(path)  # whole, it is read
        for _ in range(n // len(files) + 1):
            path.write_bytes(damaged(data, rng, list(files.values())))
            counts.case(partial(read, path))
        yield counts.row()


def of_texts(n: int, folder: Path, rng: random.Random) -> Iterator[dict[str, Any]]:
    data, path = detector(folder), folder / "part.urushi"
    parts = members(data)
    recipe, study = Recipe.find("autoencoder").to_toml().encode(), (Path(__file__).parent / "fusion.toml").read_bytes()
    buffer = NoveltyBuffer("key").add(np.ones(5), np.zeros((8, 8, 3), np.float32), "a.png")
    buffer.save(folder / "buffer")
    stored, words = (folder / "buffer").read_bytes(), [b"training.max_epochs=3", b'score={name="ssim"}']

    def put(content: bytes) -> Path:
        path.write_bytes(content)
        return path

    def load_forged(name: str) -> Detector:
        return load(put(forged(parts, name, rng)), name)

    kinds: dict[str, Callable[[], object]] = {
        "detector file": lambda: Detector.load(put(damaged(data, rng, [recipe]))),
        **{f"its {name}": partial(load_forged, name) for name in parts},
        "recipe": lambda: Recipe.from_toml(damaged(recipe, rng, [study]).decode("utf-8", "replace")),
        "setting": lambda: parse_setting(damaged(rng.choice(words), rng, [recipe]).decode("utf-8", "replace")),
        "study": lambda: Study.of(put(damaged(study, rng, [recipe]))),
        "buffer of new defects": lambda: NoveltyBuffer.load(put(damaged(stored, rng, [recipe]))),
    }
    for kind, work in kinds.items():
        counts = Counts(kind)
        for _ in range(n // len(kinds) + 1):
            counts.case(work)
        yield counts.row()


def page(study: dict[str, Any]) -> str:
    about = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
    head = "| file | cases | refused in words | other errors | slowest, s | most memory, MiB |"
    rows = [
        f"| {row['kind']} | {row['cases']} | {row['refused']} | {sum(row['other_errors'].values())} | "
        f"{row['slowest_seconds']:.2f} | {row['most_memory_mib']:.0f} |"
        for row in study["rows"]
    ]
    n = sum(row["cases"] for row in study["rows"])
    facts = f"{n} cases, seed {study['seed']}, commit {study['environment']['commit']}."
    return "\n".join(["# Damaged files", "", about, "", facts, "", head, "|---" * 6 + "|", *rows])


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, images=100_000, texts=10_000, seed=0).parse_args()
    rng, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder:
        for found in (of_images(options.images, Path(folder), rng), of_texts(options.texts, Path(folder), rng)):
            for row in found:
                rows.append(row)
                print(row, file=sys.stderr, flush=True)
    record.publish(
        options.results,
        "fuzzing",
        {"environment": record.environment(), **command_line.settings(options), "rows": rows},
        page,
    )


if __name__ == "__main__":
    main()
