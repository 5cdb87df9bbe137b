"""The baseline that people build, merge and compare; and its builder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Optional

import msgspec
import numpy as np

from ..accuracy.estimate import FEWEST_LABELS, Accuracy
from ..baseline.schema import BaselineData
from ..baseline.selection import Features
from ..drift.detector import DriftDetector
from ..drift.verdict import DriftReport
from ..errors import BaselineError
from ..featurizers import detect
from ..featurizers.outputs import labelled_accuracy
from .batches import inputs_of, to_array
from .fitting import fit_baseline, new_baseline
from .inputs import CHUNK_ROWS, InputBuilder, input_builder, resumed
from .outputs import OutputColumns
from .window_limits import calibrate


class Baseline(BaselineData, frozen=True, kw_only=True, omit_defaults=True):
    """Distributions of all features of one model version. Build with `fit`, read with `load`."""

    @classmethod
    def of(cls, data: BaselineData) -> Baseline:
        """Return the same data as a Baseline."""
        return cls(**{name: getattr(data, name) for name in data.__struct_fields__})

    @classmethod
    def fit(
        cls,
        X: Any,  # noqa: N803 - the field's name for a design matrix
        *,
        feature_names: Optional[list[str]] = None,
        outputs: Any = None,
        labels: Any = None,
        class_names: Optional[list[str]] = None,
        features: Optional[Features] = None,
        ordered: bool = False,
        windows: tuple[int, ...] = (1000,),
        name: str = "model",
        version: str = "1.0",
    ) -> Baseline:
        """Learn a baseline from training data.

        X: (n, d) array of floats (NaN is missing) or a DataFrame (text columns are categorical), in the units that the
        model is given; (n, C, H, W) images, (n, length) token ids, n texts, or (n, d) embeddings. outputs: (n, classes)
        logits or probabilities, or (n,) values. labels: (n,) the true classes, by name or place, for the estimate of
        accuracy; best of rows that the model was not trained on (`with_accuracy`). features: what is described.
        ordered: rows are in the order of time; then the baseline learns, for each size in `windows` that
        the rows suffice for, how far windows of training rows stray, and a drift must go beyond that.
        Values are compared at float32, the precision that models see. Raises BaselineError.
        """
        features = features or Features()
        kind = features.inputs or detect(X, feature_names)
        if kind in ("columns", "images"):
            baseline = cls.of(
                fit_baseline(
                    X,
                    kind=kind,
                    feature_names=feature_names,
                    outputs=outputs,
                    class_names=class_names,
                    features=features,
                    name=name,
                    version=version,
                )
            )
        else:
            features = msgspec.structs.replace(features, inputs=kind)
            builder = BaselineBuilder(class_names=class_names, features=features, name=name, version=version)
            builder.update(X, outputs=outputs)
            baseline = builder.baseline()
        if labels is not None:
            baseline = baseline.with_accuracy(outputs, labels)
        return calibrate(baseline, X, outputs=outputs, windows=windows) if ordered else baseline

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[Any],
        *,
        model: Optional[Callable[[Any], Any]] = None,
        feature_names: Optional[list[str]] = None,
        class_names: Optional[list[str]] = None,
        features: Optional[Features] = None,
        name: str = "model",
        version: str = "1.0",
        mergeable: bool = False,
    ) -> Baseline:
        """Learn a baseline in one pass and constant memory from any iterable of batches, a DataLoader for one.

        batches: what `fit` takes as X, of some rows each, or tuples of which the first is one of these.
        model: called with each batch's inputs; its outputs join the baseline. mergeable: keep what `merge` needs, and
        leave the row's distance out.
        The data set's first values are described exactly, more of them by sketches: see `BaselineBuilder`, which
        does the same a step at a time. Raises BaselineError.
        """
        builder = BaselineBuilder(
            feature_names=feature_names,
            class_names=class_names,
            features=features,
            name=name,
            version=version,
        )
        for batch in batches:
            inputs = inputs_of(batch)
            builder.update(inputs, outputs=None if model is None else model(inputs))
        return builder.baseline(mergeable=mergeable)

    def merge(self, other: Baseline) -> Baseline:
        """Return the baseline of both training sets together, under this one's name and version; mergeable again.

        The same as one pass over both, within the sketches' error. How the training data's own windows vary cannot be
        merged: it is dropped, with a warning. Raises BaselineError where one was not built with `mergeable`, or where
        the features or the outputs differ.
        """
        if any(feature.variation for feature in (*self.features, *other.features)):
            warnings.warn(
                "how the training data's own windows vary cannot be merged and is dropped; "
                "for limits learned from it, build one baseline from all rows in time order",
                stacklevel=2,
            )
        merged = BaselineBuilder.resume(self).merge(BaselineBuilder.resume(other))
        return merged.baseline(mergeable=True)

    def compare(self, X: Any, *, outputs: Any = None) -> DriftReport:  # noqa: N803
        """Compare rows with this baseline; X and outputs as in `fit`. Raises BaselineError on another width."""
        monitor = DriftDetector(self, window=max(len(X), 1))
        monitor.update(X, outputs=outputs)
        return monitor.report()

    def with_accuracy(self, outputs: Any, labels: Any) -> Baseline:
        """Return this baseline with what the model's confidence is worth, for the estimate of accuracy.

        outputs: (n, classes) scores of any labelled rows, best of rows that the model was not trained on. labels: (n,)
        their true classes, by name or place; None is not known. Raises BaselineError for a model without classes, for
        a label that is none, and for too few.
        """
        return msgspec.structs.replace(
            self, accuracy=labelled_accuracy(self.outputs, outputs, labels)
        ).sealed()


class BaselineBuilder:
    """Learns a baseline in one pass over any amount of data, in memory that does not grow with it.

    Builders of parts of the data merge into the builder of the whole, in any order, and can be sent to another
    process. Counts of missing and infinite values, mean, std, min and max are exact, and so is everything of a
    column with up to 2,048 different values. Of any other column, bin edges and quantiles come from a KLL sketch:
    their ranks are right within 0.14 % of the rows. What belongs to rows as a whole is learned from a fair sample of
    20,000 of them (8,192 embeddings). An empty builder is neutral in a merge.

    After an error the builder has taken part of a batch; start anew.
    """

    def __init__(
        self,
        *,
        feature_names: Optional[list[str]] = None,
        class_names: Optional[list[str]] = None,
        features: Optional[Features] = None,
        name: str = "model",
        version: str = "1.0",
    ) -> None:
        self.name = name
        self.version = version
        self.features = features or Features()
        self.samples = 0
        self._names = feature_names
        self._inputs: Optional[InputBuilder] = None
        self._outputs = OutputColumns(class_names, self.features)
        self._accuracy: Optional[Accuracy] = None

    def update(self, batch: Any, outputs: Any = None, labels: Any = None) -> None:
        """Add rows. Raises BaselineError.

        batch, outputs, labels: as in `Baseline.fit`; batch may be a tensor, or a tuple of which the first is the
        inputs. outputs: with each batch or with none. labels: with any batches that have outputs.
        """
        inputs = inputs_of(batch)
        if self._inputs is None:
            kind = self.features.inputs or detect(inputs, self._names)
            self._inputs = input_builder(kind, self._names, self.features)
        scores = None if outputs is None else np.asarray(to_array(outputs), dtype=np.float64)
        if self.samples and len(inputs) and (scores is not None) != self._outputs.seen:
            raise BaselineError("outputs came with some batches and not with others; give them with each")
        if scores is not None and len(scores) != len(inputs):
            raise BaselineError(
                f"outputs have {len(scores)} rows, the batch has {len(inputs)}; give one a row"
            )
        rows = self._inputs.update(inputs)
        self.samples += rows
        if scores is None or not rows:
            return
        for start in range(0, rows, CHUNK_ROWS):
            self._outputs.update(scores[start : start + CHUNK_ROWS])
        if labels is not None:
            found = labelled_accuracy(self._outputs.spec, scores, labels, fewest=0)
            self._accuracy = found if self._accuracy is None else self._accuracy.merged(found)

    def merge(self, other: BaselineBuilder) -> BaselineBuilder:
        """Add what another builder has seen, which stays as it is; returns this one. Raises BaselineError."""
        if not other.samples or other._inputs is None:
            return self
        if self.samples and self._outputs.seen != other._outputs.seen:
            raise BaselineError("one part was built with the model's outputs and the other without")
        if self._inputs is None or not self.samples:
            self._inputs = other._inputs.empty()
        if self._inputs.kind != other._inputs.kind:
            raise BaselineError(
                f"one part was built from {self._inputs.kind}, the other from {other._inputs.kind}"
            )
        self._outputs.merge(other._outputs)
        self._inputs.merge(other._inputs)
        if other._accuracy is not None:
            mine = self._accuracy
            self._accuracy = other._accuracy if mine is None else mine.merged(other._accuracy)
        self.samples += other.samples
        return self

    def baseline(self, *, mergeable: bool = False) -> Baseline:
        """Return the baseline of all rows so far. Raises BaselineError where there are none.

        mergeable: keep what `Baseline.merge` needs, about 30 kB a feature, and leave the row's distance out: to merge
        it takes rows, and a baseline holds none.
        """
        if not self.samples or self._inputs is None:
            raise BaselineError("the training data have no rows; give at least a few hundred")
        learned = self._inputs.learned(mergeable=mergeable)
        features, spec = learned.features, None
        if self._outputs.seen:
            spec = self._outputs.spec
            features += self._outputs.describe(mergeable=mergeable)
        if self._accuracy is not None and self._accuracy.samples < FEWEST_LABELS:
            raise BaselineError(
                f"only {self._accuracy.samples} rows have a label; give at least {FEWEST_LABELS}, or none"
            )
        return Baseline.of(
            new_baseline(
                features,
                spec,
                samples=self.samples,
                name=self.name,
                version=self.version,
                inputs=learned.inputs,
                rows=learned.rows,
                accuracy=self._accuracy,
            )
        )

    @classmethod
    def resume(cls, baseline: BaselineData) -> BaselineBuilder:
        """Return the builder that a mergeable baseline came from. Raises BaselineError for any other baseline."""
        builder = cls(name=baseline.name, version=baseline.version)
        builder.samples = baseline.samples
        outputs = baseline.of_source("output")
        if any(feature.summary is None for feature in (*baseline.column_features, *outputs)):
            raise BaselineError(
                f"baseline '{baseline.name}' version {baseline.version} was not built to be merged; rebuild it "
                "with 'torchvitals baseline build --mergeable', or in Python with "
                "BaselineBuilder().baseline(mergeable=True)"
            )
        builder._inputs = resumed(baseline)
        builder._accuracy = baseline.accuracy
        if baseline.outputs is not None:
            builder._outputs = OutputColumns.resume(baseline.outputs, outputs)
        return builder
