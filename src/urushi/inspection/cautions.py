"""What is to be said of all images of a run together, from the cautions of each."""

from collections import Counter

from urushi.inspection.results import CautionKind, Inspection, Unreadable

_SAYS: dict[CautionKind, str] = {
    "learnt": "{n} of {total} images are ones that the detector was fitted on",
    "unlike": "{n} of {total} images look like none that the detector was fitted on",
    "depth": "{n} of {total} images seem to be of another bit depth than those that the detector was fitted on",
    "alignment": "{n} of {total} images could not be aligned with the template of good parts",
    "tiles": "the threshold may not hold for {n} of {total} images",
}
_WRONG = " Is it the detector for these parts, and are camera, light and files as they were?"
_EARLY = 5  # images, before a run that may be long is called into question


class Cautions:
    """Counts the cautions of a run and remembers the first of each kind."""

    def __init__(self) -> None:
        self.n_inspected = 0
        self.counts: Counter[CautionKind] = Counter()
        self._first: dict[CautionKind, str] = {}
        self._was_alarming = False

    def add(self, result: Inspection | Unreadable) -> None:
        """Counts one result; what could not be read has no caution."""
        if isinstance(result, Unreadable):
            return
        self.n_inspected += 1
        for caution in result.cautions:
            self.counts[caution.kind] += 1
            self._first.setdefault(caution.kind, f"The first: {result.source}. {caution.text}")

    def lines(self) -> list[str]:
        """One line for each kind that occurred."""
        return [self._line(kind) for kind in _SAYS if self.counts[kind]]

    def alarm(self) -> str | None:
        """The line on unlike images, once, as soon as they are most of at least five."""
        if self._was_alarming or self.counts["unlike"] < _EARLY or not self._is_wrong:
            return None
        self._was_alarming = True
        return self._line("unlike")

    @property
    def _is_wrong(self) -> bool:
        return 2 * self.counts["unlike"] > self.n_inspected

    def _line(self, kind: CautionKind) -> str:
        question = _WRONG if kind == "unlike" and self._is_wrong else ""
        return f"{_SAYS[kind].format(n=self.counts[kind], total=self.n_inspected)}.{question} {self._first[kind]}"
