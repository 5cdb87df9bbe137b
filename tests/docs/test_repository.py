"""What a repository has beside its code: workflows that run what CI runs, forms that open, links that lead on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.blocks import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [
    form for form in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if form.stem != "config"
]


def loaded(file: Path) -> Any:
    # YAML 1.1 reads the key `on` as true.
    return yaml.safe_load(re.sub(r"^on:", "'on':", file.read_text(encoding="utf-8"), flags=re.MULTILINE))


def targets(text: str) -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def test_the_workflow_runs_what_ci_runs() -> None:
    matrix = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["make"]["strategy"]["matrix"]["target"]
    of_ci = re.findall(r"^make ([\w-]+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert of_ci
    assert set(of_ci) <= set(matrix)
    assert set(matrix) <= targets((ROOT / "Makefile").read_text())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_asks_for_no_more_than_it_needs(workflow: Path) -> None:
    content = loaded(workflow)
    assert content["permissions"] == {"contents": "read"}
    known = targets((ROOT / "Makefile").read_text())
    for job in content["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for target in re.findall(r"make ([a-z-]+)", step.get("run", "")):
                assert target in known


@pytest.mark.parametrize("form", FORMS, ids=lambda file: file.stem)
def test_a_form_asks_for_something(form: Path) -> None:
    content = loaded(form)
    assert content["name"]
    assert content["description"]
    fields = content["body"]
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "markdown", "checkboxes"}
    names = [field["id"] for field in fields]
    assert len(set(names)) == len(names)
    assert all(field["attributes"]["options"] for field in fields if field["type"] == "dropdown")


@pytest.mark.parametrize("page", ["SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / target).exists(), target
    assert text.startswith("# ")


def test_hooks_before_a_commit_are_commands_of_ours() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    lint = (ROOT / "Makefile").read_text()
    for hook in repository["hooks"]:
        words = hook["entry"].removeprefix(".venv/bin/").replace(" --force-exclude", "")
        assert words in lint.replace("$(VENV)/", ""), words
