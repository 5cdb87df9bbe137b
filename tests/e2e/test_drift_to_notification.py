"""The main job, in the order of the calendar: silence in late February, and a notification when July comes."""

from __future__ import annotations

import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from examples.flight_delay.arrivals import Arrivals, steadily
from examples.flight_delay.replay import replay
from stack.loopback import http
from stack.waiting import eventually
from tests.dashboards import queries

pytestmark = pytest.mark.server

# All of 15 to 28 February in 89 s: longer than it takes to fill both windows and than the `for: 1m` of the drift
# alerts together.
RATE = 140
DELIVERY_SECONDS = 900
# In July the inputs have always drifted, the predictions only on some days. 16 to 20 July end on one of them, and from
# there the replay goes on slowly: what lasts for hundreds of flights must last for the `for: 1m` of the alert as well.
JULY_FIRST, JULY_SLOW = 13_500, 18_000
SLOW_RATE = 5
OF_JULY = ("ModelInputDrift", "ModelInputMeanShift", "ModelPredictionDrift", "ModelAccuracyLow")


def firing(stack):
    answer = http.get(
        f"{stack.prometheus_url}/api/v1/query",
        # Watchdog always fires, and is meant for no person.
        params={"query": 'ALERTS{alertstate="firing", alertname!="Watchdog"}'},
    )
    return {row["metric"]["alertname"] for row in answer.raise_for_status().json()["data"]["result"]}


def send(stack, frame, rate, month):
    """Send each row once, in order, and a while later the label of each."""
    ids = [f"{month}-{number}" for number in frame.index]
    with Arrivals(frame, ids, stack, replayed=steadily(rate, len(frame))):
        address = f"{stack.inference_url}/predictions/flight_delay"
        result = replay(address, frame, rate=rate, in_order=True, ids=ids)
    assert (result.requests, result.failed) == (len(frame), 0)


@pytest.fixture(scope="module")
def winter(server, flights):
    """What fired and what was delivered while the flights of 15 to 28 February were served."""
    february = flights.labelled("february")
    assert len(february) / RATE > 60 + 2 * 1000 / RATE
    send(server, february, RATE, "february")
    return firing(server), server.notifications()


@pytest.fixture(scope="module")
def july(server, flights, winter):
    """What was delivered when July's flights were served instead."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    frame, sent = flights.labelled("july"), JULY_SLOW
    send(server, frame[JULY_FIRST:sent], RATE, "july")
    while time.monotonic() < deadline:
        send(server, frame[sent : sent + 5 * SLOW_RATE], SLOW_RATE, "july")
        sent += 5 * SLOW_RATE
        delivered = {alert["labels"]["alertname"]: alert for alert in server.notifications()}
        if set(OF_JULY) <= set(delivered):
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
    # The two columns that moved most, and the rows as a whole, whose distance is made by them.
    named = re.findall(r"(?:^|\), )(\w+) \(", worst)
    assert set(named[:2]) < {"temp", "dewp", "row_distance"}
    assert "temp" in named[:2]
    assert "KL" in worst
    assert "PSI" in worst


def test_july_moves_means_and_predictions_too(july):
    assert "temp" in july["ModelInputMeanShift"]["annotations"]["description"]
    assert "Its inputs drifted as well" in july["ModelPredictionDrift"]["annotations"]["description"]


def test_july_s_labels_tell_that_its_answers_are_worse(server, july, flights):
    text = july["ModelAccuracyLow"]["annotations"]["description"]
    assert re.search(
        r"labelled in the last (hour|day), [\d.]+% were right \(\d+ labels.*\); it was [\d.]+% on", text
    )

    def counted():
        page = http.get(f"{server.labels_url}/metrics").raise_for_status().text
        return {
            (sample.name, sample.labels.get("result")): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    # Each label finds the prediction of its own flight, once that is in the store.
    eventually(lambda: counted()["labels_unmatched", None] == 0, "a prediction of each label")
    found = counted()
    assert found["labels_received_total", "refused"] == 0
    assert found["labels_received_total", "new"] >= len(flights.labelled("february")) + JULY_SLOW - JULY_FIRST


def test_nothing_is_said_about_a_model_that_is_well(july):
    assert {alert["labels"].get("model_name") for alert in july.values()} == {"flight_delay"}


def test_july_s_true_accuracy_is_on_the_dashboard(server, july):
    """Of its labels and February's, as the alert has it."""
    shown = queries.evaluate(
        queries.load("torchvitals-quality"),
        server.prometheus_url,
        range_seconds=300,
        scrape_interval_seconds=5,
        titles=("Accuracy, last hour", "Accuracy before", "Labels, last day"),
    )
    [now], [before], [labels] = (panel.target("A").values for panel in shown.panels)
    assert now < before - 0.05
    assert labels >= JULY_SLOW - JULY_FIRST


# Panels that rightly have no data here: the model runs on a CPU, has a baseline without segments, answers in one step
# and with classes, its predictions have no segment, no proxy says when a request came, and in July its accuracy is
# unknown.
WITHOUT_DATA = {
    "GPU", "Inference on the device", "Device memory", "Retries of the allocator", "Wait before the handler",
    "Steps of continuous batching", "Baselines learned from traffic", "Drifted segments", "Judged segments",
    "Segments that drifted", "Estimated accuracy", "Segments", "Error of values", "Bias of values",
}  # fmt: skip


@pytest.mark.parametrize("name", queries.names())
def test_every_panel_has_data_from_the_live_stack(server, july, name):
    def evaluated():
        # Rates over 20 seconds: a busy machine misses scrapes, which are a second apart.
        result = queries.evaluate(
            queries.load(name), server.prometheus_url, range_seconds=300, scrape_interval_seconds=5
        )
        assert set(result.empty()) <= WITHOUT_DATA
        return result

    assert queries.slow(evaluated, limit_seconds=1) == set()
