"""What of the requests was not seen, so that a monitor that sees nothing says so."""

from __future__ import annotations

import logging
from collections import Counter

from ..recording.call import CallRecord
from . import catalogue as m
from .publisher import Publisher

# Reasons, and what the log says of each.
ADVICE = {
    "stage": "the handler ran neither its `inference` nor a model that it keeps as an attribute, so that there is no "
    "time of inference, and no inputs and outputs to compare; call `self.inference`, or keep the model in `self.model`",
    "inputs": "inference was given nothing that can be compared with the baseline: a tensor, an array or texts, by "
    "itself or in a list or dict; pass the inputs as the first argument",
    "outputs": "inference gave nothing that can be compared with the baseline: a tensor or an array, by itself or in a "
    "list or dict; return the scores first",
    "uncomparable": "the baseline is of other data",
    "window": "the baseline does not know how far windows as small as those served stray in the order of time; serve a "
    "`window` that it knows, or build it with `--window` of that size",
}
# Requests without a look at them before the log says so: a handler may answer a few without its model.
FEW_REQUESTS = 10

logger = logging.getLogger(__name__)


class Visibility:
    """Counts requests that were answered without being seen, and says so once for each reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._unseen: Counter[str] = Counter()
        self._said: set[str] = set()

    def start(self, publisher: Publisher) -> None:
        """Make every series exist, so that its first increase is seen."""
        for reason in ADVICE:
            publisher.increase(m.MONITOR_UNSEEN, (reason,), 0)

    def add(self, calls: list[CallRecord], *, inputs: bool, outputs: bool) -> None:
        """Take in finished calls.

        Args:
            calls: those that failed, or asked for no prediction, have nothing to see.
            inputs: whether inputs are compared with a baseline.
            outputs: whether outputs are.
        """
        for call in calls:
            if call.inputs is not None and call.outputs is not None and call.inference_ns:
                continue
            seen = call.requests - call.failed
            if seen <= 0 or call.special or not call.timed:
                continue
            if not call.inference_ns:
                self._count("stage", seen)
            dropped = call.crowded_out
            if inputs and call.inputs is None and not (dropped or call.too_large or call.sampled_out):
                self._count("inputs", seen)
            if (
                outputs
                and call.outputs is None
                and not (dropped or call.outputs_too_large or call.sampled_out)
            ):
                self._count("outputs", seen)

    def cannot_compare(self, what: str, rows: int, reason: str) -> None:
        """Count rows of `inputs` or `outputs` that do not fit the baseline, and say why."""
        self._count("uncomparable", rows, f"{what}: {reason}")

    def cannot_judge(self, rows: int) -> None:
        """Count rows that are compared in windows for which no limit is known."""
        self._count("window", rows)

    def publish(self, publisher: Publisher) -> None:
        """Send what was counted, and begin again at zero."""
        counts, self._counts = self._counts, Counter()
        for reason, amount in counts.items():
            publisher.increase(m.MONITOR_UNSEEN, (reason,), amount)

    def _count(self, reason: str, amount: int, advice: str = "") -> None:
        self._counts[reason] += amount
        if reason in self._said:
            return
        self._unseen[reason] += amount
        if self._unseen[reason] >= FEW_REQUESTS:
            self._said.add(reason)
            logger.error(
                "TorchVitals does not see all of the requests (model_monitor_unseen_total, reason '%s'): %s",
                reason,
                advice or ADVICE[reason],
            )
