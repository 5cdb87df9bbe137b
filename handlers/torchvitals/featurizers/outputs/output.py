"""What a kind of output is: the one class to write for a new kind."""

from __future__ import annotations

from typing import Any, ClassVar, Optional, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import BaselineError
from ...recording.parts import array_in
from ..featurizer import Learner
from ..kinds import kind_of
from .options import OutputOptions
from .reading import scores_of

Signals = dict[str, NDArray[np.float64]]

O = TypeVar("O", bound="Outputs")  # noqa: E741


class Outputs:
    """One kind of output: how it is recognised, and the features of it.

    To add a kind, write one class that is also a frozen msgspec struct with a tag, and register it in OUTPUTS; its
    fields are what the baseline file holds. scores: how the numbers are to be read. classes: the names of the classes,
    of a model that has them.

    Batches of a kind are arrays, (n, ...), unless its `read` says otherwise. A kind that `reduces` becomes its
    features on the request path, on the device of the outputs; any other is copied as it is.
    """

    scores: str
    classes: list[str]
    # The names of all its features; of those, the ones that are places in `classes` and no numbers.
    features: ClassVar[tuple[str, ...]]
    by_class: ClassVar[tuple[str, ...]] = ()
    # Whether a row is one prediction of a class, `predicted_class`, which is counted.
    classifies: ClassVar[bool] = False
    # Whether `learner` makes it, of all training rows.
    learns: ClassVar[bool] = False
    # Whether outputs of any size become features on the request path.
    always_reduces: ClassVar[bool] = False
    # Whether later batches may bring classes that the first ones did not hold.
    grows: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """The kind's name."""
        return kind_of(self)

    @property
    def sentence(self) -> str:
        """What the outputs are, for people."""
        return f"{self.kind} of {len(self.classes)} classes" if self.classes else self.kind

    @property
    def model(self) -> tuple[Any, ...]:
        """What the outputs of two parts of the data share where one model made them."""
        return (self.kind,) if self.grows or self.learns else (self.kind, self.classes)

    @property
    def reduces(self) -> bool:
        """Whether outputs become features on the request path, by `transform`."""
        return self.always_reduces

    @classmethod
    def recognises(cls, scores: NDArray[Any]) -> bool:
        """Tell by shape whether outputs, (n, k) or (n,), are of this kind; asked before `recognising` tells."""
        return False

    @classmethod
    def of(cls: type[O], scores: NDArray[Any], class_names: Optional[list[str]] = None) -> O:
        """Return what these outputs are, of a kind of which no more than names is said; others have `configured`.

        Raises BaselineError where the names of classes do not fit.
        """
        raise NotImplementedError

    @classmethod
    def configured(cls: type[O], batch: Any, options: OutputOptions) -> O:
        """Return what these outputs are, with what is said of them. Raises BaselineError where that does not fit."""
        return cls.of(batch, options.classes)

    @classmethod
    def learner(cls, options: OutputOptions) -> Learner:
        """Return an empty learner, of a kind that `learns`."""
        raise NotImplementedError

    @classmethod
    def read(cls, value: Any) -> Any:
        """Return a batch of rows, on the host, of what a model gave. Raises BaselineError where there is none."""
        return scores_of(value)

    @classmethod
    def served(cls, value: Any) -> Any:
        """Return a batch of rows, where they are, of what a model gave; None where there is none. Nothing waits."""
        return array_in(value)

    @classmethod
    def may_have(cls, name: str, options: OutputOptions) -> bool:
        """Tell whether a feature of this name is possible, as far as that is known without outputs."""
        return name in cls.features

    @property
    def names(self) -> list[str]:
        """The names of all its features."""
        return list(self.features)

    @property
    def standard(self) -> list[str]:
        """The names of the features that are compared unless others are asked for."""
        return self.names

    def accepts(self, batch: Any) -> bool:
        """Tell whether a batch of served outputs is what this describes."""
        return not self.classes or (getattr(batch, "ndim", 0) == 2 and batch.shape[1] == len(self.classes))

    def grown(self: O, batch: Any) -> O:
        """Return what these outputs are, with the classes of a further batch."""
        return self

    def grown_by_features(self: O, rows: NDArray[Any]) -> O:
        """Return what these outputs are, with the classes of further features, (n, k)."""
        return self

    def joined(self: O, other: O) -> O:
        """Return what these outputs are, with the classes of another part."""
        return self

    def prepare(self) -> None:
        """Make what `transform` needs, at load, so that no request waits for it."""

    def transform(self, batch: Any) -> torch.Tensor:
        """Return all features, (n, k), of a batch that is accepted, on its device; of a kind that reduces.

        It runs on the request path: nothing may wait for the device.
        """
        raise NotImplementedError

    def signals(self, scores: Any) -> Signals:
        """Return the features by name, each (n,), of a batch; NaN where a row is not finite."""
        if isinstance(scores, np.ndarray):
            scores = torch.from_numpy(np.ascontiguousarray(scores))
        with torch.inference_mode():
            return self.of_features(self.transform(scores).double().cpu().numpy())

    def of_features(self, rows: NDArray[Any]) -> Signals:
        """Return the features by name of what `transform` gave, (n, k). Raises BaselineError on another width."""
        names = self.names
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise self.mismatch()
        return dict(zip(names, np.asarray(rows, dtype=np.float64).T))

    def mismatch(self, shape: Optional[tuple[int, ...]] = None) -> BaselineError:
        """Return the error for served outputs of another kind or shape; shape: of a row."""
        what = "other outputs" if shape is None else f"outputs of {shape} a row"
        return BaselineError(
            f"the model gave {what}, the baseline has {self.sentence}; build the baseline with this model"
        )

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""


def number_of(count: int, one: str, many: str) -> str:
    """Return a number with its noun.

    >>> number_of(1, "class", "classes"), number_of(1200, "class", "classes")
    ('1 class', '1,200 classes')
    """
    return f"{count:,} {one if count == 1 else many}"


def class_names_for(count: int, options: OutputOptions, what: str = "classes") -> list[str]:
    """Return a name for each class; those without one are numbered. Raises BaselineError where they do not fit."""
    names = options.classes or [str(index) for index in range(count)]
    if len(names) != count:
        raise BaselineError(
            f"{len(names)} class names for outputs with {count} {what}; give one each, or say what the outputs are "
            "(features: outputs: kind)"
        )
    return list(names)
