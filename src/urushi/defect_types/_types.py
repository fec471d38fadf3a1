"""Types of defects learnt from a few labelled images (S3, classification by an autoencoder's encoder)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from urushi.calibration import p_values
from urushi.defect_types._head import Head
from urushi.defect_types._tensors import read_tensors, write_tensors
from urushi.defect_types.encoder import Encoder
from urushi.errors import DatasetError, InputError

_KIND, _TUNED = "urushi defect types 1", "encoder."
_N_FOLDS = 5


@dataclass(frozen=True)
class Verdict:
    """Which type a defect is of; None where it is like none, or too much like two."""

    defect_type: str | None
    likeliest: str
    probability: float  # of the likeliest
    p_value: float  # share of labelled images expected to lie as far from all others


def verdicts(names: Sequence[str], probabilities: np.ndarray, p: np.ndarray, unknown_rate: float) -> list[Verdict]:
    """From probabilities (n, K) of the types and p-values (n,) of the distances to all that were learnt from."""
    found = []
    for row, p_value in zip(probabilities, p.tolist(), strict=True):
        likeliest, probability = names[int(row.argmax())], float(row.max())
        is_known = p_value > unknown_rate and probability > 0.5
        found.append(Verdict(likeliest if is_known else None, likeliest, probability, p_value))
    return found


@dataclass(frozen=True)
class DefectTypes:
    """What tells types apart; made by `learn`, used on codes of the same encoder."""

    names: tuple[str, ...]
    head: Head = field(repr=False)
    held_out_distances: np.ndarray = field(repr=False)  # (n,): of labelled images from others, by other fits
    held_out_right: int  # of n labelled images, how many were named rightly by such fits
    held_out_unknown: int
    unknown_rate: float  # share of images of known types that may be called unknown for lying far from all
    key: str  # of the encoder
    weights: Mapping[str, np.ndarray] | None = field(default=None, repr=False)  # of a tuned encoder

    @classmethod
    def learn(
        cls,
        encoder: Encoder,
        images: Sequence[np.ndarray],
        labels: Sequence[str],
        *,
        unknown_rate: float = 0.05,
        n_epochs: int = 0,
        rebuilding: float = 0.0,
        seed: int = 0,
    ) -> "DefectTypes":
        """From prepared images (C, H, W) and their types; with `n_epochs`, the encoder is trained on.

        `rebuilding` is the weight of the method's own loss beside that of the types.

        Raises DatasetError if a type has fewer than two images, InputError for a rate outside (0, 1).
        """
        if not 0 < unknown_rate < 1:
            raise InputError(f"the share called unknown lies between 0 and 1, not at {unknown_rate}")
        names, owners = np.unique(np.array(labels), return_inverse=True)
        _require_two_of_each(names, owners)
        tuning = partial(Encoder.tuned, n_epochs=n_epochs, seed=seed, rebuilding=rebuilding)
        probabilities, distances = _held_out(encoder, images, owners, tuning, seed)
        tuned = tuning(encoder, images, owners)
        head = Head.fit(tuned.latents(images), owners)
        own = cls(tuple(names.tolist()), head, distances, 0, 0, unknown_rate, encoder.key, tuned.weights)
        found = verdicts(own.names, probabilities, p_values(distances, distances), unknown_rate)
        named = [verdict.defect_type for verdict in found]
        right = sum(name == label for name, label in zip(named, labels, strict=True))
        return cls(**{**vars(own), "held_out_right": right, "held_out_unknown": named.count(None)})

    def classify(self, codes: np.ndarray) -> list[Verdict]:
        """The verdict on each code (n, J)."""
        p = p_values(self.head.distances(codes), self.held_out_distances)
        return verdicts(self.names, self.head.probabilities(codes), p, self.unknown_rate)

    def encoder(self, detector: Any) -> Encoder:
        """The encoder to be used with them; raises InputError if they were learnt with another detector."""
        found = Encoder(detector, self.weights)
        if found.key != self.key:
            raise InputError("these types were learnt with another detector; learn them anew with this one")
        return found

    def save(self, path: Path) -> None:
        """Writes one safetensors file, atomically; raises InputError if the place can't be written."""
        tensors = {name: getattr(self.head, name) for name in Head.__dataclass_fields__}
        tensors |= {"held_out_distances": self.held_out_distances}
        tensors |= {_TUNED + name: value for name, value in (self.weights or {}).items()}
        facts = {"names": self.names, "key": self.key, "unknown_rate": self.unknown_rate}
        facts |= {"held_out_right": self.held_out_right, "held_out_unknown": self.held_out_unknown}
        write_tensors(path, _KIND, tensors, facts)

    @classmethod
    def load(cls, path: Path) -> "DefectTypes":
        """The inverse of `save`; raises InputError if the file is damaged or something else."""
        tensors, facts = read_tensors(path, _KIND)
        try:
            head = Head(**{name: tensors.pop(name) for name in Head.__dataclass_fields__})
            distances = tensors.pop("held_out_distances")
            weights = {name.removeprefix(_TUNED): value for name, value in tensors.items()}
            found = cls(head=head, held_out_distances=distances, weights=weights or None, **facts)
            found.classify(np.zeros((1, len(head.mean))))  # every shape fits
            if not (isinstance(found.names, list) and all(isinstance(name, str) and name for name in found.names)):
                raise ValueError("its types have no names")
            if len(found.names) != len(head.bias) or not 0 < found.unknown_rate < 1:
                raise ValueError("its names or rate do not fit its types")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{path} is damaged ({error}); learn the types anew") from None
        return found


def _held_out(
    encoder: Encoder, images: Sequence[np.ndarray], owners: np.ndarray, tuning: Callable[..., Encoder], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, K) and distances (n,) of each image by a fit that has not seen it."""
    from sklearn.model_selection import StratifiedKFold

    n_folds = min(_N_FOLDS, int(np.bincount(owners).min()))
    probabilities, distances = np.zeros((len(owners), int(owners.max()) + 1)), np.zeros(len(owners))
    for seen, held in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(owners, owners):
        known = [images[row] for row in seen]
        tuned = tuning(encoder, known, owners[seen])
        head, codes = Head.fit(tuned.latents(known), owners[seen]), tuned.latents([images[row] for row in held])
        probabilities[held], distances[held] = head.probabilities(codes), head.distances(codes)
    return probabilities, distances


def _require_two_of_each(names: np.ndarray, owners: np.ndarray) -> None:
    counts = np.bincount(owners, minlength=len(names))
    if len(names) == 0 or counts.min() < 2:
        found = ", ".join(f"{name} {n}" for name, n in zip(names, counts, strict=True)) or "none"
        raise DatasetError(f"each type of defect needs two labelled images at least; there are: {found}")
