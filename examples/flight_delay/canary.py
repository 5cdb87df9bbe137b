"""Is a new version better than the one that serves? Figures of both over the same traffic, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

import numpy as np
from rich.table import Table
from scipy.stats import rankdata

ERRORS_MORE = 0.01  # how many more of its requests may fail
SLOWER = 1.5
SLOWER_SECONDS = 0.02  # a difference that no client notices, however many times slower it is
RANKING_LESS = 0.05


@dataclass(frozen=True)
class Figures:
    """What one version did; ratios from 0 to 1, log-loss in nats.

    ranking: how often a late flight was given a higher probability of being late than one on time, of all pairs of
    them (the area under the ROC curve); 0.5 is what guessing gives.
    estimated_accuracy: what the monitor estimates without labels; None where it withholds that.
    """

    version: str
    requests: int
    errors: int
    p95_seconds: float
    estimated_accuracy: Optional[float]
    accuracy: float
    log_loss: float
    ranking: float

    @property
    def error_ratio(self) -> float:
        """Share of requests without a prediction."""
        return self.errors / self.requests


def truth(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return accuracy, log_loss and ranking of probabilities (n, classes), given the true classes (n,)."""
    late = labels > 0
    ranks = rankdata(1 - probabilities[:, 0])
    pairs = int(late.sum()) * int((~late).sum())
    above = ranks[late].sum() - late.sum() * (late.sum() + 1) / 2
    chosen = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == labels)),
        "log_loss": float(-np.mean(np.log(np.maximum(chosen, 1e-12)))),
        "ranking": float(above / pairs) if pairs else float("nan"),
    }


def faults(old: Figures, new: Figures) -> list[str]:
    """Return why the new version must not serve; empty when it may."""
    found = []
    if new.error_ratio > old.error_ratio + ERRORS_MORE:
        found.append(f"{new.error_ratio:.1%} of its requests failed, of the old one's {old.error_ratio:.1%}")
    if not new.p95_seconds <= max(SLOWER * old.p95_seconds, old.p95_seconds + SLOWER_SECONDS):
        found.append(
            f"its p95 is {new.p95_seconds * 1000:.1f} ms, the old one's {old.p95_seconds * 1000:.1f} ms"
        )
    if not new.ranking >= old.ranking - RANKING_LESS:
        found.append(
            f"it tells late flights from others worse: {new.ranking:.3f} of pairs in order "
            f"(guessing: 0.5), the old one {old.ranking:.3f}"
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
        "accuracy": lambda f: f"{f.accuracy:.3f}",
        "  as the monitor estimates it without labels": estimated,
        "log-loss": lambda f: f"{f.log_loss:.3f}",
        "pairs in order (guessing: 0.5)": lambda f: f"{f.ranking:.3f}",
    }
    for title, text in rows.items():
        shown.add_row(title, text(old), text(new))
    return shown
