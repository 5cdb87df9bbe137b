"""The kinds of inputs, and how they are told apart; a new kind registers itself in INPUTS."""

from __future__ import annotations

from typing import Any, Optional

from .batches import is_table
from .column_inputs import ColumnInputs
from .embeddings import Embeddings
from .featurizer import Featurizer
from .images import Images
from .kinds import Kinds, kind_of
from .texts import Texts
from .tokens import Tokens

INPUTS: Kinds[Featurizer] = Kinds("inputs")
# Asked from the last to the first; columns take what is left.
for _kind in (ColumnInputs, Embeddings, Tokens, Images, Texts):
    INPUTS.register(_kind)
COLUMNS = kind_of(ColumnInputs)


def detect(X: Any, feature_names: Optional[list[str]] = None) -> str:  # noqa: N803
    """Tell the kind of input by shape and type; `features: inputs:` in the configuration says it where this errs.

    Tables are columns. Of the rest, each kind says what it recognises.
    """
    if is_table(X):
        return COLUMNS
    return next(kind_of(kind) for kind in INPUTS if kind.recognises(X, feature_names))
