"""A buffer of anomalous codes in which new types of defects gather until they can be named (S2 §3.1, §7.2.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from urushi.calibration import p_values
from urushi.defect_types._head import Head, directions_of
from urushi.defect_types._tensors import read_tensors, write_tensors
from urushi.defect_types._types import verdicts
from urushi.errors import InputError

_KIND = "urushi novelty buffer 1"
_PICTURE_PX = 64
_LEAST, _MOST_TYPES = 5, 12  # images that make a proposal, and types that are looked for at once
_NEAR = 1e-6  # codes nearer than this are of one image that came again
_UNKNOWN_RATE = 0.1  # of a named type's images; a proposal costs little, a wrong name more


@dataclass(frozen=True)
class NoveltyBuffer:
    """Anomalous images as codes of one encoder; `names` are given by people, `proposals` by the last clustering."""

    key: str  # of the encoder
    codes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32), repr=False)  # (n, J)
    pictures: np.ndarray = field(
        default_factory=lambda: np.zeros((0, _PICTURE_PX, _PICTURE_PX, 3), np.uint8), repr=False
    )
    sources: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)  # "" where nobody has named it
    proposals: tuple[int, ...] = field(default=(), repr=False)  # 1, 2, …; 0 where it belongs to none

    def add(self, code: np.ndarray, picture: np.ndarray, source: str) -> "NoveltyBuffer":
        """With one more image: its code (J,) and picture (H, W, C) in [0, 1]; one that is there already stays alone."""
        if self._holds(code):
            return self
        small = cv2.resize(np.ascontiguousarray(picture), (_PICTURE_PX, _PICTURE_PX), interpolation=cv2.INTER_AREA)
        small = np.broadcast_to(small.reshape(_PICTURE_PX, _PICTURE_PX, -1), (_PICTURE_PX, _PICTURE_PX, 3))
        shown = (255 * small.clip(0, 1)).round().astype(np.uint8)
        grown = self._with(NoveltyBuffer(self.key, code[None].astype(np.float32), shown[None], (source,), ("",), (0,)))
        vars(grown)["_known"] = self._known  # a new image has no name, so these stay as they are
        return grown

    def merged(self, other: "NoveltyBuffer") -> "NoveltyBuffer":
        """With the images of another buffer of the same encoder that are not here yet; names of both stay."""
        new = [row for row, code in enumerate(other.codes) if not self._holds(code)]
        if not new:
            return self
        sources, names = (tuple(one[row] for row in new) for one in (other.sources, other.names))
        codes, pictures = other.codes[new], other.pictures[new]
        return self._with(NoveltyBuffer(self.key, codes, pictures, sources, names, (0,) * len(new)))

    def _holds(self, code: np.ndarray) -> bool:
        return bool(len(self.codes) and np.abs(self.codes - code).max(axis=1).min() < _NEAR)

    def _with(self, others: "NoveltyBuffer") -> "NoveltyBuffer":
        return replace(
            self,
            codes=np.vstack([self.codes.reshape(-1, others.codes.shape[1]), others.codes]),
            pictures=np.concatenate([self.pictures, others.pictures]),
            sources=self.sources + others.sources,
            names=self.names + others.names,
            proposals=self.proposals + others.proposals,
        )

    @cached_property
    def _known(self) -> tuple[list[str], Head, np.ndarray] | None:
        """The named types, what tells them apart, and how far their images lie from one another."""
        rows = [row for row, name in enumerate(self.names) if name]
        if not rows:
            return None
        names, owners = np.unique([self.names[row] for row in rows], return_inverse=True)
        return names.tolist(), Head.fit(self.codes[rows], owners), _nearest_others(self.codes[rows])

    def type_of(self, code: np.ndarray) -> str | None:
        """The named type that a code (J,) belongs to; None: it is like none, or more like one that nobody has named."""
        if self._known is None:
            return None
        others, is_named = np.abs(self.codes - code).max(axis=1) >= _NEAR, np.array([name != "" for name in self.names])
        if self._is_nearest(code, others & ~is_named, is_named):
            return None
        names, head, distances = self._known
        p = p_values(head.distances(code[None]), distances)
        (verdict,) = verdicts(names, head.probabilities(code[None]), p, _UNKNOWN_RATE)
        return verdict.defect_type

    def _is_nearest(self, code: np.ndarray, some: np.ndarray, others: np.ndarray) -> bool:
        """Whether one of some rows lies nearer to the code than all of the others."""
        cosines = directions_of(self.codes) @ directions_of(code[None])[0]
        return bool(some.any() and cosines[some].max() > cosines[others].max())

    def proposed(self) -> "NoveltyBuffer":
        """With the unnamed images grouped anew: similar ones of which there are five become a proposal.

        A code of zeros, which a network of rectifiers may give, has no direction and belongs to none.
        """
        rows = [row for row, name in enumerate(self.names) if not name and self.codes[row].any()]
        proposals = np.zeros(len(self.names), int)
        groups = [group for group in _groups(self.codes[rows]) if len(group) >= _LEAST]
        for number, group in enumerate(sorted(groups, key=len, reverse=True), start=1):
            proposals[np.array(rows)[group]] = number
        return replace(self, proposals=tuple(proposals.tolist()))

    def named(self, names: Mapping[int, str]) -> "NoveltyBuffer":
        """With proposals named by their number; raises InputError for a number that was not proposed, or no name."""
        allowed = sorted(set(self.proposals) - {0})
        for number, name in names.items():
            if number not in allowed or not name.strip():
                raise InputError(
                    f"{number}={name}: a proposal's number and a name are needed; proposed are {allowed or 'none yet'}"
                )
        pairs = zip(self.names, self.proposals, strict=True)
        given = tuple(names.get(proposal, name) for name, proposal in pairs)
        left = tuple(0 if proposal in names else proposal for proposal in self.proposals)
        return replace(self, names=given, proposals=left)

    def renamed(self, names: Mapping[str, str]) -> "NoveltyBuffer":
        """With types called by other names, {old: new}; two of one name are one. Raises InputError for no type."""
        allowed = sorted(set(self.names) - {""})
        for old, new in names.items():
            if old not in allowed or not new.strip():
                raise InputError(f"{old}={new}: the name of a type and another one are needed; types are {allowed}")
        return replace(self, names=tuple(names.get(name, name) for name in self.names))

    def save(self, path: Path) -> None:
        """Writes one safetensors file, atomically; raises InputError if the place can't be written."""
        facts = {"key": self.key, "sources": self.sources, "names": self.names, "proposals": self.proposals}
        write_tensors(path, _KIND, {"codes": self.codes, "pictures": self.pictures}, facts)

    @classmethod
    def load(cls, path: Path) -> "NoveltyBuffer":
        """The inverse of `save`; raises InputError if the file is damaged or something else."""
        tensors, facts = read_tensors(path, _KIND)
        try:
            lists = {name: tuple(facts[name]) for name in ("sources", "names", "proposals")}
            found = cls(str(facts["key"]), tensors["codes"], tensors["pictures"], **lists)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}); start a new buffer") from None
        n = len(found.codes)
        fits = found.codes.ndim == 2 and found.pictures.shape == (n, _PICTURE_PX, _PICTURE_PX, 3)
        if not (fits and all(len(one) == n for one in lists.values()) and _are(lists)):
            raise InputError(f"{path} is damaged: its lists do not fit together; start a new buffer")
        return found


def _are(lists: Mapping[str, Iterable[object]]) -> bool:
    kinds = {"sources": str, "names": str, "proposals": int}
    return all(isinstance(value, kinds[name]) for name, values in lists.items() for value in values)


def _nearest_others(codes: np.ndarray) -> np.ndarray:
    """How far each code lies from the nearest other one, (n,)."""
    if len(codes) < 2:
        return np.zeros(len(codes))
    cosines = (directions := directions_of(codes)) @ directions.T
    np.fill_diagonal(cosines, -1)
    found: np.ndarray = 1 - cosines.max(axis=1)
    return found


def _groups(codes: np.ndarray) -> list[np.ndarray]:
    """Rows of similar directions: average linkage on cosines, as many groups as give the best silhouette."""
    if len(codes) < 2 * _LEAST:
        return [np.arange(len(codes))] if len(codes) >= _LEAST else []
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import silhouette_score

    directions, best = directions_of(codes), (-np.inf, np.zeros(len(codes), int))
    for n_groups in range(2, min(_MOST_TYPES, len(codes) - 1) + 1):
        found = AgglomerativeClustering(n_groups, metric="cosine", linkage="average").fit_predict(directions)
        best = max(best, (float(silhouette_score(directions, found, metric="cosine")), found), key=lambda one: one[0])
    return [np.flatnonzero(best[1] == group) for group in range(best[1].max() + 1)]
