"""The configuration file: what is wrong with it is said before anything runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retraining.config import Config, ConfigError
from retraining.loading import load

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
        ("models:", "at_once: 0\nmodels:", "at_once: Input should be greater than or equal to 1"),
        ("models:", "queue: -1\nmodels:", "queue: Input should be greater than or equal to 0"),
        ("models:", "stale_after: 30m\nmodels:", "stale_after: must be 2h or more"),
        ("models:", "only: production\nmodels:", "only: must name labels and their values"),
        ("models:", "only: {}\nmodels:", "only: must name labels and their values"),
        ("models:", "only: {'my env': x}\nmodels:", "only: 'my env' is not the name of a label"),
        ("models:", "only: {env: []}\nmodels:", "only: env has no value; '*' stands for every value"),
        ("models:", "only: {env: true}\nmodels:", "only.env.0: Input should be a valid string"),
        ("cooldown: 1d", "check: {command: []}", "models.flights.check.command"),
        ("cooldown: 1d", "check: {command: ['']}", "models.flights.check.command: the first word"),
        ("cooldown: 1d", "check: {command: [x], timeout: 5}", "no program 'x' on the PATH"),
        (
            "train.py],",
            "train.py], working_directory: gone,",
            "actions.train.working_directory: there is no folder",
        ),
        ("[python3, train.py]", "[./train.py]", "actions.train.command: there is no program"),
        ("[python3, train.py]", "[./token]", "token may not be executed; chmod +x it"),
        ("[python3, train.py]", "[python3], environment: {PATH: /nowhere}", "on the PATH /nowhere"),
        ("kind: command, command: [python3, train.py]", "kind: url, url: trainer", "actions.train.url.url"),
        (
            "kind: command, command: [python3, train.py]",
            "kind: url, url: 'http://trainer', token_file: theirs",
            "actions.train.token_file: the token file",
        ),
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


def test_who_may_retrain_is_the_model_s_own_or_the_file_s(tmp_path: Path) -> None:
    text = GOOD.replace("models:", "only: {env: production}\nmodels:")
    text += "  trains: {action: train, only: {env: [staging, test], team: '*'}}\n"
    config = loaded(tmp_path, text)
    assert config.only_of("flights") == {"env": ["production"]}
    assert config.only_of("trains") == {"env": ["staging", "test"], "team": ["*"]}
    assert loaded(tmp_path, GOOD).only_of("flights") is None


def test_a_program_is_looked_for_where_it_will_be_started(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "train"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = "[python3, train.py]"
    for found in ("[bin/train]", "[train], environment: {PATH: bin}", "[train], environment: {PATH: /x:bin}"):
        loaded(tmp_path, GOOD.replace(command, found))
    loaded(tmp_path, GOOD.replace(command, "[./train], working_directory: bin"))


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
