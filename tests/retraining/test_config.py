"""The configuration file: what is wrong with it is said before anything runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retraining.config import Config, ConfigError, load

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
token_file: token
state_directory: state
actions:
  train: {kind: command, command: [python3, train.py], timeout: 1h30m, backoff: 500ms, longest_backoff: 3}
models:
  flights: {action: train, cooldown: 1d}
"""


def loaded(folder: Path, text: str, *, token: str | None = "secret") -> Config:
    file = folder / "retraining.yml"
    file.write_text(text)
    if token is not None:
        (folder / "token").write_text(token)
    return load(file)


def test_durations_and_paths(tmp_path: Path) -> None:
    config = loaded(tmp_path, GOOD)
    assert (config.host, config.port, config.dry_run) == ("127.0.0.1", 9095, False)
    assert config.models["flights"].cooldown == 86400
    action = config.action_of("flights")
    assert action.timeout == 5400
    assert [action.wait_seconds(failures) for failures in (1, 2, 3, 4)] == [0.5, 1, 2, 3]
    assert config.token_file == tmp_path / "token"
    assert config.state_directory == tmp_path / "state"
    assert action.working_directory == tmp_path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("action: train", "action: trian", "there is no action 'trian'; there are train"),
        ("timeout: 1h30m", "timeout: 90 minutes", "actions.train.command.timeout: must be a duration"),
        ("timeout: 1h30m", "timeout: 0s", "longer than nothing"),
        ("timeout: 1h30m", "timeout: true", "must be a duration"),
        ("cooldown: 1d", "cooldwon: 1d", "models.flights.cooldwon: Extra inputs"),
        ("command: [python3, train.py]", "command: python3 train.py", "actions.train.command.command"),
        ("kind: command", "kind: shell", "actions.train"),
        ("flights:", '"flights\\n":', "is not a model name"),
        ("token_file: token\n", "", "token_file: Field required"),
        ("models:", "models: {", "is not YAML"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, GOOD.replace(old, new))
    assert words in str(error.value)
    assert "retraining.yml" in str(error.value)


@pytest.mark.parametrize("token", [None, "", " \n", "two\nlines", "tök"])
def test_without_a_token_it_does_not_start(tmp_path: Path, token: str | None) -> None:
    with pytest.raises(ConfigError, match="token file"):
        loaded(tmp_path, GOOD, token=token)


def test_the_command_says_what_is_wrong_and_ends(tmp_path: Path) -> None:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "retraining.yml").write_text(text)
        (tmp_path / "token").write_text("secret")
        words = [sys.executable, "-m", "retraining", "--check", "--config", str(tmp_path / "retraining.yml")]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    good, bad = run(GOOD), run(GOOD.replace("1h30m", "long"))
    assert (good.returncode, bad.returncode) == (0, 1)
    assert "is good: flights" in good.stdout
    assert "retraining.yml: actions.train.command.timeout" in bad.stderr
    assert "Traceback" not in bad.stderr
