"""What Prometheus knows about the model: the questions that the demo asks it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

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


class Prometheus:
    """A Prometheus server, asked about one model."""

    def __init__(self, url: str, *, model: str) -> None:
        self.url = url.rstrip("/")
        self.model = model

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of each series of an instant query; raise httpx.HTTPError."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": promql}, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        answer.raise_for_status()
        return [(series["metric"], float(series["value"][1])) for series in answer.json()["data"]["result"]]

    def p95_by_stage(self, seconds: float) -> dict[str, float]:
        """Return p95 in seconds of each stage over the last ``seconds``, over all workers."""
        found = self.query(
            f"histogram_quantile(0.95, sum by (stage, le) (increase(model_stage_duration_seconds_bucket{{"
            f'model_name="{self.model}", clock="host"}}[{round(seconds)}s])))'
        )
        return {labels["stage"]: value for labels, value in found if value == value}

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
