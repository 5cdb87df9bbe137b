"""What is said of a model's outputs: the `features: outputs:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

import msgspec

from ...errors import BaselineError

Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class OutputOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What outputs are, as far as it is said; the rest is told from the first of them.

    kind: one of OUTPUTS. features: those that are compared. classes: names of the classes, of the labels or of the
    values, in the model's order. scores: how class scores are to be read. padding: the token id that fills a row up.
    threshold: the probability from which on a class or label is positive, and the score from which on a box counts.
    """

    kind: Optional[str] = None
    features: Optional[list[str]] = None
    classes: Optional[list[str]] = None
    scores: Optional[Literal["logits", "probabilities"]] = None
    padding: int = 0
    threshold: Optional[Share] = None

    @classmethod
    def of(cls, section: Any) -> OutputOptions:
        """Return what a section says: a kind, a list of features, or a mapping. Raises BaselineError."""
        if isinstance(section, cls):
            return section
        if section is None:
            return cls()
        if isinstance(section, str):
            return cls(kind=section)
        if isinstance(section, (list, tuple)):
            return cls(features=[str(name) for name in section])
        try:
            return msgspec.convert(section, cls)
        except msgspec.ValidationError as error:
            raise BaselineError(f"features: outputs: {error}") from error

    def named(self, class_names: Optional[list[str]]) -> OutputOptions:
        """Return these options with names of classes that are given apart. Raises BaselineError where they differ."""
        if class_names is None:
            return self
        if self.classes not in (None, class_names):
            raise BaselineError(
                "class names are given twice, and differ: as class_names (--class-names), and as features: outputs: "
                "classes; leave one out"
            )
        return msgspec.structs.replace(self, classes=list(class_names))
