"""Every query of every dashboard against a real Prometheus, with the real recording rules and alerts."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from scipy.stats import entropy

from tests.dashboards import exporter
from tests.dashboards.queries import (
    DashboardResult,
    QueryError,
    evaluate,
    load,
    macros,
    names,
    panels_of,
    substitute,
)
from torchvitals import metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = shutil.which("prometheus")

SCRAPES = 15
SLOWEST_SECONDS = 1.0
# Panels that rightly have no data here, by title, with the reason. The exporter says everything, so there is none.
NO_DATA: dict[str, str] = {}


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if PROMETHEUS is None:
        pytest.skip("needs the program 'prometheus' (Debian package prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    with exporter.Exporter() as source, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        (folder / "rules.yml").write_text(yaml.safe_dump(_frequent_rules()), encoding="utf-8")
        (folder / "alerts.yml").write_text(yaml.safe_dump(_immediate_alerts()), encoding="utf-8")
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml"), str(folder / "alerts.yml")],
            "scrape_configs": [{"job_name": "torchserve", "static_configs": [{"targets": [source.address]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        with (folder / "prometheus.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [
                    PROMETHEUS,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                _wait_for_scrapes(f"http://127.0.0.1:{port}", process, folder / "prometheus.log")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(timeout=30)


def _frequent_rules() -> dict[str, Any]:
    """Return the real recording rules, all at the test's interval: the fleet's are minutes apart."""
    rules: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group.pop("interval", None)
    return rules


def _immediate_alerts() -> dict[str, Any]:
    """Return the real alerts without their waiting time, which is longer than this test."""
    alerts: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    for group in alerts["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return alerts


def _wait_for_scrapes(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(
                f"prometheus ended with status {process.returncode}:\n{log.read_text(encoding='utf-8')}"
            )
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": "count_over_time(up[5m])"}, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)  # not listening yet
            continue
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.2)  # listening, but still opening its storage
            continue
        found = answer.raise_for_status().json()["data"]["result"]
        if any(float(series["value"][1]) >= SCRAPES for series in found):
            return
        time.sleep(0.5)
    pytest.fail(f"prometheus did not scrape {SCRAPES} times in a minute:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="module")
def results(prometheus_url: str) -> dict[str, DashboardResult]:
    return {
        name: evaluate(load(name), prometheus_url, range_seconds=SCRAPES, scrape_interval_seconds=1)
        for name in names()
    }


@pytest.fixture
def overview(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-overview"]


@pytest.fixture
def model(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-model"]


@pytest.fixture
def drift(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-drift"]


@pytest.mark.parametrize("name", names())
def test_every_panel_has_data(results: dict[str, DashboardResult], name: str) -> None:
    result = results[name]
    with_queries = [panel for panel in panels_of(load(name)) if panel["type"] != "text"]
    assert len(result.panels) == len(with_queries) > 10
    assert [title for title in result.empty() if title not in NO_DATA] == []


@pytest.mark.parametrize("name", names())
def test_every_target_has_data(results: dict[str, DashboardResult], name: str) -> None:
    # A rank that the data do not reach is empty: two models fill the first two of five lines.
    ranks = {"B", "C", "D", "E"}
    empty = {
        f"{panel.title} {target.ref_id}"
        for panel in results[name].panels
        for target in panel.targets
        if target.series == 0 and not ("topk(" in target.expr and target.ref_id in ranks)
    }
    assert empty == set()


@pytest.mark.parametrize("name", names())
def test_no_query_is_slow(results: dict[str, DashboardResult], name: str) -> None:
    result = results[name]
    seconds = {panel.title: panel.seconds for panel in result.panels} | {
        variable.name: variable.seconds for variable in result.variables
    }
    assert max(seconds.values()) < SLOWEST_SECONDS, max(seconds, key=lambda title: seconds[title])


@pytest.mark.parametrize("name", names())
def test_a_graph_has_at_most_five_lines(results: dict[str, DashboardResult], name: str) -> None:
    for panel in results[name].panels:
        if panel.type == "timeseries":
            assert panel.series <= 5, panel.title
            assert all(target.series <= 1 for target in panel.targets), panel.title


@pytest.mark.parametrize("name", names())
def test_alerts_are_annotations(results: dict[str, DashboardResult], name: str) -> None:
    [annotation] = results[name].annotations
    assert {"ModelInputDrift", "ModelPredictionDrift"} <= {
        labels["alertname"] for labels in annotation.labels
    }


def test_variables(drift: DashboardResult) -> None:
    found = {variable.name: variable for variable in drift.variables}
    assert found["job"].options == ("torchserve",)
    assert found["job"].value == ".+"
    assert found["model_name"].options == ("flight_delay", "fraud.v2")
    assert found["model_name"].value == "flight_delay"
    assert found["model_version"].options == ("1.0",)
    assert found["window"].options == ("1000",)
    assert set(found["feature"].options) == {feature for _, feature in exporter.FEATURES}


def test_ranks_are_distinct_and_in_order(drift: DashboardResult) -> None:
    panel = drift.panel("PSI")
    lines = [target for target in panel.targets if target.ref_id != "T"]
    values = [target.values[0] for target in lines]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    assert len({target.labels[0]["feature"] for target in lines}) == 5
    assert panel.target("T").values == (exporter.THRESHOLDS["psi"],)


def test_equal_series_have_a_rank_each(drift: DashboardResult) -> None:
    panel = drift.panel("Missing values")
    assert {value for target in panel.targets for value in target.values} == {0.0}
    assert len({labels["feature"] for target in panel.targets for labels in target.labels}) == 5


def test_dead_worker_is_not_shown(
    model: DashboardResult, drift: DashboardResult, overview: DashboardResult
) -> None:
    workers = {
        labels["worker"]
        for target in model.panel("Host memory by worker").targets[:-1]
        for labels in target.labels
    }
    assert workers == set(exporter.WORKERS)
    assert model.panel("Living workers").targets[0].values == (len(exporter.WORKERS),)
    for result in (model, drift, overview):
        for panel in result.panels:
            for target in panel.targets:
                assert exporter.DEAD_VALUE not in target.values, f"{panel.title} {target.ref_id}"
    # It is shown where its silence is the message.
    ages = {
        labels["worker"]: value
        for target in model.panel("Since the last evaluation").targets[:-1]
        for labels, value in zip(target.labels, target.values)
    }
    assert set(ages) == {*exporter.WORKERS, exporter.DEAD_WORKER}
    assert ages[exporter.DEAD_WORKER] > exporter.DEAD_SECONDS
    assert max(ages[worker] for worker in exporter.WORKERS) < 30


def test_values(overview: DashboardResult, model: DashboardResult, drift: DashboardResult) -> None:
    calls = len(exporter.MODELS) * exporter.CALLS
    assert list(model.panel("Errors").targets[0].values) == pytest.approx([exporter.ERROR_SHARE])
    assert list(overview.panel("Calls").targets[0].values) == pytest.approx([calls], rel=0.05)
    assert list(overview.panel("Wait in the queue").targets[0].values) == pytest.approx([150e-6])
    [since] = overview.panel("Alerts").targets
    assert all(0 <= time.time() - milliseconds / 1000 < 120 for milliseconds in since.values)
    assert drift.panel("Drifted inputs").targets[0].values == (2.0,)
    assert drift.panel("Drifted outputs").targets[0].values == (1.0,)
    for panel in (drift.panel("Live against baseline"), model.panel("Class mix against the baseline")):
        live, baseline = panel.targets
        assert sum(live.values) == pytest.approx(1)
        assert sum(baseline.values) == pytest.approx(1)
        assert {tuple(sorted(labels.items())) for labels in live.labels} == {
            tuple(sorted(labels.items())) for labels in baseline.labels
        }


def test_limits_of_the_chosen_feature_are_drawn(drift: DashboardResult) -> None:
    kl = drift.panel("KL divergence against its limit")
    wasserstein = drift.panel("Wasserstein distance against its limit")
    assert kl.target("T").values == (exporter.LIMITS["kl_divergence"],)
    assert wasserstein.target("T").values == (exporter.LIMITS["wasserstein_distance"],)


def test_fleet_stands_beside_the_workers(drift: DashboardResult) -> None:
    [feature] = [str(variable.value) for variable in drift.variables if variable.name == "feature"]
    [source] = [source for source, name in exporter.FEATURES if name == feature]
    bins = exporter.BINS.get(feature, exporter.NUMERIC_BINS)
    labels = {"source": source, "feature": feature}
    growth = [exporter.growth(metrics.OBSERVATIONS, labels | {"bin": name}) for name in bins]
    live = [value / sum(growth) for value in growth]
    baseline = [1 / len(bins)] * len(bins)
    kl = float(entropy(baseline, live))
    # Rows of a few seconds: the correction for chance takes away some of it, and no time range anything else.
    for title, expected in (
        ("KL divergence against its limit", kl),
        ("PSI of worker and fleet", kl + float(entropy(live, baseline))),
    ):
        fleet = [drift.panel(title).target(ref) for ref in "BCD"]
        values = [value for target in fleet for value in target.values]
        assert values == pytest.approx([expected] * 3, rel=0.1)


def test_table_columns_join_on_the_same_labels(
    drift: DashboardResult, overview: DashboardResult, model: DashboardResult
) -> None:
    features = [
        {frozenset(labels.items()) for labels in target.labels} for target in drift.panel("Features").targets
    ]
    assert all(rows == features[0] for rows in features)
    assert len(features[0]) == len(exporter.FEATURES)
    models = [
        {frozenset(labels.items()) for labels in target.labels} for target in overview.panel("Models").targets
    ]
    assert all(rows == models[0] for rows in models)
    workers = model.panel("Workers")
    keys = [
        {(labels["worker"], labels["model_version"]) for labels in target.labels}
        for target in workers.targets
    ]
    assert keys == [{(worker, "1.0") for worker in exporter.WORKERS}] * 4


def test_chosen_values_narrow_the_queries(prometheus_url: str) -> None:
    one = evaluate(
        load("torchvitals-overview"),
        prometheus_url,
        range_seconds=SCRAPES,
        scrape_interval_seconds=1,
        variables={"model_name": ["fraud.v2"]},
    )
    rows = one.panel("Models").targets[0].labels
    assert [labels["model_name"] for labels in rows] == ["fraud.v2"]
    both = evaluate(
        load("torchvitals-overview"),
        prometheus_url,
        range_seconds=SCRAPES,
        scrape_interval_seconds=1,
        variables={"model_name": ["fraud.v2", "flight_delay"]},
    )
    assert len(both.panel("Models").targets[0].labels) == 2


def test_refused_query_is_an_error(prometheus_url: str) -> None:
    dashboard = load("torchvitals-overview")
    panels_of(dashboard)[1]["targets"][0]["expr"] = "sum by ("
    with pytest.raises(QueryError, match="refused the query"):
        evaluate(dashboard, prometheus_url, range_seconds=SCRAPES, scrape_interval_seconds=1)


def test_substitute() -> None:
    values = macros(3600, 15, 15) | {"one": "a.b", "many": ["a.b", "c"], "single": ["a.b"]}
    assert substitute("x[$__rate_interval]", values) == "x[60000ms]"
    assert substitute("x[$__range]", values) == "x[3600000ms]"
    assert substitute('{a="$one", b=~"${one:regex}"}', values) == r'{a="a.b", b=~"a\.b"}'
    assert substitute('{a=~"$many", b=~"[[single]]"}', values) == r'{a=~"(a\\.b|c)", b=~"a\\.b"}'
    with pytest.raises(QueryError, match="'nothing'"):
        substitute("$nothing", values)
