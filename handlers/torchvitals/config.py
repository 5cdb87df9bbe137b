"""The `handler: monitoring:` section of an archive's model-config.yaml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional, Union

import msgspec

from .baseline.selection import Features
from .baseline.variation import DEFAULT_WINDOWS
from .drift.floors import DISTANCE_FLOOR, EXCEEDANCE_FLOOR, PSI_FLOOR, SHARE_FLOOR, Floors
from .errors import ConfigurationError
from .featurizers.outputs import OutputOptions

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Ratio = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Rows = Annotated[int, msgspec.Meta(ge=10, le=1_000_000)]
# Each window is evaluated at each flush, in the request's process.
Windows = Annotated[list[Rows], msgspec.Meta(max_length=16)]
# Of all windows of a worker: six bytes a row and feature.
MOST_WINDOW_BYTES = 2**30
BYTES_A_VALUE = 6
# Exported in the place of a model's thresholds when all of them are null.
NO_SIGNAL = "none"


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits that alerts and anomaly counts use; null turns one off.

    Durations in seconds, memory in bytes, shifts and distances in baseline standard deviations, divergences in nats.
    psi, wasserstein_distance, share_change, exceedance_ratio: a feature drifts where its change reaches one of them;
    without any, however small it is.
    error_ratio: share of requests. latency_regression_ratio: p95 now over p95 at the same hour a day before.
    estimated_accuracy_drop: below the baseline's own accuracy. rms_error_ratio: errors of values in a day over those of
    the week before. inflight_seconds: age of a call that does not end.
    device_memory_ratio: share of a GPU in use by all its processes. invalid_ratio: share of a feature's values beyond
    what its training data had. monitor_errors: of the monitor itself, in ten minutes.
    """

    latency_p95_seconds: Optional[Positive] = 0.5
    latency_seconds: Optional[Positive] = 0.1
    kl_divergence: Optional[Positive] = 0.5
    psi: Optional[Positive] = PSI_FLOOR
    wasserstein_distance: Optional[Positive] = DISTANCE_FLOOR
    share_change: Optional[Share] = SHARE_FLOOR
    exceedance_ratio: Optional[Share] = EXCEEDANCE_FLOOR
    mean_shift_sigmas: Optional[Positive] = 3.0
    memory_bytes: Optional[Positive] = 500_000_000.0
    rss_bytes: Optional[Positive] = 4_000_000_000.0
    error_ratio: Optional[Share] = 0.05
    inflight_seconds: Optional[Positive] = 30.0
    latency_regression_ratio: Optional[Positive] = 1.5
    estimated_accuracy_drop: Optional[Share] = 0.05
    rms_error_ratio: Optional[Positive] = 1.25
    confidence: Optional[Share] = 0.5
    class_share: Optional[Share] = 0.9
    device_memory_ratio: Optional[Share] = 0.9
    invalid_ratio: Optional[Share] = 0.1
    baseline_age_seconds: Optional[Positive] = 180 * 86400.0
    monitor_errors: Optional[Annotated[int, msgspec.Meta(ge=1)]] = 5

    def exported(self) -> dict[str, float]:
        """Return the thresholds that are on, by signal; {NO_SIGNAL: 0} where none is."""
        values = msgspec.structs.asdict(self)
        # prometheus/rules.yml gives the defaults to a model that exports no threshold at all.
        return {signal: value for signal, value in values.items() if value is not None} or {NO_SIGNAL: 0.0}

    @property
    def floors(self) -> Floors:
        """The smallest change that counts as drift."""
        return Floors(self.psi, self.wasserstein_distance, self.share_change, self.exceedance_ratio)


# The default objective allows a fiftieth of what ModelErrorRateHigh does: 0.1 % where that is 5 %. A model that lives
# with more errors, and says so, gets an objective to match.
ERROR_RATIOS_A_BUDGET = 50.0


class Objectives(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the model's users were promised; alerts tell when errors or slow answers use it up too fast.

    availability: share of requests that are answered, 1 less a fiftieth of `thresholds: error_ratio` where it is left
    out (0.999 by default); null for none. latency_seconds: what an answer may take, the queue included where the
    proxy's X-Request-Start tells it; none by default. latency_ratio: share of the requests that must not take longer.
    """

    availability: Union[Ratio, msgspec.UnsetType, None] = msgspec.UNSET
    latency_seconds: Optional[Positive] = None
    latency_ratio: Ratio = 0.99

    def exported(self, thresholds: Thresholds) -> dict[str, float]:
        """Return the objectives that are set, by name; {NO_SIGNAL: 0} where none is."""
        availability = self.availability
        if isinstance(availability, msgspec.UnsetType):
            ratio = thresholds.error_ratio
            # prometheus/rules.yml does the same for a model that exports no objective at all.
            availability = None if ratio is None else 1 - ratio / ERROR_RATIOS_A_BUDGET
        found = {
            "availability": availability,
            "latency": None if self.latency_seconds is None else self.latency_ratio,
        }
        return {name: value for name, value in found.items() if value is not None} or {NO_SIGNAL: 0.0}


class GroundTruth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept of each prediction for a label that comes later, and never anything of its inputs.

    directory: where files of predictions wait for `torchvitals labels serve`; `predictions` in the folder of
    TorchServe's logs by default. id_header, segment_header: headers of a request with the ids and the segments of its
    predictions, separated by commas. id_field, segment_field: fields of its body, or of each instance of it, that have
    them. An id that neither gives is TorchServe's own of the request. max_bytes: of files that wait; beyond it no more
    are written. model_name, model_version: those of the server by default; a MonitoredModel has none.
    """

    directory: Optional[str] = None
    id_header: str = "X-Prediction-Id"
    id_field: Optional[str] = None
    segment_header: Optional[str] = None
    segment_field: Optional[str] = None
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 256 * 2**20
    model_name: Optional[Name] = None
    model_version: Optional[Name] = None


class MonitoringConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one model is monitored.

    baseline: file in the archive; without one, latency, memory and predictions are watched, drift is not.
    learn: without a file, rows served first that become the baseline.
    base_handler: an existing handler to monitor without code. window: rows, or a list of several sizes.
    flush_interval: seconds. warmup: calls of a worker that stay out of the latency series.
    timing: `events` times a GPU without waiting for it, `sync` waits at each stage's end, `off` uses the host
    clock alone. coalesce: hold back TorchServe's and your own metrics until the next flush, with the same
    meaning. quiet: leave out the line that TorchServe's worker logs for each request ("Backend received inference
    at"). max_features: features with series of their own, in the baseline's order. detailed_features: where more have,
    a feature has series of the main statistics, and those of all only once it has drifted.
    overhead_budget: share of one core that describing and copying large inputs may use before only some of them are
    taken; null for no limit. Latency, counts and predictions are of every call. slo: what users were promised.
    ground_truth: what is kept of predictions until their labels come; nothing where it is left out.
    """

    baseline: Optional[str] = None
    learn: Optional[Annotated[int, msgspec.Meta(ge=100, le=100_000)]] = None
    base_handler: Optional[str] = None
    window: Union[Rows, Windows] = msgspec.field(default_factory=lambda: [*DEFAULT_WINDOWS])
    # The rules count a worker that said nothing for two minutes as dead (prometheus/rules.yml).
    flush_interval: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 5.0
    warmup: Count = 2
    timing: Literal["events", "sync", "off"] = "events"
    coalesce: bool = True
    quiet: bool = True
    max_features: Count = 100
    detailed_features: Count = 30
    overhead_budget: Optional[Share] = 0.05
    features: Features = Features()
    thresholds: Thresholds = Thresholds()
    slo: Objectives = Objectives()
    ground_truth: Optional[GroundTruth] = None

    @property
    def feature_floors(self) -> dict[str, Floors]:
        """The floors of features that have their own."""
        features = self.features
        own = (features.psi, features.wasserstein_distance, features.share_change, features.exceedance_ratio)
        return {
            name: Floors(*(floors.get(name) for floors in own))
            for name in dict.fromkeys(name for floors in own for name in floors)
        }

    @property
    def windows(self) -> list[int]:
        """The window sizes, ascending."""
        return sorted({self.window} if isinstance(self.window, int) else set(self.window))

    def check_windows(self, features: int) -> None:
        """Raise ConfigurationError where the windows of so many features take more memory than a worker should."""
        needed = sum(self.windows) * features * BYTES_A_VALUE
        if needed > MOST_WINDOW_BYTES:
            most = MOST_WINDOW_BYTES // (features * BYTES_A_VALUE)
            raise ConfigurationError(
                f"handler.monitoring.window: {', '.join(map(str, self.windows))} rows of {features:,} features take "
                f"{needed / 2**30:.1f} GiB in each worker, and may take {MOST_WINDOW_BYTES / 2**30:.0f}; give sizes "
                f"that add up to {most:,} rows at most"
            )


def read_config(model_config: Any, file: str = "model-config.yaml") -> MonitoringConfig:
    """Read the section out of a parsed model-config.yaml; an absent one gives the defaults.

    Raises ConfigurationError that names the file, the field and how to fix it.
    """
    if not isinstance(model_config, (Mapping, type(None))):
        raise ConfigurationError(
            f"{file}: it is a {type(model_config).__name__}; give names and values, such as `minWorkers: 1`"
        )
    handler = (model_config or {}).get("handler") or {}
    section = handler.get("monitoring") if isinstance(handler, Mapping) else None
    if section is None:
        return MonitoringConfig()
    try:
        config = msgspec.convert(section, MonitoringConfig)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_explain(str(error), file)) from error
    if not config.windows:
        raise ConfigurationError(
            f"{file}: handler.monitoring.window: the list is empty; give one size or more"
        )
    if config.baseline is not None and config.learn is not None:
        raise ConfigurationError(
            f"{file}: handler.monitoring: 'baseline' and 'learn' exclude each other; remove one"
        )
    return config


def _explain(message: str, file: str) -> str:
    place = re.search(r" - at `\$\.?(.*)`$", message)
    field = ".".join(filter(None, ["handler.monitoring", place.group(1) if place else ""]))
    what = message[: place.start()] if place else message
    unknown = re.search(r"unknown field `(.*)`", what)
    if unknown is None:
        return f"{file}: {field}: {what[0].lower()}{what[1:]}"
    owners: dict[str, Any] = {
        "thresholds": Thresholds, "features": Features, "outputs": OutputOptions, "slo": Objectives,
        "ground_truth": GroundTruth,
    }  # fmt: skip
    owner = owners.get(field.rpartition(".")[2], MonitoringConfig)
    names = [f.name for f in msgspec.structs.fields(owner)]
    close = difflib.get_close_matches(unknown.group(1), names, n=1)
    advice = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(names)}"
    return f"{file}: {field}: unknown key '{unknown.group(1)}'; {advice}"
