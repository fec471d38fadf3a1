"""Where people judge one image differently, and the verdict that counts is not that of most of them.

Of each person the last verdict counts. OK stands against NG; unsure takes no side. The verdict that an image has is the
last one: it is disputed as long as no more than half of those who take a side agree with the last of them.
"""

from collections.abc import Iterable

from sqlalchemy import Select, case, func, select

from urushi.serving.tables import Verdict

_SIDES = ("ok", "ng")


def disputed() -> Select[int]:
    """The ids of the inspections."""
    last = select(func.max(Verdict.id)).group_by(Verdict.inspected_id, Verdict.author)
    n, n_ok = func.count(), func.sum(case((Verdict.verdict == "ok", 1), else_=0))
    sides = (
        select(Verdict.inspected_id, n.label("n"), n_ok.label("n_ok"), func.max(Verdict.id).label("last"))
        .where(Verdict.id.in_(last), Verdict.verdict.in_(_SIDES))
        .group_by(Verdict.inspected_id)
        .having(n_ok > 0, n_ok < n)
        .subquery()
    )
    with_last = case((Verdict.verdict == "ok", sides.c.n_ok), else_=sides.c.n - sides.c.n_ok)
    return select(Verdict.inspected_id).join(sides, Verdict.id == sides.c.last).where(2 * with_last <= sides.c.n)


def is_disputed(verdicts: Iterable[Verdict]) -> bool:
    """The same of one inspection, by all its verdicts from the first to the last."""
    sides = [one.verdict for one in opinions(verdicts) if one.verdict in _SIDES]
    return len(set(sides)) > 1 and 2 * sides.count(sides[-1]) <= len(sides)


def opinions(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The last verdict of each person, in their order."""
    return sorted({one.author: one for one in verdicts}.values(), key=lambda one: one.id)
