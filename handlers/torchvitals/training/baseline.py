"""The baseline that people build, merge and compare; and its builder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

import msgspec
from numpy.typing import NDArray

from ..accuracy.estimate import FEWEST_LABELS, Accuracy
from ..baseline.describing import introduced
from ..baseline.schema import BaselineData
from ..baseline.selection import Features
from ..baseline.variation import DEFAULT_WINDOWS
from ..drift.detector import DriftDetector
from ..drift.verdict import DriftReport
from ..errors import BaselineError
from ..featurizers import COLUMNS, Featurizer
from ..featurizers.batches import inputs_of, is_table, with_rows
from ..featurizers.featurizer import Describing
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import estimable, labelled_accuracy
from .fitting import new_baseline
from .inputs import InputColumns
from .options import BuildOptions
from .outputs import OutputColumns
from .window_limits import with_window_limits

# Rows of a segment, the last ones, that `compare` looks at: each of 32 segments has room for them.
COMPARED_SEGMENT_ROWS = 5_000


class Baseline(BaselineData, frozen=True, kw_only=True, omit_defaults=True):
    """Distributions of all features of one model version. Build with `fit`, read with `load`."""

    @classmethod
    def of(cls, data: BaselineData) -> Baseline:
        """Return the same data as a Baseline."""
        return cls(**{name: getattr(data, name) for name in data.__struct_fields__})

    def __str__(self) -> str:
        return introduced(self)

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
        windows: tuple[int, ...] = DEFAULT_WINDOWS,
        name: str = "model",
        version: str = "1.0",
    ) -> Baseline:
        """Learn a baseline from training data that are in memory; every value is described exactly.

        Values are compared at float32, the precision that models see.

        Args:
            X: (n, d) array, tensor or list of numbers (NaN is missing), or a table of pandas, polars or Arrow (text
                columns are categorical), in the units that the model is given; (n, C, H, W) images, (n, length) token
                ids, n texts, or (n, d) embeddings.
            feature_names: names of the columns of an array; of a table, the columns that are wanted.
            outputs: what the model gives for these rows: (n, classes) logits or probabilities, (n,) or (n, 1) values or
                sigmoids, and what docs/what-is-compared.md lists; its kind is told from the first rows, or said
                (features: outputs).
            labels: (n,) true classes, by name or place, for the estimate of accuracy; best of rows that the model was
                not trained on (`with_accuracy`).
            class_names: names of the classes, in the model's order.
            features: what is described.
            ordered: rows are in the order of time; then the baseline learns, for each size in `windows` (in rows) that
                the rows suffice for, how far windows of training rows stray, and a drift must go beyond that.
            windows: see `ordered`.
            name: the model's name.
            version: the model's version.

        Raises:
            BaselineError: the data cannot be described; it names the column, and says how to fix it.
        """
        options = BuildOptions(
            feature_names=feature_names,
            class_names=class_names,
            features=features or Features(),
            name=name,
            version=version,
            exact=True,
        )
        if is_table(X) and options.features.time_parts:
            X = options.prepared(COLUMNS, X)  # noqa: N806
        builder = BaselineBuilder(options)
        builder.add(X, outputs=outputs, labels=labels)
        baseline = builder.baseline()
        return with_window_limits(baseline, X, outputs=outputs, windows=windows) if ordered else baseline

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
        options = BuildOptions(
            feature_names=feature_names,
            class_names=class_names,
            features=features or Features(),
            name=name,
            version=version,
        )
        builder = BaselineBuilder(options)
        for batch in batches:
            inputs = inputs_of(batch)
            builder.add(inputs, outputs=None if model is None else model(inputs))
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
        rows = max(len(with_rows(X)), 1)
        monitor = DriftDetector(self, window=rows, segment_window=min(rows, COMPARED_SEGMENT_ROWS))
        monitor.update(X, outputs=outputs)
        return monitor.report()

    def with_accuracy(self, outputs: Any, labels: Any) -> Baseline:
        """Return this baseline with what the model's confidence is worth, for the estimate of accuracy.

        outputs: (n, classes) scores of any labelled rows, best of rows that the model was not trained on. labels: (n,)
        their true classes, by name or place; None is not known. Raises BaselineError for a model without classes, for
        an unknown class, and for too few.
        """
        return msgspec.structs.replace(
            self, accuracy=labelled_accuracy(self.outputs, outputs, labels)
        ).sealed()


@dataclass
class Gathered:
    """What a builder has seen: rows, what of their inputs and outputs is kept, and labelled predictions."""

    samples: int = 0
    inputs: Optional[InputColumns] = None
    outputs: Optional[OutputColumns] = None
    accuracy: Optional[Accuracy] = None


class BaselineBuilder:
    """Learns a baseline in one pass over any amount of data, in memory that does not grow with it.

    Builders of parts of the data merge into the builder of the whole, in any order, and can be sent to another
    process. Counts of missing and infinite values, mean, std, min and max are exact, and so is everything of a
    column with up to 2,048 different values. Of any other column, bin edges and quantiles come from a KLL sketch:
    their ranks are right within 0.14 % of the rows. What belongs to rows as a whole is learned from a fair sample of
    20,000 of them (8,192 embeddings). An empty builder is neutral in a merge.

    After an error the builder has taken part of a batch; start anew.

    Args:
        options: what is built, in one object; the keywords make one where it is left out. gathered: what a builder
            has seen that this one goes on from.
    """

    def __init__(
        self,
        options: Optional[BuildOptions] = None,
        *,
        feature_names: Optional[list[str]] = None,
        class_names: Optional[list[str]] = None,
        features: Optional[Features] = None,
        name: str = "model",
        version: str = "1.0",
        gathered: Optional[Gathered] = None,
    ) -> None:
        self.options = options or BuildOptions(
            feature_names=feature_names,
            class_names=class_names,
            features=features or Features(),
            name=name,
            version=version,
        )
        self._seen = gathered or Gathered()
        self._outputs = self._seen.outputs or OutputColumns(self.options)

    @property
    def samples(self) -> int:
        """Number of rows so far."""
        return self._seen.samples

    def update(self, batch: Any, outputs: Any = None, labels: Any = None) -> None:
        """Add rows. Raises BaselineError.

        batch, outputs, labels: as in `Baseline.fit`; batch may be a tuple of which the first is the inputs. outputs:
        with each batch or with none. labels: with any batches that have outputs.
        """
        self.add(inputs_of(batch), outputs, labels)

    def add(self, inputs: Any, outputs: Any = None, labels: Any = None) -> None:
        """Add rows of inputs that are not in a tuple with others; else as `update`."""
        inputs = with_rows(inputs)
        if self._seen.inputs is None:
            kind = self.options.kind_of(inputs)
            learner = kind.learner(self.options.settings)
            self._seen.inputs = InputColumns(
                kind_of(kind),
                learner,
                exact=self.options.exact,
                identifiers=self.options.features.identifiers,
                segments=self.options.segments,
            )
        columns = self._seen.inputs
        inputs = self.options.prepared(columns.kind, inputs)
        self._add(len(inputs), lambda: columns.update(inputs), outputs, labels)

    def add_described(self, featurizer: Featurizer, rows: NDArray[Any], outputs: Any = None) -> None:
        """Add rows that a featurizer which learns nothing has made features already, (n, k). Raises BaselineError."""
        learner = Describing(type(featurizer), featurizer)
        if self._seen.inputs is None:
            self._seen.inputs = InputColumns(kind_of(featurizer), learner, exact=self.options.exact)
        columns = self._seen.inputs
        self._add(len(rows), lambda: columns.add(learner.described(rows)), outputs, None)

    def merge(self, other: BaselineBuilder) -> BaselineBuilder:
        """Add what another builder has seen, which stays as it is; returns this one. Raises BaselineError."""
        mine, theirs = self._seen, other._seen
        if not theirs.samples or theirs.inputs is None:
            return self
        if mine.samples and self._outputs.seen != other._outputs.seen:
            raise BaselineError("one part was built with the model's outputs and the other without")
        if mine.inputs is None or not mine.samples:
            mine.inputs = theirs.inputs.empty()
        mine.inputs.merge(theirs.inputs)
        self._outputs.merge(other._outputs)
        self._add_accuracy(theirs.accuracy)
        mine.samples += theirs.samples
        return self

    def baseline(self, *, mergeable: bool = False) -> Baseline:
        """Return the baseline of all rows so far. Raises BaselineError where there are none.

        mergeable: keep what `Baseline.merge` needs, about 30 kB a feature, and leave the row's distance out: to merge
        it takes whole rows, which a baseline does not hold.
        """
        seen = self._seen
        if not seen.samples or seen.inputs is None:
            raise BaselineError("the training data have no rows; give at least a few hundred")
        found = seen.inputs.describe(mergeable=mergeable)
        if seen.accuracy is not None and seen.accuracy.samples < FEWEST_LABELS:
            raise BaselineError(
                f"only {seen.accuracy.samples} rows have a label; give at least {FEWEST_LABELS}, or none"
            )
        of_outputs, spec = self._outputs.describe(mergeable=mergeable)
        return Baseline.of(
            new_baseline(
                [*found.features, *of_outputs],
                spec,
                samples=seen.samples,
                name=self.options.name,
                version=self.options.version,
                inputs=found.inputs,
                rows=found.rows,
                accuracy=seen.accuracy,
                identifiers=found.identifiers,
                # Only the estimate of accuracy asks for it.
                familiarity=found.familiarity() if estimable(spec) else None,
                segments=found.segments,
            )
        )

    @classmethod
    def resume(cls, baseline: BaselineData) -> BaselineBuilder:
        """Return the builder that a mergeable baseline came from. Raises BaselineError for any other baseline."""
        outputs = baseline.of_source("output")
        if any(feature.summary is None for feature in (*baseline.column_features, *outputs)):
            raise BaselineError(
                f"baseline '{baseline.name}' version {baseline.version} was not built to be merged; rebuild it "
                "with 'torchvitals baseline build --mergeable', or in Python with "
                "BaselineBuilder().baseline(mergeable=True)"
            )
        spec = baseline.outputs
        options = BuildOptions(
            name=baseline.name,
            version=baseline.version,
        )
        gathered = Gathered(
            samples=baseline.samples,
            inputs=InputColumns.resume(baseline),
            outputs=OutputColumns.resume(options, spec, outputs) if spec else None,
            accuracy=baseline.accuracy,
        )
        return cls(options, gathered=gathered)

    def _add(self, rows: int, take_inputs: Callable[[], None], outputs: Any, labels: Any) -> None:
        scores = None if outputs is None or not self._outputs.wanted else self._outputs.read(outputs)
        if self.samples and rows and (scores is not None) != self._outputs.seen:
            raise BaselineError("outputs came with some batches and not with others; give them with each")
        if scores is not None and (not getattr(scores, "ndim", 1) or len(scores) != rows):
            count = len(scores) if getattr(scores, "ndim", 1) else "no"
            raise BaselineError(f"outputs have {count} rows, the data have {rows}; give one a row")
        take_inputs()
        self._seen.samples += rows
        if not rows:
            return
        if scores is not None:
            self._outputs.update(scores)
        if labels is not None:
            spec = None if scores is None else self._outputs.spec
            self._add_accuracy(labelled_accuracy(spec, scores, labels, fewest=0))

    def _add_accuracy(self, found: Optional[Accuracy]) -> None:
        mine = self._seen.accuracy
        if found is not None:
            self._seen.accuracy = found if mine is None else mine.merged(found)
