"""Who would be told: the shipped rules on what real monitors publish while a scenario goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from .alerts import firing
from .catalogue import Case
from .own import baseline_of
from .serving import Timeline, pieces, serve

# A window of healthy rows, then two of what is judged, a quarter of a window a flush: minutes of simulated time.
PART = 4
STEP_SECONDS = 30
HELD_WINDOWS = 2
# Two minutes in which nothing comes, so that what is believed at the last flush reaches its alert, which waits for one.
IDLE_STEPS = 4
# How many times each case is played.
MOST_PLAYED = 10
# A monitor rests four times as long as it works, so several share a core.
AT_ONCE = 5


def played(case: Case, *, quick: bool = False) -> int:
    """Return how many times a case is played."""
    most = min(MOST_PLAYED, case.count())
    return max(most // 5, 1) if quick else most


def play(case: Case, number: int) -> Timeline:
    """Return what a monitor publishes while healthy rows come, and then those of one window and its next."""
    part = max(case.window // PART, 1)
    batches = chain(
        pieces(case.healthy(number, case.window), part),
        pieces(case.rows(number, HELD_WINDOWS * case.window), part),
    )
    return serve(case.scenario.source, baseline_of(case), case.window, batches, Timeline())


def notified(case: Case, *, quick: bool = False) -> dict[str, Any]:
    """Return the share of a case's windows of which an alert tells, which alerts, and the share that is believed."""
    count = played(case, quick=quick)
    baseline_of(case)  # once, before several ask
    with ThreadPoolExecutor(AT_ONCE) as pool:
        timelines = dict(enumerate(pool.map(lambda number: play(case, number), range(count))))
    for timeline in timelines.values():
        timeline.idle(IDLE_STEPS)
    told = firing({str(number): one for number, one in timelines.items()}, STEP_SECONDS)
    return {
        "notified": len({model for model, _ in told}) / count,
        "notified_windows": count,
        "believed": sum(any(one.drifted()) for one in timelines.values()) / count,
        "alerts": sorted({alert for some in told.values() for alert in some}),
    }
