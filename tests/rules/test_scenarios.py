"""Outages, slow answers, fleets, clocks and drift, played to the shipped rules: what tells, and what stays silent."""

from __future__ import annotations

import pytest

from stack.documents import pattern
from tests.rules.scenarios.catalogue import Scenario
from tests.rules.scenarios.table import DOCUMENT, table
from tests.rules.scenarios.told import BATCHES, Batch, told, wrong

CASES = [(batch, one) for batch in BATCHES for one in batch.scenarios]


@pytest.mark.parametrize(("batch", "scenario"), CASES, ids=[one.name for _, one in CASES])
def test_what_tells_is_what_should_in_time_and_nothing_else(batch: Batch, scenario: Scenario) -> None:
    assert wrong(scenario, told(batch)[scenario.name]) == []


def test_the_runbooks_table_is_what_the_rules_do() -> None:
    (block,) = pattern("scenarios").finditer(DOCUMENT.read_text(encoding="utf-8"))
    assert block[0] == block[1] + "\n" + table() + "\n" + block[2]


def test_scenarios_have_names_of_their_own() -> None:
    names = [one.name for _, one in CASES]
    assert len(set(names)) == len(names)
