"""What inputs other than columns become: a few numbers a row, that can be compared with the baseline."""

from .describing import InputKind, Inputs, described, detect, reducer
from .embedding import Embeddings
from .image import Images
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
