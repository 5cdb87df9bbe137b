"""What a baseline describes, in one line: said when it is built, shown and loaded."""

from __future__ import annotations

from ..errors import one_line
from ..featurizers.outputs import Classification, Regression
from ..featurizers.outputs.output import number_of
from .schema import FEWEST_SEGMENT_ROWS, BaselineData, Feature


def introduced(baseline: BaselineData) -> str:
    """Return which baseline it is, and what it describes: what a log says of it."""
    return one_line(f"baseline '{baseline.name}' version {baseline.version}: {described(baseline)}")


def described(baseline: BaselineData) -> str:
    """Return what a baseline was taken to be of: "16 features: 14 numbers, 2 categories; outputs: 2 classes by ..."."""
    return f"{described_inputs(baseline)}; outputs: {described_outputs(baseline)}"


def described_segments(baseline: BaselineData) -> list[str]:
    """Return what the segments are, in a line or none, and which are judged."""
    segments = baseline.segments
    if segments is None:
        return []
    judged = segments.judged
    rows = ", ".join(f"{segments.name(one)} {one.rows:,}" for one in judged)
    by = " and ".join(segments.columns)
    if not judged:
        return [f"segments by {by}: none has {FEWEST_SEGMENT_ROWS} rows, so none is judged; give more rows"]
    return [f"segments by {by}, of {FEWEST_SEGMENT_ROWS} rows or more: {rows}"]


def described_inputs(baseline: BaselineData) -> str:
    """Return what the inputs are, in a few words."""
    columns = baseline.column_features
    features = number_of(len(columns), "feature", "features")
    if baseline.inputs is not None:
        return f"{features} of {baseline.input_kind}"
    categories = sum(feature.kind == "categorical" for feature in columns)
    parts = [
        number_of(count, one, many)
        for count, one, many in (
            # An identifier is two features: how long its text is, and whether it is new.
            (len(columns) - categories - 2 * len(baseline.identifiers), "number", "numbers"),
            (categories, "category", "categories"),
            (len(baseline.identifiers), "identifier", "identifiers"),
        )
        if count
    ]
    return f"{features}: {', '.join(parts)}"


def described_outputs(baseline: BaselineData) -> str:
    """Return what the outputs are, in a few words, and how to say otherwise where that may be needed."""
    outputs = baseline.outputs
    if outputs is None:
        return "not described"
    advice = ""
    if isinstance(outputs, Classification) and outputs.scores == "logits" and outputs.numbered:
        advice = "if they are no classes, say features: outputs: kind: values, or embeddings"
    elif isinstance(outputs, Regression) and _within_unit(baseline.of_source("output")):
        advice = "if it is a probability, say features: outputs: kind: binary, or name the two classes"
    return f"{outputs.sentence} ({advice})" if advice else outputs.sentence


def _within_unit(features: list[Feature]) -> bool:
    """Tell whether all values lie in 0 to 1, and not only on them."""
    return any(
        feature.name == "value" and 0 <= feature.min < feature.max <= 1 and 0 < feature.mean < 1
        for feature in features
    )
