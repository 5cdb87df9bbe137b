"""From what a model gives to named, comparable numbers: one class for each kind of output."""

from __future__ import annotations

from .accuracy import estimable, labelled_accuracy
from .binary import Binary, within_unit
from .choosing import Described, chosen_signals, configured, output_signals
from .classification import (
    BLOCK_VALUES,
    TWO_CLASSES,
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
from .reading import joined, size_of
from .recognising import outputs_of, reader_of, recognised
from .reducing import EMBEDDING_STEP, classes_of_probe, output_reducer, probe, signals_of_probe
from .registry import OUTPUTS
from .sequences import Sequences
from .values import Regression, Values

__all__ = [
    "BLOCK_VALUES",
    "EMBEDDING_STEP",
    "OUTPUTS",
    "TWO_CLASSES",
    "WIDE_CLASSES",
    "WIDE_SCORES",
    "Binary",
    "Classification",
    "Decided",
    "Described",
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
    "classes_of_probe",
    "configured",
    "estimable",
    "joined",
    "labelled_accuracy",
    "output_reducer",
    "output_signals",
    "outputs_of",
    "probabilities",
    "probe",
    "reader_of",
    "recognised",
    "signals_of_probe",
    "size_of",
    "within_unit",
]
