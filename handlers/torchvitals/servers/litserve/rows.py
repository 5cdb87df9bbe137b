"""What a LitAPI's `predict` is given and gives, as batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

import numpy as np
import torch

from ...baseline.schema import BaselineData
from ...featurizers import Featurizer
from ...recording.call import CallRecord
from ...recording.capture import MAX_ROW_VALUES
from ...recording.parts import SCORES
from ...recording.recorder import Recorder

AsBatch = Callable[[Any], Any]
Number = (int, float, np.number)
Array = (torch.Tensor, np.ndarray)


class RowRecorder(Recorder):
    """A recorder for `predict`, which is given one request without the dimension of a batch, or a list of them.

    It shares all of another recorder's state.
    """

    __slots__ = ("_as_inputs", "_as_outputs")

    def __init__(self, recorder: Recorder, *, as_inputs: AsBatch, as_outputs: AsBatch) -> None:
        self.__dict__ = recorder.__dict__
        self._as_inputs = as_inputs
        self._as_outputs = as_outputs

    def inputs(self, call: CallRecord, value: Any) -> None:
        """Copy what `predict` is given."""
        super().inputs(call, self._as_inputs(value))

    def outputs(self, call: CallRecord, value: Any) -> None:
        """Copy what `predict` gives."""
        super().outputs(call, self._as_outputs(value))


class Uncopied(Recorder):
    """A recorder for the steps of a stream, which are timed alone. It shares all of another recorder's state."""

    def __init__(self, recorder: Recorder) -> None:
        self.__dict__ = recorder.__dict__

    def inputs(self, call: CallRecord, value: Any) -> None:
        """Copy nothing."""

    def outputs(self, call: CallRecord, value: Any) -> None:
        """Copy nothing."""


def row_recorder(recorder: Recorder, baseline: Optional[BaselineData], *, batched: bool) -> RowRecorder:
    """Return the recorder for the `predict` of a model.

    Args:
        recorder: the monitor's.
        baseline: tells what inputs are.
        batched: whether `predict` is given several requests at once.
    """
    columns = [] if baseline is None or baseline.inputs else baseline.column_names
    inputs, outputs = Rows(columns, baseline.inputs if baseline else None), Rows()
    reduced = recorder.reduce_outputs is not None
    if batched:
        as_outputs = together if reduced else outputs.of_requests
        return RowRecorder(recorder, as_inputs=inputs.of_requests, as_outputs=as_outputs)
    return RowRecorder(
        recorder, as_inputs=inputs.of_request, as_outputs=_as_it_is if reduced else outputs.of_request
    )


def together(values: Any) -> Any:
    """Return what several requests were answered, arrays of one shape each, as a batch; anything else as it is."""
    if not isinstance(values, list) or not values or not all(isinstance(value, Array) for value in values):
        return values
    if any(type(value) is not type(values[0]) or value.shape != values[0].shape for value in values):
        return values
    return torch.stack(values) if isinstance(values[0], torch.Tensor) else np.stack(values)


def _as_it_is(value: Any) -> Any:
    return value


class Rows:
    """Makes a batch of what one request holds, or several.

    columns: the names that an object's values are read by, in order. featurizer: of inputs that are no columns.
    """

    def __init__(self, columns: Sequence[str] = (), featurizer: Optional[Featurizer] = None) -> None:
        self._columns = columns
        self._featurizer = featurizer

    def of_request(self, value: Any) -> Any:
        """Return what one request holds as a batch, (1, d) where it is a number, a row, or an object of numbers.

        An image or a text becomes a batch of one. What is a batch already stays as it is, and so does what is unknown.

        >>> Rows().of_request([1.5, 2.0]), Rows(["hour", "temp"]).of_request({"temp": 7, "hour": 8})
        (array([[1.5, 2. ]]), array([[8., 7.]]))
        """
        if self._featurizer is not None and self._featurizer.accepts(value):
            return value
        if isinstance(value, Array):
            return self._of_array(value)
        if isinstance(value, Number):
            return np.array([[value]], dtype=np.float64)
        if isinstance(value, Mapping):
            return self._of_object(value)
        if isinstance(value, (list, tuple)):
            return self._of_list(value)
        return [value] if isinstance(value, str) else value

    def of_requests(self, values: Any) -> Any:
        """Return what several requests hold as a batch of as many rows; None where they do not go together."""
        if self._featurizer is not None and self._featurizer.accepts(values):
            return values
        if isinstance(values, Array):
            return values.reshape(-1, 1) if values.ndim == 1 else values
        if not isinstance(values, (list, tuple)) or not values:
            return values
        return _joined([self.of_request(value) for value in values])

    def _of_array(self, value: Any) -> Any:
        if self._featurizer is not None:
            # The dimension of a batch is what an image alone lacks.
            alone = value[None]
            return alone if self._featurizer.accepts(alone) else value
        return value.reshape(1, -1) if value.ndim < 2 else value

    def _of_object(self, value: Mapping[Any, Any]) -> Any:
        """Return the values of the baseline's columns; else what the scores or the first value hold, no bare number."""
        if self._columns and all(name in value for name in self._columns):
            return _numbers([[value[name] for name in self._columns]])
        named = next((name for name in SCORES if name in value), None)
        first = next(iter(value.values()), None) if named is None else value[named]
        return None if first is None or isinstance(first, Number) else self.of_request(first)

    def _of_list(self, value: Sequence[Any]) -> Any:
        if not value:
            return None
        first = value[0]
        if isinstance(first, Number):
            return self._of_row(value)
        if isinstance(first, (list, tuple)):
            return _numbers(value) if len(value) * len(first) <= MAX_ROW_VALUES else None
        return value

    def _of_row(self, value: Sequence[Any]) -> Any:
        # A longer list takes milliseconds; a tensor of any length does not.
        row = _numbers([value]) if len(value) <= MAX_ROW_VALUES else None
        # Token ids and embeddings are told by their type.
        return row if row is None or self._featurizer is None else self._of_array(_typed(row[0], value))


def _numbers(rows: Sequence[Sequence[Any]]) -> Any:
    """Return lists of numbers as an (n, d) array, NaN for null; None for what is something else."""
    try:
        array = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 2 else None


def _typed(row: Any, value: Sequence[Any]) -> Any:
    return row.astype(np.int64) if all(isinstance(number, int) for number in value) else row


def _joined(parts: list[Any]) -> Any:
    """Return several batches as one; None where their kinds or shapes differ."""
    if all(isinstance(part, list) for part in parts):
        return [text for part in parts for text in part]
    for kind, join in ((torch.Tensor, torch.cat), (np.ndarray, np.concatenate)):
        if all(isinstance(part, kind) and part.shape[1:] == parts[0].shape[1:] for part in parts):
            return join(parts)
    return None
