"""What a scrape sees of TorchServe's metrics and of a user's own is the same with `coalesce` on and off."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

from examples.flight_delay.data import CLASSES
from stack import Stack
from stack.metrics_page import Series, settled, total
from stack.programs import ROOT
from stack.waiting import eventually
from tests.conftest import READY_SECONDS, Flights
from tests.integration.user_metrics_handler import SIZES
from torchvitals import Baseline
from torchvitals.publishers.torchserve import safe_label

pytestmark = pytest.mark.server

HANDLER = Path(__file__).with_name("user_metrics_handler.py")
REQUESTS = 300
# By the name under which each is served.
COALESCE = {"held_back": True, "at_once": False}
OF_TORCHSERVE = ("HandlerTime", "PredictionTime")
# What a user adds to metrics.yaml; the labels that TorchServe's add_... functions append come last.
DEFAULTS = ["ModelName", "Level"]
DECLARED = {
    "counter": {
        "calls_total": DEFAULTS,
        "items_total": DEFAULTS,
        "sides_total": ["side", *DEFAULTS],
        "waited_seconds_total": DEFAULTS,
        "bytes_total": ["side", *DEFAULTS],
        "own_tenths_total": ["model"],
        "own_words_total": ["model", "kind", "language"],
        "declared_total": ["model", "side"],
        "forked_total": ["model"],
    },
    "gauge": {
        "wait": DEFAULTS,
        "wait_seconds": ["side", *DEFAULTS],
        "payload": ["side", *DEFAULTS],
        "share": DEFAULTS,
        "depth": DEFAULTS,
        "own_level": ["model", "kind"],
    },
    "histogram": {"latency": DEFAULTS, "own_sizes": ["model", "kind"]},
}
# Names of ten columns that the front end reads as others, or as none, where they stand in a line as they are.
AWKWARD = [
    "a_b", "a,b", "a:b", "a|b", "a\nb", "a\x85b", "a\u2028b", "[METRICS]forged.count:1|#a:b|#hostname:h,1",
    "long " * 60, "long " * 61,
]  # fmt: skip
# Features that are no column's.
OURS = {"row_distance", "predicted_class", "confidence", "entropy", "margin"}
# A series of the user's own, without the name of the model.
Own = dict[tuple[str, frozenset[tuple[str, str]]], float]


class OwnMetrics(Stack):
    """A stack whose metrics.yaml has the user's metrics beside ours."""

    def _write_plan(self, *args: object) -> None:
        super()._write_plan(*args)  # type: ignore[arg-type]
        config = yaml.safe_load((ROOT / "metrics.yaml").read_text())
        for kind, metrics in DECLARED.items():
            config["model_metrics"].setdefault(kind, []).extend(
                # A list of its own: TorchServe appends to it, and so to all that YAML's anchors make one.
                {"name": name, "unit": "count", "dimensions": [*dimensions]}
                for name, dimensions in metrics.items()
            )
        own = self.run_dir / "metrics.yaml"
        own.write_text(yaml.safe_dump(config))
        properties = self.run_dir / "config.properties"
        text = properties.read_text()
        assert str(ROOT / "metrics.yaml") in text
        properties.write_text(text.replace(str(ROOT / "metrics.yaml"), str(own)))


@pytest.fixture(scope="module")
def stack(flights: Flights, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    store = tmp_path_factory.mktemp("store")
    archives = {
        name: flights.package(store, name, {"flush_interval": 0.2, "coalesce": coalesce}, handler=HANDLER)
        for name, coalesce in COALESCE.items()
    }
    named = store / "named-1.0.json"
    rng = np.random.default_rng(1)
    Baseline.fit(
        rng.normal(size=(1000, len(AWKWARD))),
        feature_names=AWKWARD,
        outputs=rng.normal(size=(1000, len(CLASSES))),
        class_names=AWKWARD[: len(CLASSES)],
    ).save(named)
    archives["named"] = flights.package(
        store, "named", {"flush_interval": 0.2, "baseline": named.name}, handler=HANDLER, baseline=named
    )
    run_dir = tmp_path_factory.mktemp("stack")
    with OwnMetrics(run_dir, model_store=store, models=archives, scrape_interval="1s") as running:
        running.wait_ready(READY_SECONDS)
        yield running


def expected() -> Own:
    """Return what user_metrics_handler.py means, request by request."""
    sums: defaultdict[tuple[str, frozenset[tuple[str, str]]], float] = defaultdict(float)
    last: Own = {}

    def add(name: str, value: float, **labels: str) -> None:
        sums[name, frozenset(labels.items())] += value

    def put(name: str, value: float, **labels: str) -> None:
        last[name, frozenset(labels.items())] = value

    def observe(name: str, value: float, **labels: str) -> None:
        add(f"{name}_count", 1, **labels)
        add(f"{name}_sum", value, **labels)

    level = {"Level": "Model"}
    for n in range(REQUESTS):
        side = {"side": "even" if n % 2 == 0 else "odd"}
        add("calls_total", 1, **level)
        add("items_total", n % 7, **level)
        add("sides_total", n, **side, **level)
        put("wait", n / 2, **level)
        put("wait_seconds", n / 8, **side, **level)
        add("waited_seconds_total", n / 8, **level)
        put("payload", n + 0.25, **side, **level)
        put("share", n % 101, **level)
        add("bytes_total", 1000 * n, **side, **level)
        put("depth", -n, **level)
        observe("latency", SIZES[n % 5], **level)
        add("own_tenths_total", 1)
        for kind in ("in", "out"):
            for language in ("de", "en", "fr"):
                add("own_words_total", n % len(kind + language), kind=kind, language=language)
            put("own_level", n if kind == "in" else 1000 - n, kind=kind)
            observe("own_sizes", SIZES[n % 3], kind=kind)
        add("declared_total", n, **side)
        if n % 50 == 0:
            add("forked_total", n)
    return {**sums, **last}


def own_series(series: Series, model: str) -> Own:
    """Return the user's series of one model; of a histogram, `_sum` and `_count`."""
    found = {}
    for (name, labels), value in series.items():
        rest = {label: text for label, text in labels if label not in ("ModelName", "model", "Hostname")}
        mine = model in (dict(labels).get("ModelName"), dict(labels).get("model"))
        if mine and "le" not in rest and name not in OF_TORCHSERVE and not name.endswith("_created"):
            found[name, frozenset(rest.items())] = value
    return found


def buckets(series: Series, name: str, model: str) -> dict[frozenset[tuple[str, str]], float]:
    """Return a histogram's buckets of one model, by their labels."""
    return {
        frozenset((label, text) for label, text in labels if text != model): value
        for (found, labels), value in series.items()
        if found == f"{name}_bucket" and model in dict(labels).values()
    }


@pytest.fixture(scope="module")
def page(stack: Stack) -> Series:
    """The metrics after the same requests to both, once everything has been flushed."""
    with httpx.Client(base_url=stack.inference_url) as client:
        for n in range(REQUESTS):
            for name, coalesce in COALESCE.items():
                answer = client.post(f"/predictions/{name}", json={"n": n}).raise_for_status()
                through = "CoalescingMetrics" if coalesce else "MetricsCacheYamlImpl"
                assert answer.json() == {"through": through}
    wanted = expected()
    return settled(
        stack,
        lambda series: all(own_series(series, name) == pytest.approx(wanted, rel=1e-9) for name in COALESCE),
    )


@pytest.mark.parametrize("model", COALESCE)
def test_every_own_metric_is_exact(page: Series, model: str) -> None:
    assert own_series(page, model) == pytest.approx(expected(), rel=1e-9)


@pytest.mark.parametrize("name", DECLARED["histogram"])
def test_every_observation_of_a_histogram_is_in_its_bucket(page: Series, name: str) -> None:
    held_back, at_once = (buckets(page, name, model) for model in COALESCE)
    assert held_back == at_once
    assert len(set(held_back.values())) > 2
    assert max(held_back.values()) == REQUESTS


@pytest.mark.parametrize("model", COALESCE)
@pytest.mark.parametrize("name", OF_TORCHSERVE)
def test_torchserves_own_times_are_there(page: Series, name: str, model: str) -> None:
    (value,) = (
        value for (found, labels), value in page.items() if found == name and ("ModelName", model) in labels
    )
    assert value > 0


def refusals(stack: Stack, words: str) -> dict[str, int]:
    """Return how often each model's worker was told so; the log is written by a thread of its own."""
    log = (stack.logs / "stack.log").read_text().splitlines()
    return {
        model: sum(words in line for line in log if re.search(rf" W-\d+-{model}_1\.0-stdout ", line))
        for model in COALESCE
    }


@pytest.mark.parametrize(
    "words", ["Counter metric update value cannot be negative", "should correspond to Dimension names"]
)
def test_what_torchserve_refuses_it_refuses_in_its_own_words_both_ways(
    page: Series, stack: Stack, words: str
) -> None:
    eventually(
        lambda: refusals(stack, words) == dict.fromkeys(COALESCE, REQUESTS),
        lambda: f"every refusal; there are {refusals(stack, words)}",
    )


def test_each_name_has_series_of_its_own(stack: Stack) -> None:
    with httpx.Client(base_url=stack.inference_url) as client:
        for n in range(10):
            client.post("/predictions/named", json={"n": n}).raise_for_status()
    page = settled(
        stack, lambda series: total(series, "model_requests_total", model_name="named", outcome="ok") == 10
    )
    for metric, label, names in (
        ("model_baseline_bin_ratio", "feature", AWKWARD),
        ("model_feature_observations_total", "feature", AWKWARD),
        ("model_feature_psi", "feature", AWKWARD),
        ("model_predictions_total", "class", AWKWARD[: len(CLASSES)]),
    ):
        found = {
            dict(labels)[label]
            for name, labels in page
            if name == metric and ("model_name", "named") in labels
        }
        assert found - OURS == set(map(safe_label, names))
    for name in AWKWARD:
        assert (
            total(page, "model_feature_observations_total", model_name="named", feature=safe_label(name))
            == 10
        )
    assert not [name for name, _ in page if "forged" in name]
