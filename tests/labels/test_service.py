"""The service as people meet it: over HTTP, in files, killed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pandas as pd
import pytest

from .predictions import file_of
from .serving import TOKEN, Served, service

CANARY = "canary-7f3a"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    with service(place, str(place / "labels.sqlite")) as running:
        running.leave(file_of([f"known {number}" for number in range(100)]))
        running.wait_for("model_stored_predictions_total", 100)
        yield running


def test_predictions_and_labels_go_in_and_counters_come_out(served: Served) -> None:
    answer = served.post(
        json.dumps([{"id": "known 0", "label": "late"}, {"id": "known 1", "label": "lost"}]).encode()
    )
    assert answer.status_code == 200
    assert answer.json() == {"new": 2, "same": 0, "corrected": 0, "refused": 0, "refusals": []}
    found = served.metrics()
    assert found["model_labelled_correct_total", "added", "late", "flights", "1.0", ""] == 1
    assert found["model_labelled_correct_total", "added", "lost", "flights", "1.0", ""] == 0
    assert found["model_labelled_confusion_total", "lost", "added", "flights", "1.0", "late"] == 1
    assert found["labels_store_up",] == 1
    assert not list(served.folder.glob("*.predictions"))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/csv; charset=utf-8", b'id,label\nknown 2,late\n"known 3",lost\n'),
        ("application/x-ndjson", b'{"id": "known 4", "label": 0}\n\n{"id": "known 5", "label": 2.0}\n'),
        ("application/json", b'{"labels": [{"id": "known 6", "label": "late", "model_name": "flights"}]}'),
        ("application/json", b'{"id": "known 7", "label": "late"}'),
    ],
)
def test_labels_come_in_each_form(served: Served, kind: str, content: bytes) -> None:
    answer = served.post(content, kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["new"] == answer.json()["new"] + answer.json()["refused"] > 0


def test_columns_may_have_other_names(served: Served) -> None:
    content = b"order,arrived\nknown 8,late\n"
    answer = served.post(content, "text/csv", query="?id=order&label=arrived")
    assert answer.json()["new"] == 1
    answer = served.post(content, "text/csv")
    assert answer.status_code == 400
    assert answer.json()["error"] == "the labels have no column 'id'; they have 'order', 'arrived'"


def test_bad_rows_are_refused_one_by_one_with_place_and_reason(served: Served) -> None:
    rows = [
        '{"id": "known 9", "label": "late"}',
        '{"id": "known 10", "label": "early"}',
        '{"id": "known 11", "label": NaN}',
        '{"id": "", "label": "late"}',
        '{"id": "known 12"}',
        '{"id": "two\\nlines", "label": "late"}',
        '{"id": "\\ud800", "label": "late"}',
        '{"id": "known 13", "label": ["late"]}',
        "[1, 2]",
        '{"id": "known 14", "la',
    ]
    answer = served.post("\n".join(rows).encode(), "application/x-ndjson")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["new"], said["refused"]) == (1, 9)
    assert {(row["place"], row["reason"]) for row in said["refusals"]} == {
        ("line 2", "label: not one of the classes of flights: 'late', 'on time', 'lost'"),
        ("line 3", "label: not a finite number"),
        ("line 4", "id: missing"),
        ("line 5", "label: missing"),
        ("line 6", "id: not of up to 200 printable characters"),
        ("line 7", "id: not of up to 200 printable characters"),
        ("line 8", "label: missing"),
        ("line 9", "not an object with an id and a label"),
        ("line 10", "not JSON"),
    }


@pytest.mark.parametrize(
    ("content", "kind", "token", "status", "says"),
    [
        (b"[]", "application/json", "another", 401, "give the service's token"),
        (b"[]", "application/xml", TOKEN, 415, "send labels as one of"),
        (b'[{"id": "known 20", "la', "application/json", TOKEN, 400, "not JSON"),
        (bytes(range(256)), "application/json", TOKEN, 400, "not UTF-8 text"),
        (b"id,label\n\0,\0\n", "text/csv", TOKEN, 400, "not text"),
        (b"[" * 100_000, "application/json", TOKEN, 400, "not JSON"),
        (b'[{"id": "known 21", "label": "early"}]', "application/json", TOKEN, 422, "not one of the classes"),
        (b"x" * 100_000_000, "text/csv", TOKEN, 413, "larger than 16,777,216 bytes"),
    ],
    ids=[
        "wrong token",
        "XML",
        "half a body",
        "binary",
        "zeros",
        "nested",
        "all refused",
        "100 MB",
    ],
)
def test_bad_input_gets_a_clear_refusal(
    served: Served, content: bytes, kind: str, token: str, status: int, says: str
) -> None:
    answer = served.post(content, kind, token)
    assert answer.status_code == status
    assert says in answer.text


def test_sql_in_an_id_is_an_id(served: Served) -> None:
    one = "'; DROP TABLE predictions; --"
    served.leave(file_of([one]), 1)
    served.wait_for("model_stored_predictions_total", 101)
    assert served.post(json.dumps({"id": one, "label": "late"}).encode()).json()["new"] == 1
    assert served.sum("model_stored_predictions_total") == 101


def test_nothing_of_a_row_is_logged_or_exposed(served: Served) -> None:
    for content, kind in (
        (json.dumps([{"id": CANARY, "label": CANARY, "more": CANARY}]).encode(), "application/json"),
        (f'{{"id": "{CANARY}'.encode(), "application/x-ndjson"),
        (f"id,label\n{CANARY}\n".encode(), "text/csv"),
        (CANARY.encode(), CANARY),
    ):
        served.post(content, kind)
        served.post(content, kind, token=CANARY)
    served.leave(CANARY.encode(), 2)
    served.wait_for("predictions_refused_files_total", 1)
    assert CANARY not in served.log.read_text()
    assert CANARY not in httpx.get(f"{served.address}/metrics").text


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_the_command_loads_files(served: Served, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"labels{suffix}"
    table = pd.DataFrame({"order": ["known 30", "known 31", "known 32"], "was": ["late", "early", "lost"]})
    if suffix == ".csv":
        table.to_csv(file, index=False)
    elif suffix == ".parquet":
        table.to_parquet(file)
    else:
        table.to_json(file, orient="records", lines=suffix == ".jsonl")
    done = load(served, str(file), "--id-column", "order", "--label-column", "was")
    assert done.returncode == 1
    numbers = [int(word) for word in done.stdout.replace(",", "").split() if word.isdigit()]
    assert numbers[0] + numbers[2] == 2
    assert numbers[3] == 1
    place = "line 3" if suffix == ".csv" else "line 2" if suffix == ".jsonl" else "row 2"
    assert f"{place}: label: not one of the classes of flights" in done.stderr


def test_the_command_loads_what_a_query_gives(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "orders.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE orders (number TEXT, arrived INTEGER)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", [("known 40", 0), ("known 41", 2)])
    database.close()
    query = "SELECT number AS id, arrived AS label FROM orders"
    done = load(served, "--database", f"sqlite:///{file}", "--query", query)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 new labels")
    done = load(served, "--database", f"sqlite:///{file}", "--query", "SELECT missing FROM orders")
    assert done.returncode == 1
    assert "torchvitals: the query failed: no such column: missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no such.csv"], "no such.csv: No such file or directory"),
        (["labels.xls"], "labels.xls: labels are read from .csv"),
        ([], "give a file of labels, or --database and --query"),
    ],
)
def test_the_command_says_what_is_wrong(served: Served, words: list[str], says: str) -> None:
    done = load(served, *words)
    assert done.returncode == 1
    assert says in done.stderr


def load(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torchvitals", "labels", "load", *words, "--service", served.address]
    return subprocess.run(
        [*command, "--token-file", served.token_file],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_a_store_that_is_down_costs_nothing_but_time(postgres: str, tmp_path: Path) -> None:
    """Its address leads nowhere: files wait, labels are refused for now, and metrics say so."""
    nowhere = "postgresql://tests:secret@127.0.0.1:1/store"
    with service(tmp_path, nowhere) as served:
        served.leave(file_of(["a"]))
        answer = served.post(b'[{"id": "a", "label": "late"}]')
        assert answer.status_code == 503
        assert "send the labels again" in answer.text
        assert httpx.get(f"{served.address}/healthz", timeout=60).status_code == 503
        found = served.metrics()
        assert found["labels_store_up",] == 0
        assert found["predictions_waiting_files",] == 1
        assert "secret" not in served.log.read_text() + answer.text


def test_without_a_token_nothing_is_taken(served: Served) -> None:
    answer = httpx.post(f"{served.address}/labels", json={"id": "known 50", "label": "late"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
