"""The main job: silence on winter flights, and a notification through Alertmanager when July comes."""

from __future__ import annotations

import time

import httpx
import pytest

from examples.flight_delay.replay import replay
from tests.dashboards import queries

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

# Longer than it takes to fill both windows and than the `for: 1m` of the drift alerts together.
QUIET_SECONDS = 90
DELIVERY_SECONDS = 180
RATE = 100


def firing(stack):
    answer = httpx.get(
        f"{stack.prometheus_url}/api/v1/query", params={"query": 'ALERTS{alertstate="firing"}'}
    )
    return {row["metric"]["alertname"] for row in answer.raise_for_status().json()["data"]["result"]}


def send(stack, frame, seconds):
    result = replay(f"{stack.inference_url}/predictions/flight_delay", frame, rate=RATE, seconds=seconds)
    assert result.failed == 0
    return result


@pytest.fixture(scope="module")
def winter(server, flights):
    """What fired and what was delivered while winter flights were served."""
    send(server, flights.frame("heldout"), QUIET_SECONDS)
    return firing(server), server.notifications()


@pytest.fixture(scope="module")
def july(server, flights, winter):
    """What was delivered when July's flights were served instead."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        send(server, flights.frame("july"), 10)
        delivered = {alert["labels"]["alertname"]: alert for alert in server.notifications()}
        if {"ModelInputDrift", "ModelInputMeanShift", "ModelPredictionDrift"} <= set(delivered):
            break
    return delivered


def test_winter_is_silent(winter):
    fired, notifications = winter
    assert fired == set()
    assert notifications == []


def test_july_is_notified_with_the_worst_features_and_their_values(july):
    alert = july["ModelInputDrift"]
    assert alert["status"] == "firing"
    assert alert["labels"]["model_name"] == "flight_delay"
    assert alert["labels"]["severity"] == "warning"
    description = alert["annotations"]["description"]
    worst = description.split("Worst: ")[1]
    assert {worst.split(" (")[0], worst.split("), ")[1].split(" (")[0]} == {"temp", "dewp"}
    assert "KL 4." in worst
    assert "PSI" in worst


def test_july_moves_means_and_predictions_too(july):
    assert "temp" in july["ModelInputMeanShift"]["annotations"]["description"]
    assert "Its inputs drifted as well" in july["ModelPredictionDrift"]["annotations"]["description"]


def test_nothing_is_said_about_a_model_that_is_well(july):
    assert {alert["labels"].get("model_name") for alert in july.values()} == {"flight_delay"}


# Panels that rightly have no data here: the model runs on a CPU and has not run out of memory.
WITHOUT_DATA = {"GPU", "Inference on the device", "Device memory"}


@pytest.mark.parametrize("name", queries.names())
def test_every_panel_has_data_from_the_live_stack(server, july, name):
    result = queries.evaluate(
        queries.load(name), server.prometheus_url, range_seconds=300, scrape_interval_seconds=1
    )
    assert set(result.empty()) <= WITHOUT_DATA
    assert max(panel.seconds for panel in result.panels) < 1
