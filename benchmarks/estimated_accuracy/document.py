"""The page of documentation that the measurements make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .flights import Month
from .measure import TOLERANCE, Estimate
from .shifts import KINDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "estimated-accuracy.md"

HEAD = f"""# Estimated accuracy against the truth

Written by `python -m benchmarks.estimated_accuracy`. What is estimated, and when it is withheld,
is in [what-is-compared.md](what-is-compared.md#estimated-accuracy).

Half of each data set of scikit-learn trains a logistic regression, a random forest, a neural
network and naive Bayes; a quarter is labelled (of fewer than 600 rows the other half, and the
same rows are served); windows of 1,000 rows are resampled from what is left, and changed. In a
cell: how many windows were stated, of how many, and how far from the truth the worst of these
was. Beyond {TOLERANCE:g} it is in bold.

"""
LIMITS = """
*iris, sepals only* shows the limit: 75 training rows of two columns that hardly go together. Noise
and a shuffled column leave them as they were, as far as so few rows tell. What exchanges columns
that are distributed alike and independent of each other cannot be seen in inputs at all, by
anybody.
"""
FLIGHTS = """
## Flights

The model of the example, trained on 1 January to 14 February with a baseline in the order of time,
in windows of 1,000 flights, about a day each. Estimate and truth are means over the windows that
are stated.

"""


def document(found: Sequence[Estimate], months: Sequence[Month]) -> str:
    """Return the page."""
    return "".join(
        (HEAD, _by_data(found), LIMITS, "\n## Why\n\n", _reasons(found), FLIGHTS, _flights(months))
    )


def _by_data(found: Sequence[Estimate]) -> str:
    names = list(dict.fromkeys(each.data for each in found))
    rows = [
        [name, *(_cell([e for e in found if e.data == name and e.kind == kind]) for kind in KINDS)]
        for name in names
    ]
    return _table(["data", *KINDS], rows)


def _cell(found: Sequence[Estimate]) -> str:
    if not found:
        return ""
    errors = [each.error for each in found if each.error is not None]
    text = f"{len(errors)} of {len(found)}"
    if not errors:
        return text
    worst = f"{max(errors):.2f}"
    return f"{text}, {f'**{worst}**' if max(errors) > TOLERANCE else worst}"


def _reasons(found: Sequence[Estimate]) -> str:
    reasons = Counter((each.kind, each.withheld) for each in found if each.withheld is not None)
    names = [name for name, _ in Counter(e.withheld for e in found if e.withheld).most_common()]
    rows = [[kind, *(str(reasons[kind, name] or "") for name in names)] for kind in KINDS]
    return _table(["windows withheld", *(f"`{name}`" for name in names)], rows)


def _flights(months: Sequence[Month]) -> str:
    rows = [
        [
            month.name,
            f"{month.stated} of {month.windows}",
            "" if month.estimated is None else f"{month.estimated:.3f}",
            "" if month.truth is None else f"{month.truth:.3f}",
            f"{month.truth_of_all:.3f}",
        ]
        for month in months
    ]
    return _table(["flights", "stated", "estimated", "true", "true of all windows"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
