"""What inputs other than columns become: a few numbers a row, that can be compared with the baseline."""

from .embeddings import Embeddings
from .images import Images
from .registry import InputKind, Inputs, described, detect, reducer
from .texts import Texts
from .tokens import Tokens

__all__ = [
    "Embeddings",
    "Images",
    "InputKind",
    "Inputs",
    "Texts",
    "Tokens",
    "described",
    "detect",
    "reducer",
]
