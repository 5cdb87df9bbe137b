"""What Prometheus knows about the model: the questions that the demo asks it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import httpx
import numpy as np

from .data import COLUMNS

TIMEOUT_SECONDS = 10.0
# Each is a recording rule of prometheus/rules.yml.
DRIFT_RULES = {
    "kl": "model_feature:model_feature_kl_divergence:max",
    "psi": "model_feature:model_feature_psi:max",
    "shift": "model_feature:model_feature_mean_shift_sigmas:absmax",
    "drifted": "model_feature:model_feature_drifted:max",
}


@dataclass(frozen=True)
class FeatureState:
    """The last evaluated window of one feature, the worst of the workers."""

    source: str
    feature: str
    kl: float  # nats
    psi: float  # nats
    mean_shift_sigmas: float
    drifted: bool


@dataclass(frozen=True)
class Labelled:
    """What labels said of one version: sums over its labelled predictions.

    by_confidence, right_by_confidence: predictions, and those of them that were right, by bin of confidence, whose name
    is its upper end.
    """

    labels: float
    correct: float
    scored: float
    log_loss: float  # nats
    by_confidence: dict[str, float]
    right_by_confidence: dict[str, float]

    @property
    def count(self) -> int:
        """How many predictions have a label."""
        return round(self.labels)

    def since(self, earlier: Labelled) -> Labelled:
        """Return what came after an earlier moment."""

        def less(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
            return {name: count - before.get(name, 0.0) for name, count in now.items()}

        return Labelled(
            self.labels - earlier.labels,
            self.correct - earlier.correct,
            self.scored - earlier.scored,
            self.log_loss - earlier.log_loss,
            less(self.by_confidence, earlier.by_confidence),
            less(self.right_by_confidence, earlier.right_by_confidence),
        )

    def figures(self) -> dict[str, float]:
        """Return accuracy, log_loss and ranking (see canary.Figures); NaN without labels."""
        return {
            "accuracy": self.correct / self.labels if self.labels else math.nan,
            "log_loss": self.log_loss / self.scored if self.scored else math.nan,
            "ranking": self._ranking(),
        }

    def _ranking(self) -> float:
        """Of all pairs of a right and a wrong answer, the share with the right one in the higher bin; ties are half."""
        names = sorted(self.by_confidence, key=float)
        right = np.array([self.right_by_confidence.get(name, 0.0) for name in names])
        wrong = np.array([self.by_confidence[name] for name in names]) - right
        pairs = right.sum() * wrong.sum()
        below = np.cumsum(wrong) - wrong / 2
        return float((right * below).sum() / pairs) if pairs else math.nan


def rows_after(since_row: int, drifted: list[int]) -> int | None:
    """Return how long after a row the first of the row numbers comes; None without one, or if it comes before."""
    first = min(drifted, default=since_row)
    return first - since_row if first > since_row else None


class Prometheus:
    """A Prometheus server, asked about one model."""

    def __init__(self, url: str, *, model: str) -> None:
        self.model = model
        # One client, as making one takes 45 ms of CPU time; it keeps no connection that would have to be closed.
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of an instant query; raise httpx.HTTPError."""
        answer = self._http.get("/query", params={"query": promql})
        answer.raise_for_status()
        return [(series["metric"], float(series["value"][1])) for series in answer.json()["data"]["result"]]

    def accuracy(self) -> dict[str, float | None]:
        """Return which share of its answers is right: by the last hour's labels, in training, by the estimate."""
        asked = {
            "true accuracy of the last hour's labels": "model:model_accuracy_ratio:1h",
            "accuracy on the baseline's labelled rows": "model_baseline_accuracy_ratio",
            "estimated without labels": "model:model_estimated_accuracy_ratio:min",
        }
        found = {
            what: [value for _, value in self.query(f'max({name}{{model_name="{self.model}"}})')]
            for what, name in asked.items()
        }
        return {what: values[0] if values else None for what, values in found.items()}

    def labelled(self, *, version: str) -> Labelled:
        """Return what all labels that ever came said of a version."""
        parts = ("", "_correct", "_scored", "_log_loss", "_confidence", "_confidence_correct")
        found: dict[str, dict[str, float]] = {part: {} for part in parts}
        names = "|".join(f"model_labelled{part}_total" for part in parts)
        series = f'{{__name__=~"{names}", model_name="{self.model}", model_version="{version}"}}'
        for labels, value in self.query(f"sum by (__name__, bin, change) ({series})"):
            part = labels["__name__"].removeprefix("model_labelled").removesuffix("_total")
            name = labels.get("bin", "")
            sign = 1 if labels["change"] == "added" else -1
            found[part][name] = found[part].get(name, 0.0) + sign * value
        *sums, by_confidence, right = (found[part] for part in parts)
        return Labelled(*(of.get("", 0.0) for of in sums), by_confidence, right)

    def rows(self) -> int:
        """Return how many rows the model's monitors have compared with the baseline, since they started."""
        return round(sum(value for _, value in self.query(f"sum({self._observations('')})")))

    def rows_until_drifted(self, feature: str, *, since_row: int, seconds: float) -> int | None:
        """Return how many rows after row ``since_row`` an input was first seen as drifted.

        None if it never was, or was before as well.

        Looks at each of the last ``seconds``. Rows are counted as in ``rows``. What was counted between the verdict
        and the scrape that saw it counts as well, so the verdict came no later than this. Raises httpx.HTTPError.
        """
        labels = f'model_name="{self.model}", source="input", feature="{feature}"'
        now = time.time()
        answer = self._http.get(
            "/query_range",
            params={
                "query": f"sum({self._observations(feature)}) and (max(model_feature_drifted{{{labels}}}) == 1)",
                "start": now - seconds,
                "end": now,
                "step": 1,
            },
        )
        answer.raise_for_status()
        series = answer.json()["data"]["result"]
        return rows_after(
            since_row, [round(float(value)) for points in series for _, value in points["values"]]
        )

    def _observations(self, feature: str) -> str:
        """Select the counters of one input; all inputs see the same rows, so without a name the first one's do."""
        labels = f'model_name="{self.model}", source="input", feature="{feature or COLUMNS[0]}"'
        return f"model_feature_observations_total{{{labels}}}"

    def p95_by_stage(self, seconds: float) -> dict[str, float]:
        """Return p95 in seconds of each stage over the last ``seconds``, over all workers."""
        found = self.query(
            f"histogram_quantile(0.95, sum by (stage, le) (increase(model_stage_duration_seconds_bucket{{"
            f'model_name="{self.model}", clock="host"}}[{round(seconds)}s])))'
        )
        return {labels["stage"]: value for labels, value in found if value == value}

    def p95(self, *, version: str, seconds: float) -> float:
        """Return p95 in seconds of a version's whole handler over the last ``seconds``; NaN without a call."""
        labels = f'model_name="{self.model}", model_version="{version}", clock="host", stage="handle"'
        buckets = f"increase(model_stage_duration_seconds_bucket{{{labels}}}[{round(seconds)}s])"
        found = self.query(f"histogram_quantile(0.95, sum by (le) ({buckets}))")
        return found[0][1] if found else math.nan

    def estimated_accuracy(self, *, version: str) -> float | None:
        """Return the accuracy that the monitors of a version estimate for their longest window; None if withheld."""
        labels = f'model_name="{self.model}", model_version="{version}"'
        found = self.query(
            f"model_estimated_accuracy_ratio{{{labels}}} unless on (instance, worker, window) "
            f"model_estimated_accuracy_withheld{{{labels}}} == 1"
        )
        longest = max((int(labels["window"]) for labels, _ in found), default=0)
        values = [value for labels, value in found if int(labels["window"]) == longest and value == value]
        return sum(values) / len(values) if values else None

    def features(self) -> list[FeatureState]:
        """Return all features of the model, the largest KL divergence first."""
        tables = {
            key: {
                (labels["source"], labels["feature"]): value
                for labels, value in self.query(
                    f'max by (source, feature) ({rule}{{model_name="{self.model}"}})'
                )
            }
            for key, rule in DRIFT_RULES.items()
        }
        states = [
            FeatureState(
                source=source,
                feature=feature,
                kl=kl,
                psi=tables["psi"].get((source, feature), float("nan")),
                mean_shift_sigmas=tables["shift"].get((source, feature), float("nan")),
                drifted=tables["drifted"].get((source, feature)) == 1,
            )
            for (source, feature), kl in tables["kl"].items()
        ]
        return sorted(states, key=lambda state: -state.kl)

    def fired(self, seconds: float) -> list[str]:
        """Return the names of the alerts that were firing at some moment of the last ``seconds``."""
        found = self.query(
            f'count by (alertname) (last_over_time(ALERTS{{alertstate="firing"}}[{round(seconds)}s]))'
        )
        return sorted(labels["alertname"] for labels, _ in found)

    def pending(self) -> list[str]:
        """Return the names of the alerts that are about to fire: true now, but not yet for long enough."""
        found = self.query('count by (alertname) (ALERTS{alertstate="pending"})')
        return sorted(labels["alertname"] for labels, _ in found)
