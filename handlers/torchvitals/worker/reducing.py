"""What is made of large inputs, and of outputs that are no row of scores, on the request path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..baseline.schema import BaselineData
from ..featurizers import reducer
from ..featurizers.outputs import (
    OUTPUTS,
    Classification,
    NoOutputs,
    OutputOptions,
    Outputs,
    Regression,
    output_reducer,
    probe,
)
from ..recording.recorder import Recorder
from .learner import Learner

Reduce = Callable[[Any], Any]


def reducer_of(baseline: Optional[BaselineData], learner: Optional[Learner]) -> Optional[Reduce]:
    """Return what makes a few numbers of inputs on the request path; None where they are columns already."""
    if baseline is None:
        return None if learner is None else learner.reduce
    return None if baseline.inputs is None else reducer(baseline.inputs)


def reduce_outputs(
    recorder: Recorder,
    baseline: Optional[BaselineData],
    said: OutputOptions,
    learner: Optional[Learner],
    *,
    kept: bool = False,
) -> None:
    """Let a recorder make a few numbers of outputs, unless they are copied as they are.

    said: what the configuration says of them. kept: whether predictions are kept for labels, values among them.
    """
    spec = None if baseline is None else baseline.outputs
    kind = (type(spec) if spec is not None else None) if said.kind is None else OUTPUTS.named(said.kind)
    recorder.samples_outputs = kind is not None and not kind.classifies
    recorder.probe = probe if spec is None and kind in (None, Classification) else None
    looked_at = learner is not None or (kept and kind is Regression)
    recorder.reduce_outputs = _output_reducer(spec, kind, learner, looked_at=looked_at)


def _output_reducer(
    spec: Optional[Outputs], kind: Optional[type[Outputs]], learner: Optional[Learner], *, looked_at: bool
) -> Optional[Reduce]:
    if kind is None or (spec is None and kind.classifies):
        return None
    if kind is NoOutputs or (spec is None and not looked_at):
        return nothing
    if spec is not None:
        return output_reducer(spec) if spec.reduces else None
    return learner.reduce_outputs if learner is not None and kind.always_reduces and not kind.learns else None


def nothing(value: Any) -> None:
    """Copy nothing: these outputs are not looked at."""
