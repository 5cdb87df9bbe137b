"""Bad input gets a clear refusal and changes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.loopback import http

from .service import HEADERS, Service, alert, notification, python

GOOD = json.dumps(notification(alert())).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with Service(folder, {"touch": python("open('touched', 'w')")}) as running:
        yield running


def changed(**changes: Any) -> bytes:
    return json.dumps(notification(alert(), **changes)).encode()


def with_labels(**labels: Any) -> bytes:
    first = alert()
    first["labels"] = {
        key: value for key, value in {**first["labels"], **labels}.items() if value is not None
    }
    return json.dumps(notification(first)).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (GOOD, {}, 401, "Authorization: Bearer"),
        (GOOD, {"Authorization": "Bearer wrong"}, 401, "Authorization: Bearer"),
        (GOOD, {"Authorization": "Basic token-of-the-tests"}, 401, "Authorization: Bearer"),
        (GOOD, {"Authorization": b"Bearer \xff"}, 401, "Authorization: Bearer"),
        (b" " * 10_000_000, {}, 401, "Authorization: Bearer"),
        (b" " * 10_000_000, HEADERS, 413, "larger than 1000000 bytes"),
        (GOOD + b" " * 1_000_000, HEADERS, 413, "larger than 1000000 bytes"),
        (b"", HEADERS, 400, "not JSON"),
        (b'{"version": "4", ', HEADERS, 400, "not JSON"),
        (b"\xff\xfe", HEADERS, 400, "not JSON"),
        (b"[" * 100_000, HEADERS, 400, "not JSON"),
        (b"[]", HEADERS, 422, "the body"),
        (changed(version="3"), HEADERS, 422, "version is not '4'"),
        (changed(version=4), HEADERS, 422, "version is not '4'"),
        (changed(groupKey=""), HEADERS, 422, "groupKey"),
        (changed(alerts={}), HEADERS, 422, "alerts"),
        (changed(alerts=[alert()] * 1_001), HEADERS, 422, "alerts"),
        (changed(alerts=[{**alert(), "startsAt": "soon"}]), HEADERS, 422, "alerts.0.startsAt"),
        (
            changed(alerts=[alert(), {**alert(), "startsAt": "2026-07-01T12:00:00"}]),
            HEADERS,
            422,
            "alerts.1.startsAt",
        ),
        (changed(alerts=[{**alert(), "startsAt": None}]), HEADERS, 422, "alerts.0.startsAt"),
        (with_labels(model_name=None), HEADERS, 422, "alerts.0.labels.model_name"),
        (with_labels(model_version=None), HEADERS, 422, "alerts.0.labels.model_version"),
        (with_labels(model_version="1\x000"), HEADERS, 422, "alerts.0.labels.model_version"),
        (with_labels(model_name="x" * 201), HEADERS, 422, "alerts.0.labels.model_name"),
        (with_labels(instance=1), HEADERS, 422, "alerts.0.labels.instance"),
        (GOOD.replace(b"flights should", b"\\ud800"), HEADERS, 400, "not JSON"),
    ],
    ids=[
        *("no token", "wrong token", "other scheme", "token of bytes", "10 MB without token", "10 MB"),
        *("just too large", "empty", "cut", "binary", "deep", "list", "version 3", "number", "no group"),
        *("alerts", "many", "time", "time without zone", "no time", "no model", "no version", "nul"),
        *("long name", "label", "half a character"),
    ],
)  # fmt: skip
def test_it_is_refused_and_changes_nothing(
    service: Service, body: bytes, headers: dict[str, Any], status: int, words: str
) -> None:
    series = f'retraining_refused_requests_total{{status="{status}"}}'
    before = service.metric(series) or 0
    answer = service.post(body, headers=headers)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert service.metric(series) == before + 1
    assert service.decisions() == []
    assert not (service.folder / "touched").exists()
    assert service.healthy()


def test_the_record_needs_the_token_and_health_and_metrics_do_not(service: Service) -> None:
    assert http.get(f"{service.url}/decisions").status_code == 401
    assert http.get(f"{service.url}/healthz").json() == {"status": "ok"}
    assert http.get(f"{service.url}/metrics").status_code == 200
    assert http.get(f"{service.url}/decisions?limit=0", headers=HEADERS).status_code == 422


def test_a_new_token_counts_at_once_and_a_lost_one_lets_nobody_in(tmp_path: Path) -> None:
    with Service(tmp_path, {"touch": python("open('touched', 'w')")}) as service:
        (tmp_path / "token").write_text("another")
        assert service.post(GOOD).status_code == 401
        (tmp_path / "token").unlink()
        assert service.post(GOOD).status_code == 503
        (tmp_path / "token").write_text("")
        assert service.post(GOOD, headers={"Authorization": "Bearer x"}).status_code == 503
        (tmp_path / "token").write_text("another")
        assert service.post(GOOD, headers={"Authorization": "Bearer another"}).status_code == 200


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path) -> None:
    with Service(tmp_path, {"touch": python("open('touched', 'w')")}) as service:
        other = sqlite3.connect(tmp_path / "state" / "decisions.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = service.post(GOOD)
        assert answer.status_code == 503
        file = tmp_path / "state" / "decisions.sqlite"
        assert f"the record of decisions {file} cannot be written: database is locked" in answer.text
        assert "locked" in service.condition()["faults"][0]
        assert not (tmp_path / "touched").exists()
        other.execute("ROLLBACK")
        other.close()
        assert service.healthy()
        # Alertmanager sends it again.
        assert service.post(GOOD).json()["decisions"][0]["verdict"] == "accepted"
        assert service.ended()["state"] == "succeeded"


def test_shell_characters_in_an_alert_are_text(tmp_path: Path) -> None:
    evil = "$(touch evil) `touch evil`; touch evil | touch evil & \"'\n> evil"
    keep = (
        "import json, os, sys\n"
        "kept = [json.load(sys.stdin), os.environ['RETRAINING_MODEL_VERSION']]\n"
        "json.dump(kept, open('kept', 'w'))"
    )
    first = alert(model_version="1.0; touch evil $(touch evil)", team=evil)
    first["annotations"]["description"] = evil
    with Service(tmp_path, {"keep": python(keep)}) as service:
        assert service.verdicts(first) == ["accepted"]
        assert service.ended()["state"] == "succeeded"
    told, version = json.loads((tmp_path / "kept").read_text())
    assert version == "1.0; touch evil $(touch evil)"
    assert told["alerts"][0]["annotations"]["description"] == evil
    assert told["alerts"][0]["labels"]["team"] == evil
    assert list(tmp_path.rglob("*evil*")) == []
