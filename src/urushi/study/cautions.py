"""What a reader of a study is to be warned of: brightness that tells kinds apart, and figures worse than guessing."""

from collections import Counter
from collections.abc import Iterator, Sequence

from urushi.data.samples import GOOD
from urushi.evaluation.below_chance import below_chance
from urushi.evaluation.luminance import PREPARED, compare_luminances
from urushi.study.plan import Study, label_of
from urushi.study.records import Record
from urushi.study.summary import Summary


def cautions(study: Study, summary: Summary, records: Sequence[Record]) -> list[str]:
    """A sentence for each, of the methods at their chosen values."""
    chosen = [record for record in records if record.value == study.chosen(record.method)]
    firsts = {(one.data, one.method): one for one in reversed(chosen)}.values()  # repeats hardly differ in brightness
    bright = {f"{one.data}: {warning}" for one in firsts for warning in of_brightness(one)}
    low = below_chance(dict(_roc_aucs(study, summary, chosen)))
    return [*_of_commits(records), *sorted(bright), *([low] if low else [])]


def _of_commits(records: Sequence[Record]) -> Iterator[str]:
    """Records are kept from run to run, and the code may have changed between two."""
    made = (record.environment for record in records if record.environment.get("commit"))
    found = Counter(f"{one['commit']}{' with changes' if one.get('is_dirty') else ''}" for one in made)
    if len(found) > 1:
        parts = ", ".join(f"{n} at {commit}" for commit, n in found.most_common())
        yield f"runs of different commits stand side by side, between which the code changed: {parts}"


def of_brightness(record: Record) -> Sequence[str]:
    """Of kinds that the brightness of the prepared images alone tells from good ones."""
    kinds: dict[str, list[float]] = {}
    for kind, value in zip(record.kinds, record.luminances, strict=True):
        kinds.setdefault(kind, []).append(value)
    return compare_luminances((GOOD, kinds.pop(GOOD, [])), kinds, of=PREPARED).warnings


def _roc_aucs(study: Study, summary: Summary, records: Sequence[Record]) -> Iterator[tuple[str, float | None]]:
    for record in records:
        for score in record.scores:
            place = (record.data, record.method, record.value, score, label_of(study.thresholds[0]), None)
            found = summary.at(place, "roc_auc")
            yield f"{record.data}, {record.method} by {score}", found.mean if found else None
