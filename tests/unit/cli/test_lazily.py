"""Commands that need torch are listed without it, and are themselves once they are called."""

import subprocess
import sys

import pytest
import typer

from torchvitals.cli import app
from torchvitals.cli.lazily import PLACES, loaded

GROUP = typer.main.get_command(app)


def test_they_are_in_the_list_with_their_own_help() -> None:
    listed = typer.testing.CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name, (_, help_) in PLACES.items():
        assert name in GROUP.list_commands(GROUP.context_class(GROUP))
        assert loaded(name).help.startswith(help_)
        assert help_ in listed
    assert len(set(GROUP.list_commands(GROUP.context_class(GROUP)))) == 12


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["rules", "--help"], ["labels", "serve", "--help"]]
)
def test_what_needs_no_torch_imports_none(words: list[str]) -> None:
    code = (
        "import sys\nfrom torchvitals.cli import app\n"
        "try: app(sys.argv[1:])\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_command_that_does_not_exist_is_told() -> None:
    outcome = typer.testing.CliRunner().invoke(app, ["baselin"])
    assert outcome.exit_code == 2
    assert "baselin" in outcome.output
