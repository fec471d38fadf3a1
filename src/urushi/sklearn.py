"""A detector as an estimator of scikit-learn, for its pipelines, its cross-validation, and tools that use both.

Signs are scikit-learn's: a higher score is more normal, +1 is normal, −1 anomalous. Everywhere else in Urushi a higher
score is more anomalous, and in `PyodDetector`, for PyOD's combinations and figures.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.catalogue.extras import require
from urushi.data.images import ImageSource
from urushi.detector import Detector
from urushi.errors import InputError, UnreadableImageError
from urushi.inspection import Inspection
from urushi.printable import counted
from urushi.recipe import Recipe

require("sklearn", "train")
from sklearn.base import BaseEstimator, OutlierMixin  # noqa: E402  after it is known to be there
from sklearn.utils.validation import check_is_fitted  # noqa: E402

if TYPE_CHECKING:
    from typing import Self

    from sklearn.utils import Tags

    from urushi.inspection import Unreadable

Images = np.ndarray | Sequence[ImageSource]


class AnomalyDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Learns from images of good parts: an array (n, H, W[, C]), or a list of paths, arrays and Pillow images.

    `recipe` and `settings` are those of `urushi fit --recipe` and `--set`: {"split.n_folds": 5}. `false_alarm_rate` is
    the share of good parts that may be called anomalous; None: as the recipe says. `random_state` is the seed. After
    `fit`, `detector_` is the `urushi.Detector`, and `offset_` the threshold with scikit-learn's sign.
    """

    def __init__(
        self,
        recipe: Recipe | str = "default",
        *,
        settings: Mapping[str, Any] | None = None,
        false_alarm_rate: float | None = None,
        random_state: int = 0,
    ) -> None:
        self.recipe = recipe
        self.settings = settings
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    def fit(self, X: Images, y: object = None) -> "Self":  # noqa: ARG002, N803  as scikit-learn calls them
        """Learns what normal looks like; `y` is not used. Warns of images that can't be read, and does without them.

        Raises InputError and its kinds as `Detector.fit` does.
        """
        self.detector_ = Detector.fit(_images(X), self._recipe(), seed=self.random_state)
        self.offset_ = -self.detector_.threshold.value
        if unreadable := self.detector_.unreadable:
            warnings.warn(
                f"{counted(len(unreadable), 'image is', 'images are')} left out, the first: {_reason(unreadable[0])}",
                stacklevel=2,
            )
        return self

    def score_samples(self, X: Images) -> np.ndarray:  # noqa: N803
        """(n,) minus the anomaly score of each image; raises UnreadableImageError, and InputError for files of several.

        Raises NotFittedError before `fit`.
        """
        check_is_fitted(self)
        images = _images(X)
        scores, unreadable = self.detector_.scores_of(images)
        if unreadable:
            raise UnreadableImageError(unreadable[0].source, unreadable[0].reason)
        if len(scores) != len(images):
            raise InputError(
                f"{counted(len(images), 'file holds', 'files hold')} {counted(len(scores), 'image')}; name each "
                "page, as in stack.tif#1"
            )
        return -scores

    def decision_function(self, X: Images) -> np.ndarray:  # noqa: N803
        """(n,) how far each image is on the normal side of the threshold; negative: anomalous. Raises as above."""
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Images) -> np.ndarray:  # noqa: N803
        """(n,) +1 for a normal image (and an unsure one), −1 for an anomalous one. Raises as above."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _recipe(self) -> Recipe:
        recipe = Recipe.find(self.recipe) if isinstance(self.recipe, str) else self.recipe
        rate = {} if self.false_alarm_rate is None else {"threshold.false_alarm_rate": self.false_alarm_rate}
        return recipe.with_settings({**(self.settings or {}), **rate})

    def __sklearn_tags__(self) -> "Tags":
        """Images instead of rows of features."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array, tags.input_tags.string = False, True, True
        return tags


class PyodDetector(AnomalyDetector):
    """The same with PyOD's signs, labels and names: a higher score is more anomalous, labels are 0 and 1.

    After `fit`, `decision_scores_` and `labels_` are those of the training images, as in PyOD, of which the detector
    has learnt; NaN and 1 of one that can't be read. `threshold_` comes from images that were held out.
    """

    def fit(self, X: Images, y: object = None) -> "Self":  # noqa: N803  as PyOD calls them
        """Learns what normal looks like; `y` is not used. Warns and raises as the estimator of scikit-learn does."""
        super().fit(X, y)
        found = self.detector_.inspect_many(list(X))
        scores = [one.score if isinstance(one, Inspection) else np.nan for one in found]
        self.threshold_ = self.detector_.threshold.value
        self.decision_scores_ = np.array(scores)
        self.labels_ = self._labels(self.decision_scores_)
        return self

    def decision_function(self, X: Images) -> np.ndarray:  # noqa: N803
        """(n,) the anomaly score of each image; raises as `score_samples`."""
        return np.asarray(-self.score_samples(X))

    def predict(self, X: Images) -> np.ndarray:  # noqa: N803
        """(n,) 0 for a normal image (and an unsure one), 1 for an anomalous one; raises as `score_samples`."""
        return self._labels(self.decision_function(X))

    def fit_predict(self, X: Images, y: object = None) -> np.ndarray:  # noqa: N803
        """(n,) `labels_` after a fit on the same images."""
        return self.fit(X, y).labels_

    def _labels(self, scores: np.ndarray) -> np.ndarray:
        return np.where(scores <= self.threshold_, 0, 1)


def _images(X: Images) -> list[ImageSource]:  # noqa: N803
    """One by one; raises InputError for what holds no images."""
    if isinstance(X, np.ndarray) and X.dtype.kind not in "OSU" and X.ndim not in (3, 4):
        raise InputError(f"an array of shape {X.shape}; images are (n, H, W) or (n, H, W, C), or a list of paths")
    if isinstance(X, str):
        raise InputError(f"one path came, {X!r}; give a list of them")
    return list(X)


def _reason(item: "Unreadable") -> str:
    return f"{item.source}: {item.reason}"
