"""Plays every scenario to the rules by another program: ``python -m tests.rules.scenarios.play vmalert-tool``.

Takes some minutes of a quiet machine, and says of each scenario whether the right alerts tell in time.
"""

from __future__ import annotations

import sys

from stack.promtool import PROMTOOL, PROMTOOL_3, VMALERT_TOOL

from .told import BATCHES, told, wrong

PLAYERS = {player.program: player for player in (PROMTOOL, PROMTOOL_3, VMALERT_TOOL)}


def main(program: str) -> int:
    """Print a line a scenario; return how many are not as they should be."""
    bad = 0
    for batch in BATCHES:
        found = told(batch, PLAYERS[program])
        for one in batch.scenarios:
            faults = wrong(one, found[one.name])
            bad += bool(faults)
            print(
                f"{'wrong' if faults else 'ok':5}  {one.name}{': ' * bool(faults)}{'; '.join(faults)}",
                flush=True,
            )
    return bad


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PLAYERS:
        sys.exit(f"usage: python -m tests.rules.scenarios.play {'|'.join(PLAYERS)}")
    sys.exit(min(main(sys.argv[1]), 1))
