"""Whether the metrics page counts what was served: each request, stage, value and prediction, exactly.

The server is fresh, so the page's totals are compared, not differences; a series that is not there is no 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.soak.growth import FAILS, HOLDS
from benchmarks.soak.load import Answers
from stack.metrics_page import Series
from torchvitals.baseline.schema import Feature
from torchvitals.telemetry import catalogue as m

SERVED = "ts_inference_requests_total"


@dataclass(frozen=True)
class Line:
    """One thing that has to hold."""

    what: str
    expected: str
    measured: str
    state: str  # HOLDS, FAILS or CANNOT_TELL


def exactly(what: str, expected: float, *measured: float | None) -> Line:
    """Compare numbers that have to be equal; None is a series that is missing."""
    shown = " / ".join(dict.fromkeys("missing" if value is None else _number(value) for value in measured))
    equal = bool(measured) and all(value == expected for value in measured)
    return Line(what, _number(expected), shown or "missing", HOLDS if equal else FAILS)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,}"


def values(series: Series, metric: str, model: str, **labels: str) -> list[float]:
    """Return the values of a model's series of a metric that carry these labels."""
    wanted = {("model_name", model), *labels.items()}
    return [value for (name, own), value in series.items() if name == metric and wanted <= own]


def added(series: Series, metric: str, model: str, **labels: str) -> float | None:
    """Return the sum of those series; None where there is none."""
    found = values(series, metric, model, **labels)
    return sum(found) if found else None


def load_lines(answers: dict[str, Answers], series: Series) -> list[Line]:
    """Judge what the clients saw, of each model, against what was sent and what TorchServe says it served."""
    lines = []
    for model, seen in answers.items():
        lines += [
            exactly(f"{model}: requests answered, of those sent", seen.sent, seen.answered),
            exactly(f"{model}: answers other than 2xx, of bad requests sent", seen.bad, seen.refused),
            exactly(f"{model}: broken connections and timeouts", 0, seen.socket_errors),
            exactly(f"{model}: {SERVED}", seen.answered, added(series, SERVED, model)),
        ]
    return lines


def count_lines(
    series: Series, model: str, seen: Answers, *, features: Iterable[Feature], workers: int, warmup: int
) -> list[Line]:
    """Judge every count of the monitored model. Batch size 1, so that calls are requests.

    A bad request goes through all stages, and has neither a row nor a prediction.
    """

    def count(metric: str, **labels: str) -> float | None:
        return added(series, metric, model, **labels)

    clean = seen.answered - warmup * workers
    bins = [count(m.OBSERVATIONS.name, source=feature.source, feature=feature.name) for feature in features]
    durations = m.STAGE_DURATION
    return [
        exactly(f"{m.REQUESTS.name}, ok and error", seen.answered, count(m.REQUESTS.name)),
        exactly(f"{m.REQUESTS.name}, ok", seen.good, count(m.REQUESTS.name, outcome="ok")),
        exactly(f"{m.REQUESTS.name}, error", seen.bad, count(m.REQUESTS.name, outcome="error")),
        exactly(m.WARMUP_REQUESTS.name, warmup * workers, count(m.WARMUP_REQUESTS.name)),
        exactly(m.COMPILATIONS.name, 0, count(m.COMPILATIONS.name)),
        *(
            exactly(
                f"duration of {stage}: count and +Inf bucket, warm-up left out",
                clean,
                count(durations.count.name, stage=stage, clock="host"),
                count(durations.bucket.name, stage=stage, clock="host", le="+Inf"),
            )
            for stage in m.STAGES
        ),
        exactly(
            f"{m.BATCH_SIZE.name}: count and +Inf bucket",
            seen.answered,
            count(m.BATCH_SIZE.count.name),
            count(m.BATCH_SIZE.bucket.name, le="+Inf"),
        ),
        exactly(f"bins of each of {len(bins)} features, added up", seen.good, *bins),
        exactly(f"{m.PREDICTIONS.name}, all classes", seen.good, count(m.PREDICTIONS.name)),
        exactly(
            f"{m.CONFIDENCE.name}: count and +Inf bucket",
            seen.good,
            count(m.CONFIDENCE.count.name),
            count(m.CONFIDENCE.bucket.name, le="+Inf"),
        ),
        exactly(f"{m.MONITOR_DROPPED.name}, each reason", 0, *values(series, m.MONITOR_DROPPED.name, model)),
        exactly(f"{m.MONITOR_ERRORS.name}, each phase", 0, *values(series, m.MONITOR_ERRORS.name, model)),
        exactly(f"{m.SAMPLED_RATIO.name}, each worker", 1, *values(series, m.SAMPLED_RATIO.name, model)),
    ]


def complete(model: str, seen: Answers) -> Callable[[Series], bool]:
    """Return a check that the page has heard of every request of a model."""
    return lambda series: added(series, m.REQUESTS.name, model) == seen.answered
