"""Several runs of inference in one call, which may be of several threads."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .call import CallRecord, More
from .capture import Captured


class Run(msgspec.Struct, gc=False, eq=False):
    """A copy of the `inputs` or `outputs` (`which`) of one run, and the thread it ran in."""

    which: str
    copy: Captured
    thread: int


def put_together(call: CallRecord, runs: Iterable[Run]) -> None:
    """Write the copies of a call's runs into its record, as they came.

    What a thread gives out belongs to what it was given last. Where runs are of several threads, or one begins before
    another has ended, the record says that their order need not be that of the requests.
    """
    pairs: list[More] = []
    open_pairs: dict[int, More] = {}
    threads: set[int] = set()
    for run in runs:
        threads.add(run.thread)
        if run.which == "inputs" and run.thread in open_pairs:
            call.in_order = False
        pair = open_pairs.pop(run.thread, None) if run.which == "outputs" else None
        if pair is None:
            pair = More(None, None, None)
            pairs.append(pair)
        setattr(pair, run.which, run.copy)
        if run.which == "inputs":
            open_pairs[run.thread] = pair
    if not pairs:
        return
    call.in_order &= len(threads) == 1
    call.inputs, call.outputs = pairs[0].inputs, pairs[0].outputs
    for pair in pairs[1:]:
        pair.before, call.more = call.more, pair
