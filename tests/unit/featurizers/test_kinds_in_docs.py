"""docs/what-is-compared.md has a row for every kind of input and output, and every row a model that is served."""

import re
from pathlib import Path

from torchvitals.featurizers import INPUTS
from torchvitals.featurizers.kinds import kind_of
from torchvitals.featurizers.outputs import OUTPUTS

from .inputs_by_kind import INPUT_CASES

TEXT = (Path(__file__).parents[3] / "docs" / "what-is-compared.md").read_text()


def table(heading):
    """Return the rows of the first table under a heading, as lists of cells, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_row_of_inputs_is_served_and_every_kind_has_one():
    rows = [row[0] for row in table("Inputs")]
    assert sorted(rows) == sorted({case.row for case in INPUT_CASES.values()})
    assert {row.split("`")[1] for row in rows} == {kind_of(kind) for kind in INPUTS}


def test_every_kind_of_output_has_a_row():
    assert sorted(row[0] for row in table("Outputs")) == sorted(f"`{kind_of(kind)}`" for kind in OUTPUTS)


def test_every_row_says_how_it_is_told_and_said_what_is_compared_and_what_it_costs():
    for heading in ("Inputs", "Outputs"):
        assert [row for row in table(heading) if len(row) != 5 or not all(row)] == []
