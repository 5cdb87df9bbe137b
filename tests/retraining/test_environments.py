"""Staging does not retrain production, and what is not clear retrains nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from retraining.environments import ambiguity, excluded

from .service import Service, alert, jump, lines, python

NOTE = "import os\nopen('runs', 'a').write(os.environ['RETRAINING_ENVIRONMENT'] + '\\n')"
AT_ONCE = {"flights": {"action": "run", "cooldown": "0s"}}


def decided(service: Service, verdict: str) -> float | None:
    return service.metric(f'retraining_decisions_total{{model_name="flights",verdict="{verdict}"}}')


def test_only_production_retrains(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(NOTE)}, only={"env": "production"}) as service:
        asked = [alert(env="staging"), jump(env="staging"), alert(), alert(env="production")]
        assert sorted(service.verdicts(*asked)) == ["accepted", "ignored", "ignored"]
        accepted = next(found for found in service.decisions() if found["verdict"] == "accepted")
        assert accepted["environment"] == {"env": "production"}
        service.reach(
            *[None if found["verdict"] == "ignored" else "succeeded" for found in service.decisions()]
        )
        reasons = {found["reason"] for found in service.decisions() if found["verdict"] == "ignored"}
        assert reasons == {
            'the alert has env="staging"; only env="production" may retrain',
            'the alert has no label env; only env="production" may retrain',
        }
        # A person cannot start it for staging either: nothing waits there.
        assert service.say("confirm", query="?env=staging").status_code == 409
        assert decided(service, "ignored") == 2
    assert lines(tmp_path / "runs") == ['{"env": "production"}']


def test_a_model_may_say_otherwise(tmp_path: Path) -> None:
    models = {
        "flights": {"action": "run", "only": {"env": ["staging"], "team": "*"}},
        "trains": {"action": "run"},
    }
    with Service(tmp_path, {"run": python(NOTE)}, models=models, only={"env": "production"}) as service:
        assert service.verdicts(alert(env="staging"), alert("trains", env="staging")) == [
            "ignored",
            "ignored",
        ]
        assert service.verdicts(alert(env="staging", team="a")) == ["accepted"]


def test_without_a_word_in_the_configuration_an_environment_retrains_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(NOTE)}) as service:
        for label in ("env", "cluster", "namespace"):
            assert service.verdicts(alert(**{label: "staging"})) == ["ambiguous"]
        assert (
            'the alert has namespace="staging", and the configuration does not say which may retrain'
            in (service.decisions()[-1]["reason"])
        )
        assert 'add only: {"namespace": "staging"}' in service.decisions()[-1]["reason"]
        assert decided(service, "ambiguous") == 3
        assert "ambiguous" in service.log
    assert lines(tmp_path / "runs") == []


def test_two_jobs_are_two_environments_and_neither_retrains_until_it_is_said_which(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(NOTE)}, models=AT_ONCE) as service:
        staging, production = alert(job="serve-staging"), alert(job="serve")
        assert service.verdicts(staging, production) == ["ambiguous", "ambiguous"]
        assert service.verdicts(production) == ["ambiguous"]
        reason = service.decisions()[-1]["reason"]
        assert 'come with job="serve" and with job="serve-staging"' in reason
        assert 'add only: {"job": "serve"}' in reason
    assert lines(tmp_path / "runs") == []
    with Service(tmp_path, {"run": python(NOTE)}, models=AT_ONCE, only={"job": "serve"}) as service:
        assert service.verdicts(staging, production) in (["ignored", "accepted"], ["accepted", "ignored"])


def test_a_second_environment_that_the_configuration_does_not_name_retrains_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, {"run": python(NOTE)}, models=AT_ONCE, only={"env": "production"}) as service:
        assert service.verdicts(alert(env="production", cluster="eu")) == ["accepted"]
        service.ended()
        assert service.verdicts(alert(env="production", cluster="us")) == ["ambiguous"]
    assert lines(tmp_path / "runs") == ['{"cluster": "eu", "env": "production"}']


def test_each_environment_that_may_retrain_has_its_own_decision_and_cooldown(tmp_path: Path) -> None:
    only = {"env": "production", "cluster": "*"}
    with Service(tmp_path, {"run": python(NOTE)}, only=only) as service:
        assert service.verdicts(alert(env="production", cluster="eu")) == ["accepted"]
        service.ended()
        assert service.verdicts(alert(env="production", cluster="us")) == ["accepted"]
        assert service.verdicts(alert(env="production", cluster="eu", model_version="2.0")) == ["cooldown"]
        service.reach("succeeded", "succeeded", None)
    assert len(lines(tmp_path / "runs")) == 2


def test_what_may_no_longer_retrain_is_taken_out_of_the_queue(tmp_path: Path) -> None:
    waits = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"
    models = {"flights": {"action": "run"}, "trains": {"action": "run"}}
    everywhere = {"env": ["staging", "production"]}
    with Service(tmp_path, {"run": python(waits)}, models=models, only=everywhere) as service:
        assert service.verdicts(alert("trains", env="production")) == ["accepted"]
        assert service.verdicts(alert(env="staging")) == ["accepted"]
    only = {"env": "production"}
    with Service(tmp_path, {"run": python(waits)}, models=models, only=only) as service:
        service.reach("running", "dropped")
        assert 'env="staging"; only env="production"' in service.decisions()[1]["detail"]
        (tmp_path / "go").touch()
        service.reach("succeeded", "dropped")


@pytest.mark.parametrize(
    ("labels", "only", "words"),
    [
        ({}, None, None),
        ({"env": "b"}, {"env": ["a", "b"]}, None),
        ({"env": "b"}, {"env": ["*"]}, None),
        ({"env": ""}, {"env": ["*"]}, 'no label env; only env="*"'),
        ({"env": "b", "team": "x"}, {"env": ["b"], "team": ["y"]}, 'team="x"; only team="y"'),
        ({"env": "c"}, {"env": ["a", "b"]}, 'only env="a" or "b" may retrain'),
        ({"env": 'a"\n'}, {"env": ["a"]}, r'env="a\"\n"'),
    ],
)
def test_which_alert_may_retrain(labels: dict, only: dict | None, words: str | None) -> None:
    found = excluded(labels, only)
    assert found is None if words is None else words in (found or "")


@pytest.mark.parametrize(
    ("where", "others", "only", "clear"),
    [
        ({}, [], None, True),
        ({"job": "a"}, [], None, True),
        ({"job": "a"}, [{"job": "a"}, {}], None, True),
        ({"job": "a"}, [{"job": "b"}], None, False),
        ({"job": "a"}, [{"job": "b"}], {"env": ["x"]}, False),
        ({"job": "a"}, [{"job": "b"}], {"job": ["a"]}, True),
        ({"env": "x"}, [], None, False),
        ({"env": "x"}, [{"env": "y"}], {"env": ["x"]}, True),
        ({"env": "x", "cluster": "1"}, [{"env": "x", "cluster": "2"}], {"env": ["x"]}, False),
        ({"env": "x", "cluster": "1"}, [{"env": "x"}], {"env": ["x"]}, False),
        (
            {"env": "x", "cluster": "1"},
            [{"env": "x", "cluster": "2"}],
            {"env": ["x"], "cluster": ["*"]},
            True,
        ),
    ],
)
def test_what_is_clear(where: dict, others: list[dict], only: dict | None, clear: bool) -> None:
    assert (ambiguity(where, others, only) is None) == clear
