"""Names the types of defects while images are inspected, and gathers what is of no known type."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.cli import _console
from urushi.defect_types import DefectTypes, Encoder, NoveltyBuffer, update
from urushi.errors import InputError
from urushi.inspection import Inspection, Unreadable
from urushi.printable import counted

if TYPE_CHECKING:
    import numpy as np

    from urushi.detector import Detector

UNKNOWN, NOVEL = "unknown", "novel"
_SAVED_EVERY = 20  # images: so much work can be lost at most


class TypeTeller:
    """Types from a file first; what they do not know is compared with the buffer's named types, and gathers there."""

    def __init__(
        self, detector: "Detector", types: Path | None, buffer: Path | None, *, gathers_unsure: bool = False
    ) -> None:
        self.types = None if types is None else DefectTypes.load(types)
        self.path, self.encoder, self.n_added = buffer, Encoder(detector), 0
        self.types_encoder = self.types.encoder(detector) if self.types else self.encoder
        self.buffer = None if buffer is None else _opened(buffer, self.encoder.key)
        self.gathered = ("anomalous", "unsure") if gathers_unsure else ("anomalous",)
        self.counts: Counter[str] = Counter()

    def tell(self, results: Iterable[Inspection | Unreadable]) -> Iterator[Inspection | Unreadable]:
        """The same results with their types; the buffer is saved as it grows."""
        for result in results:
            if isinstance(result, Unreadable) or result.decision == "normal":
                yield result
                continue
            found = self._type_of(result)
            self.counts[found] += 1
            yield replace(result, defect_type=found)

    def _type_of(self, result: Inspection) -> str:
        image = self.encoder.image(result)
        if self.types:
            (verdict,) = self.types.classify(self.types_encoder.latents([image]))
            if verdict.defect_type or self.buffer is None:
                return verdict.defect_type or UNKNOWN
        return self._gathered(result, self.encoder.latents([image])[0]) or NOVEL

    def _gathered(self, result: Inspection, code: "np.ndarray") -> str | None:
        assert self.buffer is not None
        named = self.buffer.type_of(code)
        grown = self.buffer.add(code, result.image, result.source) if result.decision in self.gathered else self.buffer
        if grown is not self.buffer:
            self.buffer, self.n_added = grown, self.n_added + 1
            if self.n_added % _SAVED_EVERY == 0:
                self._save()
        return named

    def _save(self) -> None:
        """What other programs have gathered and people have named since stays, and is known from now on."""
        if self.buffer is not None and self.path is not None:
            self.buffer = update(self.path, self._merged)

    def _merged(self, stored: NoveltyBuffer | None) -> NoveltyBuffer:
        assert self.buffer is not None
        return self.buffer if stored is None else _of(stored, self.encoder.key, self.path).merged(self.buffer)

    def close(self) -> None:
        """Saves the buffer and says what types there were."""
        self._save()
        if self.counts:
            _console.note("types: " + ", ".join(f"{name} {n}" for name, n in self.counts.most_common()))
        if self.buffer is not None:
            _console.note(
                f"{counted(self.n_added, 'image')} more in {self.path}; `urushi novelties {self.path}` groups them"
            )


def _opened(path: Path, key: str) -> NoveltyBuffer:
    return _of(NoveltyBuffer.load(path), key, path) if path.exists() else NoveltyBuffer(key)


def _of(found: NoveltyBuffer, key: str, path: Path | None) -> NoveltyBuffer:
    """The buffer, if it is of the encoder with this key; raises InputError."""
    if found.key != key:
        raise InputError(f"{path} was gathered with another detector, whose codes mean something else; start a new one")
    return found
