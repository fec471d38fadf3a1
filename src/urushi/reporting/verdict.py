"""The first sentence of a report: what was decided, or how well."""

from collections.abc import Iterator, Mapping

from urushi.printable import counted


def verdict(counts: Mapping[str, int], outcomes: Mapping[str, int], n_unreadable: int) -> str:
    """Sums up decisions and, where the truth is known, how many of them are right; ends with a full stop."""
    if not counts["inspected"]:
        return _nothing(n_unreadable)
    said = list(_evaluated(outcomes) if any(outcomes.values()) else _inspected(counts))
    said += [f"{n_unreadable:,} could not be read"] if n_unreadable else []
    return _sentence("; ".join(said))


def _nothing(n_unreadable: int) -> str:
    if not n_unreadable:
        return "No image was inspected."
    who = "The one image could not" if n_unreadable == 1 else f"None of the {n_unreadable:,} images could"
    return f"{who} be read, so nothing was decided."


def _inspected(counts: Mapping[str, int]) -> Iterator[str]:
    n, anomalous, unsure = counts["inspected"], counts["anomalous"], counts["unsure"]
    if n == 1:
        yield f"the one image is {'anomalous' if anomalous else 'unsure' if unsure else 'normal'}"
    else:
        more = f", {unsure:,} {'is' if unsure == 1 else 'are'} unsure" if unsure else ""
        yield f"{_share(anomalous, n, 'image')} {'are' if anomalous > 1 else 'is'} anomalous{more}"


def _evaluated(outcomes: Mapping[str, int]) -> Iterator[str]:
    found, missed, alarms, passed = (outcomes[name] for name in ("found", "missed", "false alarm", "passed"))
    if found + missed:
        yield _decided(found, found + missed, "defective image", "found", "missed")
    if alarms + passed:
        yield _decided(alarms, alarms + passed, "good image", "called anomalous", "passed")


def _decided(n: int, total: int, noun: str, participle: str, opposite: str) -> str:
    if total == 1:
        return f"the one {noun} was {participle if n else opposite}"
    return f"{_share(n, total, noun)} {'were' if n > 1 else 'was'} {participle}"


def _share(n: int, total: int, noun: str) -> str:
    if n == total:
        return f"all {counted(total, noun)}"
    return f"{f'{n:,}' if n else 'none'} of {counted(total, noun)}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
