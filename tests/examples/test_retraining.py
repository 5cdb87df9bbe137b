"""The example's retraining without a server: figures, verdict, what is trained on, what survives a kill."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from examples.flight_delay import demo
from examples.flight_delay.acting import DRIFTS, ROOT, impatient, problems
from examples.flight_delay.canary import Figures, verdict
from examples.flight_delay.data import LABEL
from examples.flight_delay.live import Canary, Exchange
from examples.flight_delay.packaging import DemoError
from examples.flight_delay.prometheus import Labelled
from examples.flight_delay.retrain import Places, next_version, recent, shuffled

OLD = Figures("1.0", 1000, 2, 0.004, 0.6, labels=990, accuracy=0.4, log_loss=1.2, ranking=0.7)
NEW = Figures("2.0", 1000, 2, 0.004, 0.6, labels=990, accuracy=0.5, log_loss=1.1, ranking=0.7)


def _labelled(scores: np.ndarray, labels: np.ndarray) -> Labelled:
    """What the labels service counts of rows."""
    right, bins = scores.argmax(axis=1) == labels, np.ceil(scores.max(axis=1) * 10) / 10
    names = [f"{name:g}" for name in np.unique(bins)]
    return Labelled(
        labels=float(len(labels)),
        correct=float(right.sum()),
        scored=float(len(labels)),
        log_loss=float(-np.log(scores[np.arange(len(labels)), labels]).sum()),
        by_confidence={name: float(np.sum(bins == float(name))) for name in names},
        right_by_confidence={name: float(np.sum(right & (bins == float(name)))) for name in names},
    )


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    scores = random.dirichlet([2, 1, 1], 700)
    labels = np.array([random.choice(3, p=row) for row in scores])
    earlier, all_of_them = (_labelled(scores[:n], labels[:n]) for n in (200, 700))
    trial = all_of_them.since(earlier)
    assert trial.count == 500
    found, scores, labels = trial.figures(), scores[200:], labels[200:]
    right, confidence = scores.argmax(axis=1) == labels, scores.max(axis=1)
    assert found["accuracy"] == accuracy_score(labels, scores.argmax(axis=1))
    assert found["log_loss"] == pytest.approx(log_loss(labels, scores))
    assert found["ranking"] == pytest.approx(roc_auc_score(right, np.ceil(confidence * 10)))
    assert found["ranking"] == pytest.approx(roc_auc_score(right, confidence), abs=0.02)


def test_a_version_without_labels_has_no_figures() -> None:
    nothing = Labelled(0.0, 0.0, 0.0, 0.0, {}, {})
    assert nothing.count == 0
    assert all(math.isnan(value) for value in nothing.figures().values())
    good, reason = verdict(OLD, replace(NEW, **nothing.figures()))
    assert not good
    assert "accuracy is nan" in reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "version 2.0 serves instead of 1.0: accuracy 0.500 instead of 0.400"),
        ({"ranking": 0.55}, "serves instead"),
        ({"p95_seconds": 0.02}, "serves instead"),
        ({"errors": 15}, "1.5% of its requests failed, of the old one's 0.2%"),
        ({"p95_seconds": 0.03}, "its p95 is 30.0 ms, the old one's 4.0 ms"),
        ({"p95_seconds": float("nan")}, "its p95 is nan"),
        ({"accuracy": 0.4}, "its accuracy is 0.400, the old one's 0.400"),
        ({"log_loss": 1.3}, "its log-loss is 1.300, the old one's 1.200"),
        ({"ranking": 0.52}, "does not tell right answers from wrong ones: 0.520 of pairs in order"),
        ({"ranking": float("nan")}, "does not tell right answers from wrong ones: nan"),
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
