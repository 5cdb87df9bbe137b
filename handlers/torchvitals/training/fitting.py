"""Building a baseline from training data."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..accuracy.estimate import Accuracy
from ..baseline.binning import assign
from ..baseline.schema import SCHEMA, BaselineData, Feature, Source
from ..baseline.selection import Features
from ..errors import BaselineError
from ..featurizers import Images, InputKind, Inputs, described
from ..featurizers.columns import at_model_precision, is_text, text_or_none
from ..featurizers.images import IMAGE_DIMENSIONS
from ..featurizers.outputs import Outputs, chosen_signals, detect_scores, output_signals
from ..featurizers.row_distance import MAX_COLUMNS, NAME, ROWS_PER_COLUMN, RowDistance, learn_row_distance
from .row_sample import RowSample, halves

NUMERIC_BINS = 10
MAX_DISCRETE_VALUES = 20
RARE_SHARE, MAX_RARE = 0.005, 0.01
MAX_CATEGORIES = 50
QUANTILE_POINTS = 200


def fit_baseline(
    X: Any,  # noqa: N803
    *,
    kind: InputKind,
    feature_names: Optional[list[str]],
    outputs: Any,
    class_names: Optional[list[str]],
    features: Features,
    name: str,
    version: str,
) -> BaselineData:
    """Describe columns or images; the arguments are those of `Baseline.fit`."""
    inputs = images_of(X) if kind == "images" else None
    if inputs is not None:
        X, feature_names = described(inputs, X), inputs.names  # noqa: N806
    columns = _columns(X, feature_names)
    samples = len(next(iter(columns.values())))
    if not samples:
        raise BaselineError("the training data have no rows; give at least a few hundred")
    found = [fit_feature(column, name=key, source="input") for key, column in columns.items()]
    rows = None
    if inputs is None and features.row_distance:
        sample = RowSample()
        sample.update(
            samples, lambda places: np.column_stack([_numbers(c[places]) for c in columns.values()])
        )
        rows = add_row_distance(found, sample)
    spec = None
    if outputs is not None:
        scores = np.asarray(outputs, dtype=np.float64)
        if len(scores) != samples:
            raise BaselineError(f"outputs have {len(scores)} rows, the data have {samples}; give one a row")
        spec = _outputs_spec(scores, class_names)
        found += _output_features(scores, spec, features)
    return new_baseline(found, spec, samples=samples, name=name, version=version, inputs=inputs, rows=rows)


def images_of(batch: Any) -> Images:
    """Return what images these are. Raises BaselineError where they are none."""
    if np.ndim(batch) != IMAGE_DIMENSIONS:
        raise BaselineError(f"images have shape {np.shape(batch)}; give (images, channels, height, width)")
    return Images(channels=int(np.shape(batch)[1]))


def add_row_distance(columns: list[Feature], sample: RowSample) -> Optional[RowDistance]:
    """Learn how numeric columns go together, and append the row's distance to their features.

    sample: rows of all the columns, NaN for texts. None, and nothing appended, where fewer than two columns are
    numbers that vary, or more than MAX_COLUMNS, or where the rows are too few. Raises BaselineError where a column
    has the feature's name.
    """
    places = [
        place for place, column in enumerate(columns) if column.kind != "categorical" and column.std > 0
    ]
    learn, measure = halves(sample.rows())
    if not 2 <= len(places) <= MAX_COLUMNS or len(learn) < ROWS_PER_COLUMN * len(places):
        return None
    names = [columns[place].name for place in places]
    if any(column.name == NAME for column in columns):
        raise BaselineError(
            f"a column is named '{NAME}', as is the feature that compares whole rows; rename it, or switch the feature "
            "off (features: row_distance: false)"
        )
    distance = learn_row_distance(np.stack(learn)[:, places].astype(np.float64), names)
    values = distance.of(np.stack(measure)[:, places].astype(np.float64))
    columns.append(fit_feature(values, name=NAME, source="input"))
    return distance


def new_baseline(
    features: list[Feature],
    outputs: Optional[Outputs],
    *,
    samples: int,
    name: str,
    version: str,
    inputs: Optional[Inputs] = None,
    rows: Optional[RowDistance] = None,
    accuracy: Optional[Accuracy] = None,
) -> BaselineData:
    """Return a baseline that is created now, sealed."""
    return BaselineData(
        schema=SCHEMA,
        name=name,
        version=version,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        samples=samples,
        features=features,
        outputs=outputs,
        inputs=inputs,
        rows=rows,
        accuracy=accuracy,
    ).sealed()


def fit_feature(column: NDArray[Any], *, name: str, source: Source) -> Feature:
    """Describe one column, (n,)."""
    if is_text(column):
        return _categorical(column, name, source)
    numbers = at_model_precision(column)
    present = numbers[~np.isnan(numbers)]
    finite = np.sort(present[np.isfinite(present)])
    distinct, counts = np.unique(present, return_counts=True)
    values = few_values(distinct, counts)
    bare = Feature(
        name=name,
        source=source,
        kind="numeric" if values is None else "discrete",
        count=len(present),
        missing=len(numbers) - len(present),
        mean=float(finite.mean()) if len(finite) else 0.0,
        std=float(finite.std()) if len(finite) else 0.0,
        min=float(finite[0]) if len(finite) else 0.0,
        max=float(finite[-1]) if len(finite) else 0.0,
        edges=_edges(finite) if values is None else [],
        categories=[*(values or [])],
        counts=[],
        quantiles=_quantile_grid(finite),
    )
    return _counted(bare, numbers)


def few_values(distinct: NDArray[np.float64], counts: NDArray[np.int64]) -> Optional[list[float]]:
    """Return the values of a few-valued column, or None for one that is better cut into ranges.

    distinct, counts: (k,) its values without NaN, ascending, and how often each stands.
    Few and each of them common: the counts of rare values (rain in hundredths of an inch) jump by chance.
    """
    present = int(counts.sum())
    rare = counts[counts < RARE_SHARE * present].sum()
    few = len(distinct) <= MAX_DISCRETE_VALUES and len(distinct) * 10 <= max(present, 20)
    return distinct.tolist() if few and rare <= MAX_RARE * present and np.isfinite(distinct).all() else None


def _counted(feature: Feature, numbers: NDArray[np.float64]) -> Feature:
    counts = np.bincount(assign(feature, numbers), minlength=feature.bins)
    return msgspec.structs.replace(feature, counts=counts.tolist())


def _categorical(
    column: NDArray[Any], name: str, source: Source, *, categories: Optional[list[str]] = None
) -> Feature:
    texts = [text_or_none(value) for value in column]
    present = [text for text in texts if text is not None]
    found, counts = np.unique(np.array(present, dtype=str), return_counts=True)
    return categorical_feature(
        dict(zip(found.tolist(), counts.tolist())),
        count=len(present),
        missing=len(texts) - len(present),
        name=name,
        source=source,
        categories=categories,
    )


def categorical_feature(
    by_text: Mapping[str, int],
    *,
    count: int,
    missing: int,
    name: str,
    source: Source,
    categories: Optional[list[str]] = None,
) -> Feature:
    """Describe a column of texts from how often each stands.

    `categories` names the bins where they are known, else the most frequent get one. count: values present; those
    that no bin takes are counted as `other`.
    """
    frequent = sorted(by_text, key=lambda text: (-by_text[text], text))[:MAX_CATEGORIES]
    kept = categories or sorted(frequent)
    seen = [by_text.get(text, 0) for text in kept]
    return Feature(
        name=name,
        source=source,
        kind="categorical",
        count=count,
        missing=missing,
        mean=0.0,
        std=0.0,
        min=0.0,
        max=0.0,
        edges=[],
        categories=[*kept],
        counts=[*seen, count - sum(seen), missing],
        quantiles=[],
    )


def _edges(finite: NDArray[np.float64]) -> list[float]:
    """Interior edges of bins of equal mass; ties make fewer, wider bins."""
    if not len(finite):
        return []
    positions = np.arange(1, NUMERIC_BINS) * len(finite) // NUMERIC_BINS
    edges = np.unique(finite[np.maximum(positions - 1, 0)])
    return [float(edge) for edge in edges if edge < finite[-1]]


def _quantile_grid(finite: NDArray[np.float64]) -> list[float]:
    """Return the mean of each of K equal slices of the sorted values."""
    if not len(finite):
        return []
    points = min(QUANTILE_POINTS, len(finite))
    slices = np.array_split(finite, points)
    return [float(part.mean()) for part in slices]


def _numbers(column: NDArray[Any]) -> NDArray[np.float32]:
    """Return values at the model's precision; texts are missing."""
    if is_text(column):
        return np.full(len(column), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):
        return np.asarray(column, dtype=np.float32)


def _columns(X: Any, feature_names: Optional[list[str]]) -> dict[str, NDArray[Any]]:  # noqa: N803
    if hasattr(X, "columns"):
        names = feature_names or [str(column) for column in X.columns]
        missing = [name for name in names if name not in X.columns]
        if missing:
            have = ", ".join(map(str, X.columns))
            raise BaselineError(f"the data have no column {', '.join(map(repr, missing))}; they have: {have}")
        return {name: X[name].to_numpy() for name in names}
    array = np.asarray(X)
    if array.ndim != 2 or not array.shape[1]:
        raise BaselineError(f"the training data have shape {array.shape}; give (rows, features)")
    names = feature_names or [f"f{index}" for index in range(array.shape[1])]
    if len(names) != array.shape[1] or len(set(names)) != len(names):
        raise BaselineError(
            f"{len(set(names))} different feature names for {array.shape[1]} columns; give one each"
        )
    return {name: array[:, index] for index, name in enumerate(names)}


def _outputs_spec(scores: NDArray[np.float64], class_names: Optional[list[str]]) -> Outputs:
    kind = detect_scores(scores)
    if kind == "values":
        return Outputs(kind="regression", scores="values")
    classes = name_classes(scores.shape[1], class_names)
    return Outputs(kind="classification", scores=kind, classes=classes)


def name_classes(classes: int, class_names: Optional[list[str]]) -> list[str]:
    """Return a name for each class; numbers where none are given. Raises BaselineError on another number of names."""
    names = class_names or [str(index) for index in range(classes)]
    if len(names) != classes:
        raise BaselineError(f"{len(names)} class names for outputs with {classes} classes; give one each")
    return names


def _output_features(scores: NDArray[np.float64], spec: Outputs, wanted: Features) -> list[Feature]:
    signals = output_signals(scores, spec)
    features = []
    for name in chosen_signals(spec, wanted.outputs):
        column = signals[name]
        if name == "predicted_class":
            classes = np.array([*spec.classes, None], dtype=object)
            column = classes[np.where(np.isnan(column), len(spec.classes), column).astype(np.intp)]
            features.append(_categorical(column, name, "output", categories=spec.classes))
        else:
            features.append(fit_feature(column, name=name, source="output"))
    return features
