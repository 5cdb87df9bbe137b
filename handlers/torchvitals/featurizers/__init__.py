"""What inputs and outputs become: a few numbers a row, that can be compared with the baseline."""

from .embeddings import Embeddings
from .featurizer import Featurizer, Learned, Learner, Settings, described, reducer
from .images import Images
from .registry import COLUMNS, INPUTS, detect
from .texts import Texts
from .tokens import Tokens

__all__ = [
    "COLUMNS",
    "INPUTS",
    "Embeddings",
    "Featurizer",
    "Images",
    "Learned",
    "Learner",
    "Settings",
    "Texts",
    "Tokens",
    "described",
    "detect",
    "reducer",
]
