"""From what a model gives to named, comparable numbers: one class for each kind of output."""

from __future__ import annotations

from .accuracy import labelled_accuracy
from .binary import Binary, within_unit
from .choosing import chosen_signals, output_signals
from .classification import (
    BLOCK_VALUES,
    WIDE_CLASSES,
    WIDE_SCORES,
    Classification,
    are_probabilities,
    probabilities,
)
from .decided import Decided
from .detections import Detections
from .learned import EmbeddingOutputs, TokenOutputs
from .masks import Masks
from .multilabel import Multilabel
from .none import NoOutputs
from .options import OutputOptions
from .output import Outputs, Signals
from .recognising import outputs_of, reader_of, recognised
from .registry import OUTPUTS
from .sequences import Sequences
from .values import Regression, Values

__all__ = [
    "BLOCK_VALUES",
    "OUTPUTS",
    "WIDE_CLASSES",
    "WIDE_SCORES",
    "Binary",
    "Classification",
    "Decided",
    "Detections",
    "EmbeddingOutputs",
    "Masks",
    "Multilabel",
    "NoOutputs",
    "OutputOptions",
    "Outputs",
    "Regression",
    "Sequences",
    "Signals",
    "TokenOutputs",
    "Values",
    "are_probabilities",
    "chosen_signals",
    "labelled_accuracy",
    "output_signals",
    "outputs_of",
    "probabilities",
    "reader_of",
    "recognised",
    "within_unit",
]
