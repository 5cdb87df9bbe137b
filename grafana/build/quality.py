"""Quality: what labels that came say of the predictions of one model, beside what was estimated without them."""

from __future__ import annotations

from functools import partial

from grafana.build.labelled import counted, recorded
from grafana.build.panels import alarm_from, bars, dashboard, firing_alerts, measure, table
from grafana.build.promql import (
    RANGE,
    THRESHOLDS,
    WINDOW,
    Scope,
    accuracy_band,
    fixed_threshold,
    lines,
    peak,
    place_selector,
    ranked,
    rate,
    ratio,
    share,
    total,
)
from grafana.build.spec import THRESHOLD_REF, Column, Graph, Matrix, Row, Stat, Target
from torchvitals.telemetry import catalogue as metrics

S = Scope(many_models=False, many_versions=True)
VERSION = "model_version"
DROP = 'signal="estimated_accuracy_drop"'
OF_CLASSES = 'class!=""'
OF_SEGMENTS = 'segment!=""'
NO_LABELS = "no labels"
# Where the alert ModelCalibrationOff begins.
CALIBRATION_LIMIT = 0.1

_recorded = partial(recorded, S)
_counted = partial(counted, S)


def _lowest(name: str) -> str:
    return f"min({_recorded(name)})"


def _highest(name: str) -> str:
    return f"max({_recorded(name)})"


def _by_version(name: str) -> tuple[Target, ...]:
    most = peak(_recorded("model:model_labelled:1d"), VERSION)
    return ranked(f"max by ({VERSION}) ({_recorded(name)})", most, "{{model_version}}")


def _service(name: str) -> str:
    """Select what a labels service says of itself, and of no model."""
    return place_selector(name, 'job="labels"')


def _accuracy(title: str, description: str, series: str) -> Stat:
    return Stat(
        title, description, (Target(_lowest(series)),), unit="percentunit", decimals=1, no_value=NO_LABELS
    )


LABELLED, PREDICTED, CORRECT = (
    _counted(f"model_labelled{name}_total", "class", OF_CLASSES) for name in ("", "_predicted", "_correct")
)
CONFUSED = "model_labelled_confusion_total"
IN_SEGMENTS, CORRECT_IN_SEGMENTS = (
    _counted(f"model_labelled{name}_total", "segment", OF_SEGMENTS, OF_CLASSES) for name in ("", "_correct")
)
IN_BINS, CONFIDENCE_IN_BINS, CORRECT_IN_BINS = (
    _counted(f"model_labelled_confidence{name}_total", "bin") for name in ("", "_sum", "_correct")
)
RECEIVED = _service("labels_received_total")
CONFIDENCE = (Column("confidence", "Confidence"), Column("bin", "Bin", hidden=True))


def _named(series: str) -> str:
    """Name each bin by its upper end, in the label ``confidence``."""
    return f'label_replace({series}, "confidence", "up to $1", "bin", "(.*)")'


DASHBOARD = dashboard(
    "quality",
    S,
    "## How often is this model right, by the labels that came, and can its estimate be believed?\n"
    "Labels come late, so an hour or a day here is when *labels came*, whenever their predictions were made. "
    "Tables and bars are about the chosen time. Without labels all of this is empty; docs/ground-truth.md says how "
    "to send some.",
    title="Quality",
    description="True accuracy of one model by labels: by version, class and segment, calibration, and the labels.",
    variables=S.variables(),
    purpose="how to read it",
    time_from="now-24h",
    rows=(
        Row(
            "State",
            (
                _accuracy(
                    "Accuracy, last hour",
                    "Share of right answers among those that were labelled in the last hour; of several versions the "
                    "lowest.",
                    "model:model_accuracy_ratio:1h",
                ),
                _accuracy(
                    "Accuracy, last day",
                    "Share of right answers among those that were labelled in the last day; of several versions the "
                    "lowest.",
                    "model:model_accuracy_ratio:1d",
                ),
                _accuracy(
                    "Accuracy before",
                    "What the truth is compared with: the accuracy on the baseline's labelled rows, else that of the "
                    "week before.",
                    "model:model_accuracy_ratio:reference",
                ),
                Stat(
                    "Estimate too high by",
                    "Of the predictions that were labelled in the last day, the share that the estimate said was "
                    "right, less the share that was. Far from 0, believe the labels.",
                    (Target(_highest("model:model_labelled_expected_ratio:excess_1d")),),
                    unit="percentunit",
                    decimals=1,
                    no_value=NO_LABELS,
                    steps=alarm_from(0.05),
                ),
                Stat(
                    "Labels, last day",
                    "Predictions that were labelled in the last day.",
                    (Target(f"sum({_recorded('model:model_labelled:1d')})"),),
                    unit="short",
                    decimals=0,
                    no_value=NO_LABELS,
                ),
                firing_alerts(S, "Alerts that Prometheus is firing for this model now."),
            ),
        ),
        Row(
            "Accuracy",
            (
                Graph(
                    "True accuracy by version",
                    "Share of right answers among those that were labelled in the hour before. Empty for a model of "
                    "values.",
                    _by_version("model:model_accuracy_ratio:1h"),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                    no_value="no labels of classes",
                ),
                Graph(
                    "Truth beside the estimate",
                    "True accuracy of the hour and of the day before, the estimate from confidence in the band of its "
                    "95 % interval, and what the truth is compared with. The dashed line is the lowest that the "
                    "model's limit allows. Of several versions the lowest. Empty without labels and without an "
                    "estimate.",
                    (
                        *lines(
                            ("true, last hour", _lowest("model:model_accuracy_ratio:1h")),
                            ("true, last day", _lowest("model:model_accuracy_ratio:1d")),
                            ("estimated", f"min({S.stated(metrics.ESTIMATED_ACCURACY, WINDOW)})"),
                            ("before", _lowest("model:model_accuracy_ratio:reference")),
                        ),
                        *accuracy_band(S, "C", ("E", "F")),
                        Target(
                            f"{_lowest('model:model_accuracy_ratio:reference')} - "
                            f"max({S.fresh_model(THRESHOLDS, DROP)})",
                            "Threshold",
                            THRESHOLD_REF,
                        ),
                    ),
                    unit="percentunit",
                    minimum=0,
                    maximum=1,
                    no_value="neither labels nor an estimate",
                ),
            ),
        ),
        Row(
            "Classes",
            (
                Matrix(
                    "What was taken for what",
                    "The confusion matrix over the chosen time: a row for each true class, and the shares of it that "
                    "were predicted as each class. Of more than 20 classes the rest is `other`.",
                    (
                        Target(
                            share(
                                _counted(CONFUSED, "actual, predicted"),
                                _counted(CONFUSED, "actual"),
                                "actual",
                            )
                        ),
                    ),
                    unit="percentunit",
                    decimals=1,
                    minimum=0,
                    maximum=1,
                    rows="actual",
                    columns="predicted",
                ),
                table(
                    "Classes",
                    "Over the chosen time. Precision is the share of a class's predictions that were right, recall "
                    "the share of its labels that were found, F1 their harmonic mean.",
                    (Column("class", "Class"),),
                    (
                        measure(LABELLED, "Labels", "short", 0),
                        measure(PREDICTED, "Predicted", "short", 0),
                        measure(ratio(CORRECT, PREDICTED), "Precision", "percentunit", 1),
                        measure(ratio(CORRECT, LABELLED), "Recall", "percentunit", 1),
                        measure(f"2 * {CORRECT} / ({LABELLED} + {PREDICTED} > 0)", "F1", "percentunit", 1),
                    ),
                    sort_by=("Labels",),
                    width=12,
                ),
            ),
        ),
        Row(
            "Calibration",
            (
                bars(
                    "Confidence and truth",
                    "Of the predictions with so much confidence that were labelled in the chosen time: their mean "
                    "confidence, and the share of them that were right. A bar of truth that is lower means that the "
                    "model is too sure of itself.",
                    CONFIDENCE,
                    (
                        measure(_named(ratio(CONFIDENCE_IN_BINS, IN_BINS)), "Mean confidence", "percentunit"),
                        measure(_named(ratio(CORRECT_IN_BINS, IN_BINS)), "Right", "percentunit"),
                    ),
                    maximum=1,
                    width=8,
                ),
                Graph(
                    "Distance of confidence and truth",
                    "Expected calibration error of the day before, and what chance alone rarely exceeds. Above both "
                    "that and the dashed line, confidence is not what it says. Empty for a model without confidence.",
                    (
                        *lines(
                            ("distance", _highest("model:model_calibration_error:1d")),
                            ("by chance", _highest("model:model_calibration_error:chance_1d")),
                        ),
                        fixed_threshold(CALIBRATION_LIMIT),
                    ),
                    unit="percentunit",
                    minimum=0,
                    width=8,
                    no_value="no labels of predictions with confidence",
                ),
                Graph(
                    "Log-loss and Brier score",
                    "Of the day before, in nats and from 0 to 1 (of more than two classes to 2): both are lower for "
                    "better probabilities. Empty for a model without probabilities.",
                    lines(
                        ("log-loss", _highest("model:model_log_loss:1d")),
                        ("Brier score", _highest("model:model_brier_score:1d")),
                    ),
                    minimum=0,
                    width=8,
                    no_value="no labels of predictions with probabilities",
                ),
            ),
        ),
        Row(
            "Segments and values",
            (
                table(
                    "Segments",
                    "Of `segment_field` in the model's configuration, over the chosen time, the worst first. Of more "
                    "than 20 the rest is `other`.",
                    (Column("segment", "Segment"),),
                    (
                        measure(f"1 - {ratio(CORRECT_IN_SEGMENTS, IN_SEGMENTS)}", "Wrong", "percentunit", 1),
                        measure(IN_SEGMENTS, "Labels", "short", 0),
                    ),
                    sort_by=("Wrong",),
                    width=8,
                ),
                Graph(
                    "Error of values",
                    "Root of the mean square, and mean, of how far values were from what was true, in the day before. "
                    "Empty for a model of classes.",
                    lines(
                        ("root mean square", _highest("model:model_rms_error:1d")),
                        ("mean absolute", _highest("model:model_absolute_error:1d")),
                    ),
                    minimum=0,
                    width=8,
                    no_value="no labels of values",
                ),
                Graph(
                    "Bias of values",
                    "Mean of predicted less true values, in the day before: above 0 where predictions are too large. "
                    "Empty for a model of classes.",
                    _by_version("model:model_error:mean_1d"),
                    width=8,
                    no_value="no labels of values",
                ),
            ),
        ),
        Row(
            "Labels",
            (
                Graph(
                    "Predictions with a label",
                    "Labels that came in the day before, as a share of the predictions that were stored in it; more "
                    "than 100 % where late ones come.",
                    _by_version("model:model_label_coverage_ratio:1d"),
                    unit="percentunit",
                    minimum=0,
                    width=12,
                ),
                Graph(
                    "Delay of labels",
                    "Time from a prediction to its first label, of the labels that came in the day before.",
                    lines(
                        ("p50", _highest("model:model_label_delay_seconds:p50_1d")),
                        ("p95", _highest("model:model_label_delay_seconds:p95_1d")),
                    ),
                    unit="s",
                    minimum=0,
                    width=12,
                ),
            ),
        ),
        Row(
            "Labels services",
            (
                Graph(
                    "Labels that came",
                    "Labels of all models in a second, by what became of them. *Unusable* are those whose prediction "
                    "came later and does not know the class.",
                    ranked(rate(RECEIVED, "result"), total(RECEIVED, "result"), "{{result}}"),
                    unit="cps",
                    minimum=0,
                    width=6,
                ),
                Graph(
                    "Labels without a prediction",
                    "Labels of all models that wait for their prediction. Where it only grows, ids do not fit.",
                    lines(("labels", f"sum({_service('labels_unmatched')})")),
                    unit="short",
                    minimum=0,
                    width=6,
                ),
                Graph(
                    "Files of predictions that wait",
                    "They wait for the labels service, or for its store.",
                    lines(
                        ("waiting", f"sum({_service('predictions_waiting_files')})"),
                        (
                            "refused in the chosen time",
                            f"sum(increase({_service('predictions_refused_files_total')}[{RANGE}]))",
                        ),
                    ),
                    unit="short",
                    minimum=0,
                    width=6,
                ),
                Graph(
                    "Labels services with a store",
                    "Services that can use their database, of all that Prometheus reaches.",
                    lines(
                        ("with a store", f"sum({_service('labels_store_up')})"),
                        ("all", f"count({_service('labels_store_up')})"),
                    ),
                    unit="short",
                    minimum=0,
                    width=6,
                ),
            ),
        ),
    ),
)
