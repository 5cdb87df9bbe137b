"""Is a new version better than the one that serves? Figures of both over the same traffic, and the verdict.

What is right comes from the labels of the traffic, as the labels service has joined and counted them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from rich.table import Table

ERRORS_MORE = 0.01  # how many more of its requests may fail
SLOWER = 1.5
SLOWER_SECONDS = 0.02  # a difference that no client notices, however many times slower it is
LEAST_RANKING = 0.55  # guessing gives 0.5, with an error of 0.02 in a trial of this size


@dataclass(frozen=True)
class Figures:
    """What one version did; ratios from 0 to 1, log-loss in nats.

    labels: how many of the answers have a label, on which the figures below rest.
    ranking: how often a right answer was given with a higher confidence than a wrong one, of all pairs of them (the
    area under the ROC curve of the confidence); 0.5 is what guessing gives. Whoever says the same of all flights is
    right about most of them, and has learned nothing that tells them apart.
    estimated_accuracy: what the monitor estimates without labels; None where it withholds that.
    """

    version: str
    requests: int
    errors: int
    p95_seconds: float
    estimated_accuracy: Optional[float]
    labels: int
    accuracy: float
    log_loss: float
    ranking: float

    @property
    def error_ratio(self) -> float:
        """Share of requests without a prediction."""
        return self.errors / self.requests


def faults(old: Figures, new: Figures) -> list[str]:
    """Return why the new version must not serve; empty when it may."""
    found = []
    if new.error_ratio > old.error_ratio + ERRORS_MORE:
        found.append(f"{new.error_ratio:.1%} of its requests failed, of the old one's {old.error_ratio:.1%}")
    if not new.p95_seconds <= max(SLOWER * old.p95_seconds, old.p95_seconds + SLOWER_SECONDS):
        found.append(
            f"its p95 is {new.p95_seconds * 1000:.1f} ms, the old one's {old.p95_seconds * 1000:.1f} ms"
        )
    if not new.ranking >= LEAST_RANKING:
        found.append(
            f"its confidence does not tell right answers from wrong ones: {new.ranking:.3f} of pairs in order "
            f"(guessing: 0.5, wanted: {LEAST_RANKING})"
        )
    if not new.accuracy > old.accuracy:
        found.append(f"its accuracy is {new.accuracy:.3f}, the old one's {old.accuracy:.3f}")
    if not new.log_loss < old.log_loss:
        found.append(f"its log-loss is {new.log_loss:.3f}, the old one's {old.log_loss:.3f}")
    return found


def verdict(old: Figures, new: Figures) -> tuple[bool, str]:
    """Return whether the new version is to serve, and the reason in a sentence."""
    found = faults(old, new)
    window = f"over {old.requests + new.requests:,} live requests"
    if found:
        return False, f"version {new.version} is not used: {'; '.join(found)} ({window})"
    return True, (
        f"version {new.version} serves instead of {old.version}: accuracy {new.accuracy:.3f} instead of "
        f"{old.accuracy:.3f}, log-loss {new.log_loss:.3f} instead of {old.log_loss:.3f} {window}, "
        f"{new.errors} failed; p95 {new.p95_seconds * 1000:.1f} ms instead of {old.p95_seconds * 1000:.1f} ms"
    )


def table(old: Figures, new: Figures) -> Table:
    """Return both versions side by side."""
    shown = Table(title="The same live traffic, half each", title_justify="left")
    shown.add_column("")
    for figures in (old, new):
        shown.add_column(figures.version, justify="right")

    def estimated(figures: Figures) -> str:
        return "withheld" if figures.estimated_accuracy is None else f"{figures.estimated_accuracy:.3f}"

    rows: dict[str, Callable[[Figures], str]] = {
        "requests": lambda f: f"{f.requests:,}",
        "failed": lambda f: f"{f.errors:,}",
        "p95 (handler)": lambda f: f"{f.p95_seconds * 1000:.2f} ms",
        "labels": lambda f: f"{f.labels:,}",
        "accuracy": lambda f: f"{f.accuracy:.3f}",
        "  as the monitor estimates it without labels": estimated,
        "log-loss": lambda f: f"{f.log_loss:.3f}",
        "pairs in order (guessing: 0.5)": lambda f: f"{f.ranking:.3f}",
    }
    for title, text in rows.items():
        shown.add_row(title, text(old), text(new))
    return shown
