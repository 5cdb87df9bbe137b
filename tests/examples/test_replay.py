"""Replay of flights against a small HTTP server that notes what it is sent."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from examples.flight_delay import replay as module
from examples.flight_delay.data import COLUMNS
from examples.flight_delay.replay import (
    ReplayResult,
    Traffic,
    bodies,
    celsius_begins,
    replay,
    shuffled,
    to_celsius,
    traffic,
)


class Recorder(ThreadingHTTPServer):
    """Answers as the model does: on_time, or 400 for a distance over 1,000 miles."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.rows: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.delay_seconds = 0.0
        self.answer = b'{"class": "on_time"}'
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/predictions/flight_delay"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_POST(self) -> None:
        row = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.rows.append(row)
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
        time.sleep(self.server.delay_seconds)
        with self.server.lock:
            self.server.under_way -= 1
        self.send_response(400 if row["distance"] > 1000 else 200)
        self.send_header("content-length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Recorder]:
    recorder = Recorder()
    thread = threading.Thread(target=recorder.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield recorder
    recorder.shutdown()
    thread.join()
    recorder.server_close()


def flights(count: int = 20) -> pd.DataFrame:
    frame = pd.DataFrame({column: np.arange(count) + 0.02 for column in COLUMNS}).astype("float32")
    frame["label"] = 0
    return frame


def quiet() -> Console:
    return Console(file=io.StringIO())


def test_each_row_arrives_once_and_unchanged(server: Recorder) -> None:
    frame = flights()
    frame.loc[3, "temp"] = np.nan
    result = replay(server.url, frame, rate=1000, seed=1, console=quiet())
    received = (
        pd.DataFrame(server.rows, columns=COLUMNS).astype("float32").sort_values("hour", ignore_index=True)
    )
    pd.testing.assert_frame_equal(received, frame[COLUMNS], check_exact=True)
    assert all(list(row) == COLUMNS for row in server.rows)
    assert [row["temp"] for row in server.rows if row["hour"] == 3.02] == [None]
    assert (result.requests, result.classes, result.errors, result.failed) == (20, {"on_time": 20}, {}, 0)
    assert 0 < result.p50_seconds <= result.p95_seconds


def test_the_order_is_random_and_depends_on_the_seed() -> None:
    items = [str(n).encode() for n in range(50)]

    def first(count: int, seed: int) -> list[bytes]:
        source = shuffled(items, seed=seed)
        return [next(source) for _ in range(count)]

    assert first(50, 1) == first(50, 1)
    assert first(50, 1) != first(50, 2)
    assert first(50, 1) != items
    twice = first(100, 1)
    assert sorted(twice[:50]) == sorted(twice[50:]) == sorted(items)
    assert twice[:50] != twice[50:]


@pytest.mark.parametrize("rate", [400, 100_000])
def test_requests_begin_in_order(server: Recorder, rate: float) -> None:
    """Late ones too; the server's own threads may swap what is under way at once, and no more."""
    server.delay_seconds = 0.005
    replay(server.url, flights(100), rate=rate, requests=250, in_order=True, concurrency=4, console=quiet())
    arrived = np.array([int(row["hour"]) for row in server.rows])
    sent = np.arange(250) % 100
    assert np.array_equal(np.sort(arrived), np.sort(sent))
    places = np.arange(250)
    for value in range(100):
        assert np.abs(places[arrived == value] - places[sent == value]).max() < 4


def test_one_at_a_time_arrives_in_order_exactly(server: Recorder) -> None:
    replay(server.url, flights(30), rate=10_000, requests=40, in_order=True, concurrency=1, console=quiet())
    assert [int(row["hour"]) for row in server.rows] == [*range(30), *range(10)]


def test_the_rate_is_kept(server: Recorder) -> None:
    began = time.perf_counter()
    result = replay(server.url, flights(), rate=100, seconds=0.8, console=quiet())
    assert result.requests == len(server.rows) == 80
    assert time.perf_counter() - began >= 0.78
    assert result.rate <= 101


def test_concurrency_is_bounded(server: Recorder) -> None:
    server.delay_seconds = 0.02
    replay(server.url, flights(), rate=10_000, requests=60, concurrency=3, console=quiet())
    assert 2 <= server.most_under_way <= 3


def test_refusals_are_counted_by_status(server: Recorder) -> None:
    frame = flights()
    frame.loc[[0, 5], "distance"] = 1089
    result = replay(server.url, frame, rate=1000, console=quiet())
    assert result.errors == {"HTTP 400": 2}
    assert (result.requests, result.failed, result.classes) == (20, 2, {"on_time": 18})
    assert "2 failed, 2 × HTTP 400" in str(result)
    assert result.first_error == '{"class": "on_time"}'  # the test server's one answer


def test_an_answer_that_is_no_prediction_is_counted(server: Recorder) -> None:
    server.answer = b"<html>"
    assert replay(server.url, flights(4), rate=1000, console=quiet()).errors == {"answer without a class": 4}


def test_a_server_that_is_down_is_counted() -> None:
    recorder = Recorder()
    recorder.server_close()
    result = replay(recorder.url, flights(3), rate=1000, console=quiet())
    assert result.errors == {"ClientConnectorError": 3}
    assert np.isnan(result.p95_seconds)


def test_headers_are_sent(server: Recorder) -> None:
    replay(server.url, flights(1), headers={"authorization": "Bearer x"}, console=quiet())
    assert server.headers[0]["authorization"] == "Bearer x"
    assert server.headers[0]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": 1, "requests": 1}, "not both"),
        ({"requests": 0}, "above 0"),
        ({"seconds": -1}, "above 0"),
        ({"rate": 0}, "above 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay("http://127.0.0.1:1", flights(), **arguments)
    with pytest.raises(ValueError, match="no rows"):
        replay("http://127.0.0.1:1", flights(0))


def test_celsius_changes_temp_alone() -> None:
    frame = flights(3).assign(temp=np.array([32, 50, np.nan], dtype="float32"))
    changed = to_celsius(frame)
    np.testing.assert_allclose(changed["temp"], [0, 10, np.nan])
    pd.testing.assert_frame_equal(changed.drop(columns="temp"), frame.drop(columns="temp"))
    assert changed["temp"].dtype == np.float32


def test_celsius_may_begin_later() -> None:
    frame = flights(4).assign(temp=np.array([32, 50, 50, np.nan], dtype="float32"))
    np.testing.assert_allclose(to_celsius(frame, first=2)["temp"], [32, 50, 10, np.nan])


def test_the_fault_begins_with_the_day_in_new_york() -> None:
    hours = pd.to_datetime(["2013-02-18T04:00Z", "2013-02-18T05:00Z", "2013-02-18T06:00Z"], utc=True)
    assert celsius_begins(flights(3).assign(time_hour=hours)) == 1


def test_bodies_are_short_and_exact() -> None:
    (body,) = bodies(flights(1).assign(temp=np.float32(39.02)))
    assert b'"temp": 39.02,' in body
    assert b"NaN" not in body


def test_traffic_reads_what_the_training_wrote(tmp_path: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"examples\.flight_delay\.train"):
        traffic(Traffic.july, tmp_path)
    flights(5).to_parquet(tmp_path / "july.parquet", index=False)
    february = flights(6).assign(time_hour=pd.date_range("2013-02-16T12:00Z", periods=6, freq="D"))
    february.to_parquet(tmp_path / "february.parquet", index=False)
    assert len(traffic(Traffic.july, tmp_path)) == 5
    right, wrong = traffic(Traffic.february, tmp_path), traffic(Traffic.celsius, tmp_path)
    pd.testing.assert_frame_equal(right[COLUMNS], february[COLUMNS])
    assert list(np.flatnonzero(right["temp"] != wrong["temp"])) == [2, 3, 4, 5]


def test_the_summary_is_one_line_with_units() -> None:
    result = ReplayResult(1000, {"late": 250, "on_time": 750}, {}, 10.0, 0.004, 0.0125)
    assert str(result) == (
        "1,000 requests in 10 s (100/s), 0 failed; as a client sees it: p50 4.0 ms, p95 12.5 ms; "
        "predicted late 25%, on_time 75%"
    )
    assert module.RATE == 150
