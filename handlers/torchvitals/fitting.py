"""Building a baseline from training data."""

from __future__ import annotations

import datetime
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from .baseline import SCHEMA, Baseline, Feature, Outputs, Source, at_model_precision, is_text, text_or_none
from .binning import assign
from .errors import BaselineError
from .signals import detect_scores, output_signals

NUMERIC_BINS = 10
MAX_DISCRETE_VALUES = 20
RARE_SHARE, MAX_RARE = 0.005, 0.01
MAX_CATEGORIES = 50
QUANTILE_POINTS = 200


def fit_baseline(
    X: Any,  # noqa: N803
    *,
    feature_names: Optional[list[str]],
    outputs: Any,
    class_names: Optional[list[str]],
    name: str,
    version: str,
) -> Baseline:
    """Build a Baseline; the arguments are those of `Baseline.fit`."""
    columns = _columns(X, feature_names)
    samples = len(next(iter(columns.values())))
    if not samples:
        raise BaselineError("the training data have no rows; give at least a few hundred")
    features = [fit_feature(column, name=key, source="input") for key, column in columns.items()]
    spec = None
    if outputs is not None:
        scores = np.asarray(outputs, dtype=np.float64)
        if len(scores) != samples:
            raise BaselineError(f"outputs have {len(scores)} rows, the data have {samples}; give one a row")
        spec = _outputs_spec(scores, class_names)
        features += _output_features(scores, spec)
    created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Baseline(
        schema=SCHEMA,
        name=name,
        version=version,
        created=created,
        samples=samples,
        features=features,
        outputs=spec,
    ).sealed()


def fit_feature(column: NDArray[Any], *, name: str, source: Source) -> Feature:
    """Describe one column, (n,)."""
    if is_text(column):
        return _categorical(column, name, source)
    numbers = at_model_precision(column)
    present = numbers[~np.isnan(numbers)]
    finite = np.sort(present[np.isfinite(present)])
    values = _few_values(present)
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


def _few_values(present: NDArray[np.float64]) -> Optional[list[float]]:
    """Return the values of a few-valued column, or None for one that is better cut into ranges.

    Few and each of them common: the counts of rare values (rain in hundredths of an inch) jump by chance.
    """
    distinct, counts = np.unique(present, return_counts=True)
    rare = counts[counts < RARE_SHARE * len(present)].sum()
    few = len(distinct) <= MAX_DISCRETE_VALUES and len(distinct) * 10 <= max(len(present), 20)
    return (
        distinct.tolist() if few and rare <= MAX_RARE * len(present) and np.isfinite(distinct).all() else None
    )


def _counted(feature: Feature, numbers: NDArray[np.float64]) -> Feature:
    counts = np.bincount(assign(feature, numbers), minlength=feature.bins)
    return msgspec.structs.replace(feature, counts=counts.tolist())


def _categorical(
    column: NDArray[Any], name: str, source: Source, *, categories: Optional[list[str]] = None
) -> Feature:
    """Describe a column of texts; `categories` names them where they are known, else the most frequent count."""
    texts = [text_or_none(value) for value in column]
    present = [text for text in texts if text is not None]
    found, counts = np.unique(np.array(present, dtype=str), return_counts=True)
    kept = categories or sorted(found[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES].tolist())
    by_text = dict(zip(found.tolist(), counts.tolist()))
    seen = [by_text.get(text, 0) for text in kept]
    return Feature(
        name=name,
        source=source,
        kind="categorical",
        count=len(present),
        missing=len(texts) - len(present),
        mean=0.0,
        std=0.0,
        min=0.0,
        max=0.0,
        edges=[],
        categories=[*kept],
        counts=[*seen, len(present) - sum(seen), len(texts) - len(present)],
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
    names = class_names or [str(index) for index in range(scores.shape[1])]
    if len(names) != scores.shape[1]:
        raise BaselineError(
            f"{len(names)} class names for outputs with {scores.shape[1]} classes; give one each"
        )
    return Outputs(kind="classification", scores=kind, classes=names)


def _output_features(scores: NDArray[np.float64], spec: Outputs) -> list[Feature]:
    signals = output_signals(scores, spec)
    features = []
    for name, column in signals.items():
        if name == "predicted_class":
            classes = np.array([*spec.classes, None], dtype=object)
            column = classes[np.where(np.isnan(column), len(spec.classes), column).astype(np.intp)]
            features.append(_categorical(column, name, "output", categories=spec.classes))
        else:
            features.append(fit_feature(column, name=name, source="output"))
    return features
