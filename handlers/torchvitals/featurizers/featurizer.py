"""What a kind of input is: the one class to write for a new kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Optional, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BaselineError
from .batches import first_of, is_table, to_array
from .codes import Codes, Said
from .familiarity import Familiarity
from .kinds import kind_of
from .row_distance import RowDistance
from .tables import Columns, only_column, stacked

BATCH_ROWS = 256

F = TypeVar("F", bound="Featurizer")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a learner may need to know.

    names: the columns that are wanted. padding: the token id that fills rows up. categories: by column, what its codes
    mean. identifiers: the columns that tell rows apart, where that is known.
    """

    names: Optional[list[str]] = None
    padding: int = 0
    row_distance: bool = True
    identifiers: list[str] = []
    categories: dict[str, Said] = {}


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What all batches together taught.

    featurizer: what makes features of served inputs; None where they are columns already. columns: features that are
    known only now, (n,) values each. rows: how the columns go together; then the last column is the row's distance.
    codes: by column of categories, what numbers stand for. familiarity: returns what whole rows look like; few ask.
    """

    featurizer: Optional[Featurizer] = None
    columns: Columns = {}
    rows: Optional[RowDistance] = None
    codes: dict[str, Codes] = {}
    familiarity: Callable[[], Optional[Familiarity]] = lambda: None


class Learner:
    """Takes batches of one kind of input, and merges with another of its kind; it can be sent to another process.

    mergeable: whether the featurizer and what is counted of the columns from `update` suffice to go on later. Learners
    that need rows for it cannot be resumed from a file.
    """

    mergeable: bool = True

    def update(self, batch: Any) -> Columns:
        """Take in a batch; return the columns that are to be described as they come, (n,) each.

        Each is float32 numbers or texts, as `column_values` makes them. Raises BaselineError.
        """
        raise NotImplementedError

    def empty(self) -> Learner:
        """Return a learner like this one that has seen nothing."""
        raise NotImplementedError

    def merge(self, other: Any) -> None:
        """Add what another learner of this kind has seen, which stays as it is. Raises BaselineError."""
        raise NotImplementedError

    def finish(self) -> Learned:
        """Return what the batches taught. Raises BaselineError where they are too few."""
        raise NotImplementedError


class Featurizer:
    """One kind of input: how it is recognised, learned, and made into a few numbers a row.

    To add a kind, write one class that is also a frozen msgspec struct, whose tag is the kind's name and whose fields
    are what the baseline file holds, and register it::

        @INPUTS.register
        class Sounds(Featurizer, msgspec.Struct, frozen=True, tag="sounds", tag_field="kind"): ...

    It needs `names`, `accepts`, `transform`, and `of` or `learner`; `recognises` where it is to be told without
    `features: inputs:`.
    """

    # Whether `learner` needs raw rows. If not, a baseline that is learned while serving keeps features alone, and two
    # baselines of this kind are comparable by their features.
    learns: ClassVar[bool] = False

    @property
    def names(self) -> list[str]:
        """The features' names."""
        raise NotImplementedError

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a batch of these inputs: an array, a tensor or a list."""
        raise NotImplementedError

    def transform(self, batch: Any) -> torch.Tensor:
        """Return features, (n, k), of a batch that is accepted: a tensor on any device, or texts.

        It runs on the request path: nothing may wait for the device.
        """
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what `transform` needs, at load, so that no request waits for it."""

    def validate(self) -> None:
        """Raise BaselineError that says what is wrong inside."""

    @classmethod
    def completed(cls: type[F], found: F, fields: Collection[str]) -> F:
        """Return what an older file means, which has no more than these fields; `found` has defaults for the others."""
        return found

    @classmethod
    def recognises(cls, value: Any, names: Optional[list[str]]) -> bool:
        """Tell by shape and type whether a batch is of this kind. names: the columns', where they have names."""
        return False

    @classmethod
    def of(cls: type[F], batch: NDArray[Any]) -> F:
        """Return the featurizer of a first batch, for a kind that learns nothing. Raises BaselineError."""
        raise NotImplementedError

    @classmethod
    def learner(cls, settings: Settings) -> Learner:
        """Return an empty learner."""
        return Describing(cls)

    def resumed(self) -> Learner:
        """Return a learner that goes on where a mergeable baseline of this kind ended."""
        return Describing(type(self), self)

    @classmethod
    def kept(cls, batch: Any) -> Any:
        """Return what is kept of a served batch until there are enough to learn from."""
        return batch

    @classmethod
    def from_table(cls, table: Any, settings: Settings) -> Any:
        """Return the inputs that a table's one column of lists holds, (n, ...). Raises BaselineError."""
        column, rows = only_column(table, settings.names, kind_of(cls))
        return stacked(rows, column, padding=settings.padding)


class Describing(Learner):
    """Learns nothing: makes features batch by batch, which are then described as columns."""

    def __init__(self, kind: type[Featurizer], featurizer: Optional[Featurizer] = None) -> None:
        self._kind = kind
        self._featurizer = featurizer

    def update(self, batch: Any) -> Columns:
        """Take in raw inputs."""
        batch = to_array(batch)
        found = self._kind.of(batch)
        first = self._featurizer = self._featurizer or found
        if found != first:
            raise BaselineError(
                f"a batch holds {_differing(found, first)}, the first one {_differing(first, found)}; build a baseline "
                "of each"
            )
        return self.described(described(first, batch))

    def described(self, rows: NDArray[Any]) -> Columns:
        """Take in rows that are features already, (n, k)."""
        assert self._featurizer is not None  # noqa: S101 - given, or told by the first batch
        values = np.ascontiguousarray(rows.T, dtype=np.float32)
        return dict(zip(self._featurizer.names, values))

    def empty(self) -> Learner:
        """Return a learner of this kind."""
        return Describing(self._kind)

    def merge(self, other: Describing) -> None:
        """Take over what the other's batches are. Raises BaselineError where they were described in another way."""
        mine, theirs = self._featurizer, other._featurizer
        if mine is not None and theirs is not None and mine != theirs:
            raise BaselineError(
                f"one part holds {_differing(mine, theirs)}, the other {_differing(theirs, mine)}; build both from "
                "batches alike, with one version of TorchVitals"
            )
        self._featurizer = mine or theirs

    def finish(self) -> Learned:
        """Return the featurizer; all columns came with the batches."""
        return Learned(featurizer=self._featurizer)


def reducer(featurizer: Featurizer) -> Callable[[Any], Any]:
    """Return what makes features of a batch on the request path, on the batch's device.

    Of a batch that is not of the baseline's kind it makes rows that are too wide, which are counted as of a bad shape.
    """
    featurizer.prepare()
    transform, accepts = featurizer.transform, featurizer.accepts
    too_wide = len(featurizer.names) + 1

    def reduce(value: Any) -> Any:
        batch = first_of(value)
        if not accepts(batch) and isinstance(batch, (torch.Tensor, np.ndarray)) and accepts(batch[None]):
            # One item, without a dimension of rows.
            batch = batch[None]
        if not accepts(batch):
            return None if batch is None else np.full((len(batch), too_wide), np.nan)
        if isinstance(batch, np.ndarray) and batch.dtype.kind not in "OU":
            batch = torch.from_numpy(batch)
        with torch.inference_mode():
            return transform(batch)

    return reduce


def described(featurizer: Featurizer, X: Any) -> NDArray[np.float64]:  # noqa: N803
    """Return the features of all of `X`, (n, k), some hundred rows at a time. X: as in `Baseline.fit`."""
    if is_table(X):
        X = featurizer.from_table(X, Settings(padding=getattr(featurizer, "padding", 0)))  # noqa: N806
    reduce = reducer(featurizer)
    parts = [reduce(X[start : start + BATCH_ROWS]) for start in range(0, len(X), BATCH_ROWS)]
    if not parts:
        return np.empty((0, len(featurizer.names)))
    return np.concatenate([np.asarray(part.double() if hasattr(part, "double") else part) for part in parts])


def _differing(featurizer: Any, other: Any) -> str:
    """Return a featurizer's kind, and the fields that it has otherwise than another one."""
    mine, theirs = msgspec.to_builtins(featurizer), msgspec.to_builtins(other)
    fields = (f"with {name} = {value}" for name, value in mine.items() if theirs.get(name) != value)
    return " ".join(
        [kind_of(featurizer), *(field for field in fields if not field.startswith("with kind ="))]
    )
