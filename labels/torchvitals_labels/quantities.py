"""What is counted, each declared once: name, labels, help."""

from __future__ import annotations

from dataclasses import dataclass

ADDED, TAKEN_BACK = "added", "taken_back"
CONFIDENCE_BINS = 10
# Seconds: a minute, ten, an hour, six, a day, three, a week, two, thirty days, ninety.
DELAYS = (60, 600, 3600, 21_600, 86_400, 259_200, 604_800, 1_209_600, 2_592_000, 7_776_000)
# Of more classes, or segments, the rest is one.
MOST_CLASSES, MOST_CONFUSED, MOST_SEGMENTS = 50, 20, 20
OTHER = "other"


@dataclass(frozen=True)
class Quantity:
    """A counter: its name in the store and in Prometheus, its labels after model_name and model_version, its help.

    labels: of `segment`, `change` and up to two more, which the store keeps as `first` and `second`.
    """

    name: str
    labels: tuple[str, ...]
    help: str

    @property
    def further(self) -> tuple[str, ...]:
        """The labels that the store keeps as `first` and `second`."""
        return tuple(label for label in self.labels if label not in ("segment", "change"))


STORED = Quantity("model_stored_predictions", ("segment",), "Predictions in the store: each may get a label.")
LABELLED = Quantity(
    "model_labelled",
    ("segment", "class", "change"),
    "Labelled predictions by true class; of values the class is empty.",
)
PREDICTED = Quantity(
    "model_labelled_predicted", ("segment", "class", "change"), "Labelled predictions by predicted class."
)
CORRECT = Quantity(
    "model_labelled_correct",
    ("segment", "class", "change"),
    "Labelled predictions that were right, by class.",
)
CONFUSION = Quantity(
    "model_labelled_confusion",
    ("predicted", "actual", "change"),
    "Labelled predictions: the confusion matrix.",
)
SCORED = Quantity(
    "model_labelled_scored", ("segment", "change"), "Labelled predictions whose scores are known."
)
LOG_LOSS = Quantity(
    "model_labelled_log_loss", ("segment", "change"), "Sum of the log-loss of scored predictions, in nats."
)
BRIER = Quantity(
    "model_labelled_brier",
    ("segment", "change"),
    "Sum of the Brier score of scored predictions: 0 to 1 of two classes, 0 to 2 of more.",
)
CONFIDENCE = Quantity(
    "model_labelled_confidence",
    ("bin", "change"),
    "Labelled predictions by confidence: ten bins, named by their upper end.",
)
CONFIDENCE_SUM = Quantity(
    "model_labelled_confidence_sum", ("bin", "change"), "Sum of the confidence of the predictions of a bin."
)
CONFIDENCE_CORRECT = Quantity(
    "model_labelled_confidence_correct", ("bin", "change"), "Predictions of a bin that were right."
)
ESTIMATED = Quantity(
    "model_labelled_estimated",
    ("segment", "change"),
    "Labelled predictions of which the baseline says how likely they are right.",
)
ESTIMATED_EXPECTED = Quantity(
    "model_labelled_estimated_expected", ("segment", "change"), "Sum of what the baseline says of them."
)
ESTIMATED_CORRECT = Quantity(
    "model_labelled_estimated_correct", ("segment", "change"), "Those of them that were right."
)
ABSOLUTE_ERROR = Quantity(
    "model_labelled_absolute_error",
    ("segment", "direction", "change"),
    "Sum of |predicted - true| of values: `over` where more was predicted, `under` where less.",
)
SQUARED_ERROR = Quantity(
    "model_labelled_squared_error", ("segment", "change"), "Sum of (predicted - true)² of values."
)
FOURTH_POWER_ERROR = Quantity(
    "model_labelled_fourth_power_error",
    ("segment", "change"),
    "Sum of (predicted - true)⁴ of values: it tells the sampling error of the squares.",
)
DELAY_BUCKET = Quantity(
    "model_label_delay_seconds_bucket", ("le",), "Predictions by the time to their first label."
)
DELAY_SUM = Quantity("model_label_delay_seconds_sum", (), "Sum of the times to first labels, in seconds.")
DELAY_COUNT = Quantity("model_label_delay_seconds_count", (), "Predictions that ever got a label.")
RECEIVED = Quantity(
    "labels_received",
    ("result",),
    "Labels that came: new, same as before, corrected, refused as they came, or unusable once the prediction did.",
)
REFUSED_FILES = Quantity(
    "predictions_refused_files", (), "Files that were no predictions; they are kept aside."
)

OF_VERSIONS = (
    STORED, LABELLED, PREDICTED, CORRECT, CONFUSION, SCORED, LOG_LOSS, BRIER, CONFIDENCE, CONFIDENCE_SUM,
    CONFIDENCE_CORRECT, ESTIMATED, ESTIMATED_EXPECTED, ESTIMATED_CORRECT, ABSOLUTE_ERROR, SQUARED_ERROR,
    FOURTH_POWER_ERROR, DELAY_BUCKET, DELAY_SUM, DELAY_COUNT,
)  # fmt: skip
OF_SERVICE = (RECEIVED, REFUSED_FILES)
