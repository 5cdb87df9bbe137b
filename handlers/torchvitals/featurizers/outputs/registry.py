"""The kinds of outputs; a new kind registers itself in OUTPUTS."""

from __future__ import annotations

from ..kinds import Kinds
from .binary import Binary
from .classification import Classification
from .decided import Decided
from .detections import Detections
from .learned import EmbeddingOutputs, TokenOutputs
from .masks import Masks
from .multilabel import Multilabel
from .none import NoOutputs
from .output import Outputs
from .sequences import Sequences
from .values import Regression, Values

OUTPUTS: Kinds[Outputs] = Kinds("outputs")
for _kind in (
    Regression,
    Classification,
    Binary,
    Decided,
    Multilabel,
    Values,
    EmbeddingOutputs,
    TokenOutputs,
    Sequences,
    Detections,
    Masks,
    NoOutputs,
):
    OUTPUTS.register(_kind)
