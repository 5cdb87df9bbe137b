"""The example's retraining without a server: figures, verdict, what is trained on, what survives a kill."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from examples.flight_delay import demo
from examples.flight_delay.acting import DRIFTS, ROOT, impatient, problems
from examples.flight_delay.canary import Figures, verdict
from examples.flight_delay.data import CLASSES, LABEL
from examples.flight_delay.live import Canary, Exchange
from examples.flight_delay.packaging import DemoError
from examples.flight_delay.prometheus import Labelled
from examples.flight_delay.retrain import Places, next_version, recent, shuffled

OLD = Figures("1.0", 1000, 2, 0.004, 0.6, labels=990, accuracy=0.4, log_loss=1.2, recall=0.5)
NEW = Figures("2.0", 1000, 2, 0.004, 0.6, labels=990, accuracy=0.5, log_loss=1.1, recall=0.5)


def _labelled(predicted: np.ndarray, labels: np.ndarray, losses: np.ndarray) -> Labelled:
    """What the labels service counts of rows."""
    return Labelled(
        by_class={name: float(np.sum(labels == place)) for place, name in enumerate(CLASSES)},
        correct={
            name: float(np.sum((labels == place) & (predicted == place)))
            for place, name in enumerate(CLASSES)
        },
        scored=float(len(labels)),
        log_loss=float(losses.sum()),
    )


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    scores, labels = random.dirichlet([2, 1, 1], 700), random.integers(0, 3, 700)
    predicted, losses = scores.argmax(axis=1), -np.log(scores[np.arange(700), labels])
    earlier, all_of_them = (_labelled(predicted[:n], labels[:n], losses[:n]) for n in (200, 700))
    trial = all_of_them.since(earlier)
    assert trial.count == 500
    found = trial.figures()
    assert found["accuracy"] == accuracy_score(labels[200:], predicted[200:])
    assert found["log_loss"] == pytest.approx(log_loss(labels[200:], scores[200:]))
    assert found["recall"] == pytest.approx(balanced_accuracy_score(labels[200:], predicted[200:]))


def test_a_version_without_labels_has_no_figures() -> None:
    nothing = Labelled({}, {}, 0.0, 0.0)
    assert nothing.count == 0
    assert all(math.isnan(value) for value in nothing.figures().values())
    good, reason = verdict(OLD, replace(NEW, **nothing.figures()))
    assert not good
    assert "accuracy is nan" in reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "version 2.0 serves instead of 1.0: accuracy 0.500 instead of 0.400"),
        ({"recall": 0.46}, "serves instead"),
        ({"p95_seconds": 0.02}, "serves instead"),
        ({"errors": 15}, "1.5% of its requests failed, of the old one's 0.2%"),
        ({"p95_seconds": 0.03}, "its p95 is 30.0 ms, the old one's 4.0 ms"),
        ({"p95_seconds": float("nan")}, "its p95 is nan"),
        ({"accuracy": 0.4}, "its accuracy is 0.400, the old one's 0.400"),
        ({"log_loss": 1.3}, "its log-loss is 1.300, the old one's 1.200"),
        ({"recall": 0.34}, "finds flights of all classes worse: mean recall 0.340 (guessing: 0.333)"),
        ({"recall": float("nan")}, "finds flights of all classes worse"),
    ],
)
def test_a_version_serves_only_if_it_is_better_and_nothing_is_worse(
    change: dict[str, float], words: str
) -> None:
    good, reason = verdict(OLD, replace(NEW, **change))
    assert words in reason
    assert good == ("serves instead" in words)
    assert "2,000 live requests" in reason


def test_every_fault_is_named() -> None:
    _, reason = verdict(OLD, replace(NEW, errors=500, accuracy=0.1, log_loss=2.0))
    assert [words in reason for words in ("requests failed", "accuracy", "log-loss")] == [True] * 3


def test_recent_rows_stay_in_order_and_a_tenth_is_held_out() -> None:
    july = pd.DataFrame({"hour": np.arange(1000), LABEL: np.arange(1000) % 3})
    rows, held_out = recent(july, 600)
    assert (len(rows), len(held_out)) == (540, 60)
    assert rows["hour"].is_monotonic_increasing
    assert sorted([*rows["hour"], *held_out["hour"]]) == list(range(600))
    mixed = shuffled(rows)
    assert list(mixed["hour"]) == list(rows["hour"])
    assert (mixed[LABEL] != rows[LABEL]).mean() > 0.5
    assert sorted(mixed[LABEL]) == sorted(rows[LABEL])


def test_the_number_of_a_rejected_version_is_not_given_again(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    assert next_version(places, ["1.0"]) == "2.0"
    places.weights("2.0").mkdir(parents=True)
    assert next_version(places, ["1.0"]) == "3.0"
    assert next_version(places, ["1.0", "10.0"]) == "11.0"
    assert places.weights("1.0") == tmp_path


def test_what_a_killed_try_leaves_is_found(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    assert (exchange.trial(), exchange.canary(), exchange.answers()) == (None, None, [])
    exchange.note_trial("2.0")
    exchange.begin(Canary("2.0", 0.5, 150))
    assert Exchange(tmp_path).trial() == ("2.0", None)
    assert Exchange(tmp_path).canary() == Canary("2.0", 0.5, 150)
    exchange.note_trial("2.0", {"outcome": "promoted"})
    exchange.stop()
    assert Exchange(tmp_path).trial() == ("2.0", {"outcome": "promoted"})
    assert Exchange(tmp_path).canary() is None
    exchange.end()
    assert Exchange(tmp_path).trial() is None


def test_the_demo_changes_the_patience_of_one_alert_and_nothing_else() -> None:
    text = (ROOT / "prometheus" / "alerts.yml").read_text()
    rules = [
        {rule["alert"]: rule for group in yaml.safe_load(content)["groups"] for rule in group["rules"]}
        for content in (text, impatient(text))
    ]
    before, after = rules[0].pop("ModelRetrainHeld"), rules[1].pop("ModelRetrainHeld")
    assert rules[0] == rules[1]
    assert "lasting[6h]" in before["expr"]
    assert (after["expr"], after["for"]) == (DRIFTS, "1m")
    assert "model:model_drift:share >= 0.5" in DRIFTS
    assert after["labels"] == before["labels"]
    assert "has lasted for a minute" in after["annotations"]["description"]
    with pytest.raises(DemoError, match="ModelRetrainHeld"):
        impatient(text.replace("ModelRetrainHeld", "Other"))


@pytest.mark.parametrize(
    ("outcome", "serving", "fault", "better", "wrong"),
    [
        ("promoted", "2.0", "", True, 0),
        ("rejected", "1.0", "labels", True, 0),
        ("promoted", "1.0", "", True, 1),
        ("promoted", "2.0", "", False, 1),
        ("promoted", "2.0", "labels", True, 1),
        ("rejected", "1.0", "", True, 1),
    ],
)
def test_the_demo_says_what_is_not_as_it_should_be(
    outcome: str, serving: str, fault: str, better: bool, wrong: int
) -> None:
    figures = {"rows": 10, "accuracy": 0.4, "log_loss": 1.2}
    report = {
        "outcome": outcome,
        "old": {"version": "1.0"},
        "new": {"version": "2.0"},
        "held_out": {"1.0": figures, "2.0": {**figures, "accuracy": 0.5, "log_loss": 1.1 if better else 1.3}},
    }
    decision = {"state": "succeeded" if outcome == "promoted" else "rejected"}
    assert len(problems(decision, report, serving=serving, fault=fault)) == wrong


def test_a_fault_belongs_to_its_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRAIN", "1")
    monkeypatch.setenv("FAULT", "celsius")
    assert demo.main() == 2
    assert "the one fault with RETRAIN=1 is FAULT=labels" in capsys.readouterr().out.replace("\n", " ")
