"""A baseline from the first rows that are served, for a model whose training data nobody has."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..baseline.selection import Features
from ..errors import BaselineError, one_line
from ..featurizers import COLUMNS, INPUTS, Featurizer, Tokens, detect, reducer
from ..featurizers.batches import first_of, to_array
from ..featurizers.columns import as_float32
from ..featurizers.kinds import kind_of
from ..featurizers.outputs import OUTPUTS, Described, Outputs, TokenOutputs, configured, output_reducer
from ..telemetry import catalogue as m
from ..telemetry.publisher import Publisher
from ..training.baseline import Baseline, BaselineBuilder
from ..training.options import BuildOptions

SUFFIX = "-learned"
TOKENS = kind_of(Tokens)
OUTPUT_TOKENS = kind_of(TokenOutputs)
# What rows may hold until there are enough; what fits is learned from.
MOST_BYTES = 64 * 2**20
# Fewer rows that the first batch's kind does not accept do not show that the batch was the odd one.
FEWEST_MISFITS = 10
# Shapes of rows that are collected at the same time: a call of another shape than most must not be in their way.
MOST_SHAPES = 8
# Of the rows: so many have outputs, or one width, where that is taken for the rule.
MOST_ROWS = 0.9
# Without hard links a file is there before it is whole; one that is not whole after so long is damaged.
WRITING_SECONDS = 60.0
ATTEMPTS = 3
# What most file systems allow for a name, in bytes, without `.json` and what `mkstemp` adds.
LONGEST_NAME = 200
# Of the names of files, on any system.
UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
# Padded token ids that are learned from at once.
BATCH_VALUES = 2**20

COLLECTING, SHARED, UNSHARED, FAILED = "collecting", "shared", "unshared", "failed"
STATES = (COLLECTING, SHARED, UNSHARED, FAILED)

# Tells whether rows of a shape may be described: their width, None for whole numbers of any.
Accepted = Callable[[Optional[int]], bool]

logger = logging.getLogger(__name__)


class BaselineLearner:
    """Collects rows until there are enough, then makes the baseline that all workers of the model share.

    The first worker that has enough writes the file; the others, and workers that start later, read it. Where it
    cannot be written, each worker uses its own. Delete the file to learn anew.

    Args:
        rows: how many to learn from; fewer where those take more than MOST_BYTES.
        folder: where the file is.
        name: the model's.
        version: the model's.
        features: what is described.
    """

    def __init__(
        self, rows: int, *, folder: Path, name: str, version: str, features: Optional[Features] = None
    ) -> None:
        self.rows = rows
        self.name = name
        self.features = features or Features()
        # Of a kind that learns nothing: what makes features, told by the first batch.
        self._featurizer: Optional[Featurizer] = None
        self._reduce: Optional[Callable[[Any], Any]] = None
        # The same of outputs that are too large to keep.
        self._output_spec: Optional[Outputs] = None
        self._reduce_outputs: Optional[Callable[[Any], Any]] = None
        self.version = version + SUFFIX
        self._paths = _paths(folder, name, version)
        self._rows = _Rows(rows)
        self._fitted: Optional[Baseline] = None
        self._learned_rows = 0
        self._failures = 0
        self._state = COLLECTING
        # Files of other models, and damaged ones that cannot be put aside.
        self._passed_over: set[Path] = set()

    @property
    def path(self) -> Path:
        """The file that the workers of the model share."""
        return self._paths[0]

    @property
    def collected(self) -> int:
        """Number of rows so far of which a baseline could be learned, at most as many as are wanted."""
        return self._learned_rows or self._rows.inputs.most(self._fits)

    def reduce(self, value: Any) -> Any:
        """Return what is copied of a model's inputs on the request path.

        Features already, where the kind of input learns nothing; else raw inputs, which are learned from later.
        """
        reduce = self._reduce
        if reduce is not None:
            return reduce(value)
        batch = first_of(value)
        if batch is None:
            return value
        kind = INPUTS.named(self.features.inputs or detect(batch))
        if kind.learns:
            kept = kind.kept(batch)
            return value if kept is batch else kept
        if self._rows.inputs.bytes:
            return None  # one call of another kind than those so far
        try:
            featurizer = kind.of(to_array(batch[:1]))
        except BaselineError:
            return value
        # Before `_reduce`, by which another thread sees that it is there.
        self._featurizer = featurizer
        self._reduce = reduce = reducer(featurizer)
        return reduce(value)

    def reduce_outputs(self, value: Any) -> Any:
        """Return the features of a model's outputs, of a kind that is said and too large to keep.

        What else they are is told from the first of them, which is waited for.
        """
        reduce = self._reduce_outputs
        if reduce is None:
            kind = OUTPUTS.named(str(self.features.of_outputs.kind))
            self._output_spec = spec = configured(kind, kind.read(value), self.features.of_outputs)
            self._reduce_outputs = reduce = output_reducer(spec)
        return reduce(value)

    def add(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        """Take in (n, d) inputs and (n, k) outputs, as many as are wanted of each shape."""
        if self._state != COLLECTING or self._fitted is not None:
            return
        self._rows.add(inputs, outputs, self._fits)
        featurizer = self._featurizer
        if featurizer is None:
            return
        # Rows that a featurizer does not accept are a value too wide. When most are, its first batch was the odd one.
        fit, misfit = (self._rows.inputs.count(len(featurizer.names) + more) for more in (0, 1))
        if misfit > fit and misfit >= FEWEST_MISFITS:
            self._reduce = self._featurizer = None
            self._rows = _Rows(self.rows)

    def forget(self) -> None:
        """Forget the rows so far: this process is a fork, and they are its parent's."""
        self._rows = _Rows(self.rows)
        self._reduce = self._featurizer = self._fitted = None
        self._output_spec = self._reduce_outputs = None
        self._learned_rows, self._failures, self._state = 0, 0, COLLECTING

    def known(self) -> Optional[Baseline]:
        """Return the baseline that a worker of the model has written; None without one.

        A damaged file is put aside, and a new one learned.
        """
        for path in self._paths:
            baseline = self._read(path)
            if baseline is not None:
                self._state = SHARED
                return baseline
        return None

    def learned(self) -> Optional[Baseline]:
        """Return the baseline once there is one: another worker's, or from our rows when they are enough.

        Raises what goes wrong in learning, at most ATTEMPTS times; each attempt is of new rows.
        """
        known = self.known()
        if known is not None:
            self._learned_rows = known.samples
            self._rows = _Rows(self.rows)
            return known
        if self._state == FAILED:
            return None
        if self._fitted is None:
            if not self._rows.enough(self._fits):
                return None
            self._fitted = self._fit()
            self._learned_rows = self._fitted.samples
        return self._shared(self._fitted)

    def publish(self, publisher: Publisher, worker: str) -> None:
        """Send how far it is."""
        publisher.set(m.BASELINE_LEARNED_ROWS, (worker,), self.collected)
        for state in STATES:
            publisher.set(m.BASELINE_LEARNING, (state, worker), float(state == self._state))

    def _fit(self) -> Baseline:
        """Return the baseline of the rows so far, which are forgotten."""
        taken, self._rows = self._rows, _Rows(self.rows)
        try:
            return self._fit_rows(taken)
        except Exception as error:
            self._failures += 1
            if self._failures >= ATTEMPTS:
                self._state, self._reduce = FAILED, _nothing
                logger.error(
                    "no baseline can be learned from the rows served, and drift is not watched: %s; build one with "
                    "'torchvitals baseline build', or describe the inputs (handler.monitoring.features.inputs)",
                    _told(error),
                )
            raise

    def _fit_rows(self, taken: _Rows) -> Baseline:
        batches, features = self._batches(taken.inputs.best(self._fits))
        rows = min(self.rows, sum(map(len, batches)))
        outputs = self._outputs(taken.outputs.best())
        given = sum(map(len, outputs))
        if given < MOST_ROWS * rows:
            return self._built(batches, None, rows, features)
        rows = min(rows, given)
        try:
            # Inputs and outputs are described apart, so it does not matter which belong together.
            return self._built(batches, np.concatenate(outputs)[:rows], rows, features)
        except Exception as error:
            baseline = self._built(batches, None, rows, features)
            logger.warning("the outputs are not part of the learned baseline: %s", _told(error))
            return baseline

    def _built(
        self, batches: list[NDArray[Any]], outputs: Optional[NDArray[Any]], wanted: int, features: Features
    ) -> Baseline:
        builder = BaselineBuilder(
            BuildOptions(features=features, name=self.name, version=self.version, exact=True)
        )
        start = 0
        for batch in batches:
            rows = batch[: wanted - start]
            if not len(rows):
                break
            scores: Any = None if outputs is None else outputs[start : start + len(rows)]
            if scores is not None and self._output_spec is not None:
                scores = Described(self._output_spec, scores)
            if self._featurizer is not None:
                builder.add_described(self._featurizer, rows, scores)
            else:
                # Texts are kept as rows of one; rows of more are columns, of which some are texts.
                builder.add(rows[:, 0] if rows.dtype == object and rows.shape[1] == 1 else rows, scores)
            start += len(rows)
        return builder.baseline()

    def _outputs(self, parts: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return outputs of one width; generated token ids are filled up."""
        said = self.features.of_outputs
        if said.kind == OUTPUT_TOKENS and parts and all(part.dtype.kind in "iu" for part in parts):
            widest = max(part.shape[1] for part in parts)
            return [
                np.pad(part, ((0, 0), (0, widest - part.shape[1])), constant_values=said.padding)
                for part in parts
            ]
        return _of_common_width(parts)

    def _fits(self, shape: Optional[int]) -> bool:
        """Tell whether rows of this shape can be what the baseline describes."""
        featurizer = self._featurizer
        return featurizer is None or shape == len(featurizer.names)

    def _batches(self, parts: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], Features]:
        """Return rows of one shape as batches to describe, and what is described."""
        if parts[0].dtype.kind not in "iu":
            return [np.concatenate(parts)], self.features
        by_width: dict[int, list[NDArray[Any]]] = {}
        for part in parts:
            by_width.setdefault(part.shape[1], []).append(part)
        whole = {width: np.concatenate(by_width[width]) for width in sorted(by_width)}
        common = max(whole, key=lambda width: len(whole[width]))
        one_width = len(whole[common]) >= MOST_ROWS * sum(map(len, whole.values()))
        kind = self.features.inputs or detect(whole[common])
        if kind == COLUMNS and self.features.inputs is None and not one_width:
            kind = TOKENS  # columns do not come in several widths
        if kind != TOKENS:
            return [whole[common]], self.features
        batches = list(_padded(whole.values(), self.features.padding))
        return batches, msgspec.structs.replace(self.features, inputs=TOKENS)

    def _shared(self, baseline: Baseline) -> Optional[Baseline]:
        """Write the baseline for all workers and return it; None while another worker writes its own."""
        for path in self._paths:
            try:
                _write_whole(baseline, path)
            except FileExistsError:
                theirs = self._read(path)
                if theirs is not None:
                    self._state = SHARED
                    return theirs
                if path.exists() and path not in self._passed_over:
                    return None
                continue
            except OSError as error:
                return self._unshared(baseline, path, error)
            self._state = SHARED
            logger.warning(
                "learned a baseline from the first %d rows served: %s. Drift is compared with these rows, not with "
                "training data; pack the file as 'baseline' to keep it",
                baseline.samples,
                one_line(str(path)),
            )
            return baseline
        # Both places hold what cannot be used, and cannot be put aside.
        return self._unshared(baseline, self.path, OSError(errno.EEXIST, "it is there and cannot be used"))

    def _unshared(self, baseline: Baseline, path: Path, error: OSError) -> Baseline:
        self._state = UNSHARED
        logger.warning(
            "learned a baseline from the first %d rows served, but '%s' cannot be written (%s): this worker uses it "
            "until it ends, and others learn their own. Make the folder writable (LOG_LOCATION)",
            baseline.samples,
            one_line(str(path)),
            _told(error),
        )
        return baseline

    def _read(self, path: Path) -> Optional[Baseline]:
        """Return this model's baseline in a file; None where there is none, or it is not whole yet.

        A damaged one is put aside.
        """
        if path in self._passed_over:
            return None
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:  # there is none, or its folder may not be looked into
            return None
        try:
            baseline = Baseline.load(path)
        except BaselineError as error:
            if abs(age) >= WRITING_SECONDS:
                self._put_aside(path, error)
            return None
        if (baseline.name, baseline.version) == (self.name, self.version):
            return baseline
        self._passed_over.add(path)
        return None

    def _put_aside(self, path: Path, error: BaselineError) -> None:
        aside = path.with_name(f"{path.name}.damaged")
        try:
            if not path.is_file():
                raise OSError(errno.EINVAL, "it is no file")
            os.replace(path, aside)
        except FileNotFoundError:
            return  # another worker was faster
        except OSError as refused:
            self._passed_over.add(path)
            logger.warning("%s; it cannot be put aside either (%s), and is left alone", error, _told(refused))
            return
        logger.warning("%s; it is put aside as '%s', and a new one is learned", error, one_line(aside.name))


class _Shapes:
    """Rows by their shape, as many as are wanted of each; whole numbers of any width are one, as token ids are."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._parts: dict[Optional[int], list[NDArray[Any]]] = {}
        self._counts: Counter[Optional[int]] = Counter()
        self.bytes = 0

    def most(self, accepted: Accepted) -> int:
        """Return the number of rows of the shape that has most, of those accepted."""
        return max((count for shape, count in self._counts.items() if accepted(shape)), default=0)

    def count(self, width: int) -> int:
        """Return the number of rows of a width, of rows that are not whole numbers."""
        return self._counts[width]

    def add(self, rows: NDArray[Any]) -> None:
        """Take in (n, ...) rows, those that are still wanted."""
        rows = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows.reshape(-1, 1)
        shape = None if rows.dtype.kind in "iu" else rows.shape[1]
        rows = rows[: self._wanted - self._counts[shape]]
        if not len(rows):
            return
        if shape not in self._parts and len(self._parts) >= MOST_SHAPES:
            self._drop(min(self._parts, key=lambda known: self._counts[known]))
        # Compared at the precision that models see, float64 would only take twice the room.
        rows = as_float32(rows) if rows.dtype.kind == "f" else rows
        self._parts.setdefault(shape, []).append(rows)
        self._counts[shape] += len(rows)
        self.bytes += _size(rows)

    def best(self, accepted: Accepted = lambda shape: True) -> list[NDArray[Any]]:
        """Return the rows of the shape that has most, of those accepted; an empty list without any."""
        shapes = [shape for shape in self._parts if accepted(shape)]
        return self._parts[max(shapes, key=lambda shape: self._counts[shape])] if shapes else []

    def keep_best(self, accepted: Accepted = lambda shape: True) -> None:
        """Drop all rows but those that `best` returns."""
        best = self.best(accepted)
        for shape in [shape for shape, parts in self._parts.items() if parts is not best]:
            self._drop(shape)

    def _drop(self, shape: Optional[int]) -> None:
        self.bytes -= sum(map(_size, self._parts.pop(shape)))
        del self._counts[shape]


class _Rows:
    """The inputs and outputs that are collected, until there are enough or no room for more."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._full = False
        self.inputs = _Shapes(wanted)
        self.outputs = _Shapes(wanted)

    def add(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]], accepted: Accepted) -> None:
        """Take in rows; `accepted` tells of which shape inputs may be in the end."""
        if self._full:
            return
        for shapes, arrays in ((self.inputs, inputs), (self.outputs, outputs)):
            for rows in arrays:
                shapes.add(rows)
        if self._crowded:
            self.inputs.keep_best(accepted)
            self.outputs.keep_best()
            self._full = self._crowded

    def enough(self, accepted: Accepted) -> bool:
        """Tell whether a baseline can be learned."""
        return self._full or self.inputs.most(accepted) >= self._wanted

    @property
    def _crowded(self) -> bool:
        return self.inputs.bytes + self.outputs.bytes > MOST_BYTES


def _nothing(value: Any) -> None:
    """Describe nothing: no baseline can be learned of such inputs."""


def _told(error: Exception) -> str:
    """Return what an error says, on one line; of one that is neither ours nor the system's only the kind."""
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror)
    return str(error) if isinstance(error, BaselineError) else type(error).__name__


def _of_common_width(parts: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the arrays of the width that most rows have."""
    rows: Counter[int] = Counter()
    for part in parts:
        rows[part.shape[1]] += len(part)
    return [part for part in parts if part.shape[1] == rows.most_common(1)[0][0]]


def _size(rows: NDArray[Any]) -> int:
    texts = (
        sum(len(text) for text in rows.ravel().tolist() if isinstance(text, str))
        if rows.dtype == object
        else 0
    )
    return rows.nbytes + texts


def _padded(by_width: Any, padding: int) -> Iterator[NDArray[Any]]:
    """Yield token ids of several widths, the narrowest first, as few batches that are filled up with the padding."""
    waiting: list[NDArray[Any]] = []

    def filled() -> NDArray[Any]:
        width = waiting[-1].shape[1]
        batch = np.full((sum(map(len, waiting)), width), padding, dtype=np.int64)
        start = 0
        for rows in waiting:
            batch[start : start + len(rows), : rows.shape[1]] = rows
            start += len(rows)
        return batch

    for rows in by_width:
        if waiting and (sum(map(len, waiting)) + len(rows)) * rows.shape[1] > BATCH_VALUES:
            yield filled()
            waiting = []
        waiting.append(rows)
    if waiting:
        yield filled()


def _paths(folder: Path, name: str, version: str) -> tuple[Path, Path]:
    """Return where a model's file is, and where it is if that place is another model's (`a` 1-2 and `a-1` 2)."""
    plain = f"{name}-{version}{SUFFIX}"
    fit = UNFIT.sub("_", plain)
    digest = hashlib.sha256(f"{name}\0{version}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    fit = fit.encode()[:LONGEST_NAME].decode(errors="ignore")
    marked = f"{fit}~{digest}"
    return folder / f"{fit if fit == plain else marked}.json", folder / f"{marked}.json"


def _write_whole(baseline: Baseline, path: Path) -> None:
    """Write a file that no reader sees before it is whole, if it can be helped.

    Raises FileExistsError where there is one, and OSError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "its folder is a file") from error
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".learning-")
    os.close(handle)
    try:
        baseline.save(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except (OSError, AttributeError, NotImplementedError):
            _write_exclusively(Path(temporary).read_bytes(), path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _write_exclusively(content: bytes, path: Path) -> None:
    """Write a file where the file system has no hard links. Raises FileExistsError where there is one."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            os.unlink(path)
            raise
