"""Several runs of inference in one call, which may be of several threads."""

from __future__ import annotations

import msgspec

from .call import CallRecord, More
from .capture import Captured


class Run(msgspec.Struct, gc=False, eq=False):
    """A copy of the `inputs` or `outputs` (`which`) of one run, and the thread it ran in."""

    which: str
    copy: Captured
    thread: int


def put_together(call: CallRecord, runs: list[Run]) -> None:
    """Write the copies of a call's runs into its record, as they came.

    What a thread gives out belongs to what it was given last. Where runs are of several threads, or one begins before
    another has ended, the record says that their order need not be that of the requests.
    """
    pairs: list[More] = []
    # The run that each thread is in.
    begun: dict[int, More] = {}
    for run in runs:
        if run.which == "inputs":
            call.in_order &= run.thread not in begun
            begun[run.thread] = pair = More(run.copy, None, None)
            pairs.append(pair)
        elif run.thread in begun:
            begun.pop(run.thread).outputs = run.copy
        else:
            pairs.append(More(None, run.copy, None))
    if not pairs:
        return
    call.in_order &= len({run.thread for run in runs}) == 1
    call.inputs, call.outputs = pairs[0].inputs, pairs[0].outputs
    for pair in pairs[1:]:
        pair.before, call.more = call.more, pair
