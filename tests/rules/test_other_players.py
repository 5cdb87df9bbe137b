"""What tells on Prometheus 3 and on VictoriaMetrics: the same as on Prometheus 2.42, in time, and nothing else.

One scenario an alert, of few servers; ``python -m tests.rules.scenarios.play vmalert-tool`` plays all.
"""

from __future__ import annotations

import pytest

from stack.promtool import PROMTOOL_3, VMALERT_TOOL, Player
from tests.rules.scenarios.catalogue import Scenario
from tests.rules.scenarios.told import ONE_AN_ALERT, told, wrong

NAMES = [one.name for one in ONE_AN_ALERT.scenarios]


@pytest.mark.parametrize("scenario", ONE_AN_ALERT.scenarios, ids=NAMES)
@pytest.mark.parametrize("player", [PROMTOOL_3, VMALERT_TOOL], ids=lambda player: player.program)
def test_the_same_tells(player: Player, scenario: Scenario) -> None:
    if not player.installed:
        pytest.skip(f"{player.title} is missing: no program '{player.program}' (scripts/test_tools.sh)")
    assert wrong(scenario, told(ONE_AN_ALERT, player)[scenario.name]) == []


def test_they_are_asked_of_most_alerts_of_the_stories_of_minutes() -> None:
    told_of = {alert for one in ONE_AN_ALERT.scenarios for alert in one.tells}
    assert len(NAMES) >= 15
    assert {"ModelUnanswered", "ModelErrorBudgetBurnFast", "ModelInputDrift", "TorchServeDown"} <= told_of
