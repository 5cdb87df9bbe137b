"""Every query of every dashboard against a real Prometheus, with the real recording rules and alerts."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from scipy.stats import entropy

from tests.dashboards import exporter, labelled
from tests.dashboards.live import SCRAPE_SECONDS, SCRAPED_SECONDS, prometheus_over_exporter
from tests.dashboards.queries import (
    DashboardResult,
    QueryError,
    evaluate,
    load,
    names,
    panels_of,
    slow,
    substitute,
)
from torchvitals.telemetry import catalogue as metrics
from torchvitals_report import Span
from torchvitals_report.templating import legend, macros

SLOWEST_SECONDS = 1.0
SPAN = {"range_seconds": SCRAPED_SECONDS, "scrape_interval_seconds": SCRAPE_SECONDS}
# Panels that rightly have no data here, by title, with the reason. The exporter says everything, so there is none.
NO_DATA: dict[str, str] = {}
MANY_MODELS = {"torchvitals-overview", "torchvitals-health"}


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus_over_exporter(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture(scope="module")
def results(prometheus_url: str) -> dict[str, DashboardResult]:
    return {
        name: evaluate(
            load(name), prometheus_url, range_seconds=SCRAPED_SECONDS, scrape_interval_seconds=SCRAPE_SECONDS
        )
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


@pytest.fixture
def quality(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-quality"]


@pytest.fixture
def versions(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-versions"]


@pytest.fixture
def health(results: dict[str, DashboardResult]) -> DashboardResult:
    return results["torchvitals-health"]


@pytest.mark.parametrize("name", names())
def test_every_panel_has_data(results: dict[str, DashboardResult], name: str) -> None:
    result = results[name]
    with_queries = [panel for panel in panels_of(load(name)) if panel["type"] != "text"]
    assert len(result.panels) == len(with_queries) > 10
    assert [title for title in result.empty() if title not in NO_DATA] == []


@pytest.mark.parametrize("name", names())
def test_every_target_has_data(results: dict[str, DashboardResult], name: str) -> None:
    empty = {
        f"{panel.title} {target.ref_id}"
        for panel in results[name].panels
        for target in panel.targets
        if target.series == 0
    }
    assert empty == set()


@pytest.mark.parametrize("name", names())
def test_no_query_is_slow(results: dict[str, DashboardResult], prometheus_url: str, name: str) -> None:
    def evaluated() -> Iterator[DashboardResult]:
        yield results[name]
        while True:
            yield evaluate(
                load(name),
                prometheus_url,
                range_seconds=SCRAPED_SECONDS,
                scrape_interval_seconds=SCRAPE_SECONDS,
            )

    assert slow(evaluated().__next__, limit_seconds=SLOWEST_SECONDS) == set()


@pytest.mark.parametrize("name", names())
def test_a_graph_has_at_most_five_lines(results: dict[str, DashboardResult], name: str) -> None:
    for panel in results[name].panels:
        if panel.type != "timeseries":
            continue
        [source] = [one for one in panels_of(load(name)) if one["id"] == panel.panel_id]
        legends = {target["refId"]: target["legendFormat"] for target in source["targets"]}
        overrides = source["fieldConfig"]["overrides"]
        coloured = {one["matcher"]["options"] for one in overrides if one["matcher"]["id"] == "byName"}
        edges = {
            one["matcher"]["options"]
            for one in overrides
            if {"id": "custom.lineWidth", "value": 0} in one["properties"]
        }
        drawn = []
        for target in panel.targets:
            shown = [legend(legends[target.ref_id], labels) for labels in target.labels]
            if target.ref_id != "T" and target.ref_id not in edges:
                drawn += shown
            if target.series > 1 and "topk(" not in target.expr:
                assert set(shown) <= coloured, panel.title
        assert len(drawn) <= 5, panel.title
        assert len(set(drawn)) == len(drawn), panel.title


@pytest.mark.parametrize("name", names())
def test_alerts_are_annotations(results: dict[str, DashboardResult], name: str) -> None:
    found = {labels["alertname"] for labels in results[name].annotations["Firing alerts"].labels}
    assert {"ModelInputDrift", "ModelPredictionDrift"} <= found
    assert "Watchdog" not in found


@pytest.mark.parametrize("name", names())
def test_deployments_are_annotations(prometheus_url: str, name: str) -> None:
    """Each appears once, for one step; what was there before is no news."""
    result = evaluate(
        load(name),
        prometheus_url,
        range_seconds=2 * SCRAPED_SECONDS,
        scrape_interval_seconds=SCRAPE_SECONDS,
        titles=(),
        variables={"model_name": ["fraud.v2"] if name in MANY_MODELS else "fraud.v2"},
    )
    [version] = result.annotations["New versions"].labels
    [baseline] = result.annotations["New baselines"].labels
    assert version == {"model_name": "fraud.v2", "model_version": "2.1"}
    assert baseline["baseline_sha256"] == exporter.SECOND_SHA
    [[served]] = result.annotations["New versions"].times
    [[replaced]] = result.annotations["New baselines"].times
    # A scrape and a step of an evaluation lie between what happens and where it is marked.
    assert abs(replaced - served - exporter.REBASED_SECONDS) <= 3 * SCRAPE_SECONDS


def test_variables(drift: DashboardResult) -> None:
    found = {variable.name: variable for variable in drift.variables}
    assert found["job"].options == ("torchserve",)
    assert found["job"].value == ".+"
    assert found["model_name"].options == ("flight_delay", "fraud.v2")
    assert found["model_name"].value == "flight_delay"
    assert found["model_version"].options == ("1.9", "1.10")
    assert found["model_version"].value == "1.9"
    assert found["window"].options == ("1000",)
    assert set(found["feature"].options) == {feature for _, feature in exporter.FEATURES}


def test_the_five_largest_are_drawn(drift: DashboardResult) -> None:
    panel = drift.panel("PSI")
    psi = dict(
        zip(
            [labels["feature"] for labels in drift.panel("Features").target("B").labels],
            drift.panel("Features").target("B").values,
        )
    )
    largest = sorted(psi, key=psi.__getitem__, reverse=True)[:5]
    assert {labels["feature"] for labels in panel.target("A").labels} == set(largest)
    assert panel.target("T").values == (exporter.THRESHOLDS["psi"],)


def test_of_equal_series_five_are_drawn_once(drift: DashboardResult) -> None:
    [missing] = drift.panel("Missing values").targets
    assert set(missing.values) == {0.0}
    assert len({labels["feature"] for labels in missing.labels}) == len(missing.labels) == 5


def test_models_of_equal_latency_are_drawn_once(prometheus_url: str) -> None:
    """The two stable versions have the same buckets, and histogram_quantile returns them in any order."""
    for _ in range(10):
        result = evaluate(load("torchvitals-overview"), prometheus_url, **SPAN, titles=["p95 latency"])
        drawn = result.panel("p95 latency").target("A")
        models = [(labels["model_name"], labels["model_version"]) for labels in drawn.labels]
        assert sorted(models) == sorted(exporter.MODELS)
        stable = {value for model, value in zip(models, drawn.values) if model != exporter.CANARY}
        assert len({round(value, 9) for value in stable}) == 1


def test_dead_worker_is_not_shown(
    results: dict[str, DashboardResult], model: DashboardResult, health: DashboardResult
) -> None:
    workers = {
        labels["worker"]
        for target in model.panel("Host memory by worker").targets[:-1]
        for labels in target.labels
    }
    assert workers == set(exporter.WORKERS)
    assert model.panel("Living workers").targets[0].values == (len(exporter.WORKERS) * 2,)
    for result in results.values():
        for panel in result.panels:
            for target in panel.targets:
                assert exporter.DEAD_VALUE not in target.values, f"{panel.title} {target.ref_id}"
    # It is shown where its silence is the message.
    ages = {
        labels["worker"]: value
        for target in health.panel("Since the last flush").targets[:-1]
        for labels, value in zip(target.labels, target.values)
    }
    assert exporter.DEAD_WORKER in ages
    assert ages[exporter.DEAD_WORKER] > exporter.DEAD_SECONDS - exporter.DYING_SECONDS
    assert max((age for worker, age in ages.items() if worker in exporter.WORKERS), default=0) < 30
    assert health.panel("Silent workers").targets[0].values == (len(exporter.MODELS),)
    assert health.panel("Living workers").targets[0].values == (len(exporter.WORKERS) * len(exporter.MODELS),)


def test_values(overview: DashboardResult, model: DashboardResult, drift: DashboardResult) -> None:
    calls = len(exporter.MODELS) * exporter.CALLS
    # The canary takes half of the calls, and fails twice as often.
    assert list(model.panel("Errors").targets[0].values) == pytest.approx([1.5 * exporter.ERROR_SHARE])
    assert list(overview.panel("Calls").targets[0].values) == pytest.approx([calls], rel=0.05)
    assert list(overview.panel("Wait in the queue").targets[0].values) == pytest.approx(
        [150e-6] * len(exporter.NAMES)
    )
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
    bins = drift.panel("Live against baseline").targets[0].labels
    assert {labels["bin"]: labels["values"] for labels in bins} == {
        "00 ..12.5": "..12.5",
        "01 12.5..20": "12.5..20",
        "02 20..": "20..",
        "missing": "missing",
    }


def test_the_estimated_accuracy_lies_in_its_band(model: DashboardResult, versions: DashboardResult) -> None:
    bounds = exporter.ACCURACY_BOUNDS
    for panel, line, lower, upper in (
        (model.panel("Estimated accuracy"), "A", "C", "D"),
        (versions.panel("Estimated accuracy"), "A", "C", "D"),
        (versions.panel("Estimated accuracy"), "B", "E", "F"),
    ):
        [estimate] = panel.target(line).values
        assert panel.target(lower).values == (bounds["lower"],)
        assert panel.target(upper).values == (bounds["upper"],)
        assert bounds["lower"] < estimate < bounds["upper"]


def test_what_happens_before_the_handler(model: DashboardResult) -> None:
    waiting, running = model.panel("Requests waiting and running").targets
    assert list(waiting.values) == pytest.approx([150e-6 * exporter.CALLS], rel=0.05)
    assert list(running.values) == pytest.approx([(9000e-6 - 150e-6) * exporter.CALLS], rel=0.05)
    mean, answer, *_ = model.panel("Wait in TorchServe's queue").targets
    assert list(mean.values) == pytest.approx([150e-6])
    assert answer.values[0] > max(model.panel("Latency of a call").target("A").values)
    [unanswered] = model.panel("Requests without an answer of the model").target("A").values
    assert 0 <= unanswered < 1
    living, most = model.panel("Workers over time").targets
    assert living.values[-1] == 2 * len(exporter.WORKERS)
    assert most.values[-1] >= living.values[-1]


def test_limits_of_the_chosen_feature_are_drawn(drift: DashboardResult) -> None:
    kl = drift.panel("KL divergence against its limit")
    wasserstein = drift.panel("Wasserstein distance against its limit")
    assert kl.target("T").values == (exporter.LIMITS["kl_divergence"],)
    assert wasserstein.target("T").values == (exporter.LIMITS["wasserstein_distance"],)


def test_distribution_over_time_is_in_order_beside_the_baseline(drift: DashboardResult) -> None:
    [live] = drift.panel("Distribution over time").targets
    [baseline] = drift.panel("Distribution in the baseline").targets
    bins = ["..12.5", "12.5..20", "20..", "missing"]
    for target in (live, baseline):
        # Grafana draws the series as they come, the first at the bottom.
        assert [labels["values"] for labels in target.labels] == bins
        assert sum(target.values) == pytest.approx(1)
    [bars, _] = drift.panel("Live against baseline").targets
    whole = dict(zip([labels["values"] for labels in bars.labels], bars.values))
    assert dict(zip(bins, live.values)) == pytest.approx(whole)


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
        {frozenset(labels.items()) for labels in target.labels}
        for title in ("Features", "Missing values, shares and spread")
        for target in drift.panel(title).targets
    ]
    every = {frozenset({"source": source, "feature": name}.items()) for source, name in exporter.FEATURES}
    # Empty cells of categories: they have no distance, shift or spread.
    numbers = {row for row in every if not {name for _, name in row} & exporter.CATEGORIES}
    of_numbers = [rows for rows in features if rows == numbers]
    assert len(of_numbers) == 7, "mean shift, and Wasserstein, narrowing and exceedance, each with its limit"
    assert [rows for rows in features if rows != numbers] == [every] * (len(features) - len(of_numbers))
    models = [
        {frozenset(labels.items()) for labels in target.labels} for target in overview.panel("Models").targets
    ]
    assert all(rows == models[0] for rows in models)
    workers = model.panel("Workers")
    keys = [
        {(labels["worker"], labels["model_version"]) for labels in target.labels}
        for target in workers.targets
    ]
    served = {(worker, version) for worker in exporter.WORKERS for version in ("1.9", "1.10")}
    assert keys == [served] * 5


def test_canary_stands_beside_stable(versions: DashboardResult) -> None:
    found = {variable.name: variable.value for variable in versions.variables}
    assert (found["model_version"], found["canary_version"]) == ("1.9", "1.10")
    stable, canary = versions.panel("Errors").targets[:2]
    assert list(stable.values + canary.values) == pytest.approx(
        [exporter.ERROR_SHARE, 2 * exporter.ERROR_SHARE]
    )
    assert list(versions.panel("More errors than stable").targets[0].values) == pytest.approx(
        [exporter.ERROR_SHARE]
    )
    assert list(versions.panel("Share of traffic").targets[0].values) == pytest.approx([0.5])
    [slower] = versions.panel("p95 against stable").targets[0].values
    assert slower > 1
    # 4, 2 and 1 of 7 against a third each.
    [differing] = versions.panel("Class mix that differs").targets[0].values
    assert differing == pytest.approx(4 / 7 - 1 / 3)
    rows = [
        {labels["model_version"] for labels in target.labels}
        for target in versions.panel("Both versions").targets
    ]
    assert rows == [{"1.9", "1.10"}] * 12
    for target in versions.panel("Class mix").targets:
        assert sum(target.values) == pytest.approx(1)


def test_quality_is_that_of_the_labels(quality: DashboardResult) -> None:
    """Corrections are taken back: without them each share would be the same, and each count a fifth larger."""
    right = labelled.ACCURACY
    for title in ("Accuracy, last hour", "Accuracy, last day"):
        assert list(quality.panel(title).target("A").values) == pytest.approx([right])
    assert list(quality.panel("Estimate too high by").target("A").values) == pytest.approx(
        [labelled.EXPECTED - right]
    )
    by_version = quality.panel("True accuracy by version").target("A")
    assert {labels["model_version"] for labels in by_version.labels} == {"1.9", "1.10"}
    truth = quality.panel("Truth beside the estimate")
    assert list(truth.target("A").values) == pytest.approx([right])
    [estimate, before] = (truth.target(ref).values[0] for ref in "CD")
    assert truth.target("E").values[0] < estimate < truth.target("F").values[0]
    assert list(truth.target("T").values) == pytest.approx(
        [before - exporter.THRESHOLDS["estimated_accuracy_drop"]]
    )
    segments = quality.panel("Segments").target("A")
    wrong = dict(zip([labels["segment"] for labels in segments.labels], segments.values))
    better = dict(zip(labelled.SEGMENTS, labelled.SEGMENT_RIGHT))
    assert wrong == pytest.approx({name: 1 - right * times for name, times in better.items()})


def test_the_confusion_matrix_is_of_shares_of_a_true_class(quality: DashboardResult) -> None:
    [matrix] = quality.panel("What was taken for what").targets
    shares = {
        (labels["actual"], labels["predicted"]): value for labels, value in zip(matrix.labels, matrix.values)
    }
    classes = exporter.CLASSES
    assert set(shares) == {(actual, predicted) for actual in classes for predicted in classes}
    better = sum(share * right for share, right in zip(labelled.SEGMENT_SHARES, labelled.SEGMENT_RIGHT))
    recall = [share * better for share in labelled.RIGHT]
    for place, (actual, right) in enumerate(zip(classes, recall)):
        assert shares[actual, actual] == pytest.approx(right)
        assert shares[actual, classes[(place + 1) % 3]] == pytest.approx(1 - right)
        assert shares[actual, classes[(place + 2) % 3]] == pytest.approx(0)
    panel = quality.panel("Classes")
    columns = {
        ref: dict(zip([labels["class"] for labels in panel.target(ref).labels], panel.target(ref).values))
        for ref in "ABCDE"
    }
    assert columns["D"] == pytest.approx(dict(zip(classes, recall)))
    for name in classes:
        precision, found, f1 = (columns[ref][name] for ref in "CDE")
        assert f1 == pytest.approx(2 * precision * found / (precision + found))
        assert columns["B"][name] * precision == pytest.approx(columns["A"][name] * found)


def test_confidence_stands_beside_the_truth(quality: DashboardResult) -> None:
    confidence, right = quality.panel("Confidence and truth").targets
    assert [labels["confidence"] for labels in confidence.labels] == ["up to 0.9"]
    assert list(confidence.values) == pytest.approx([labelled.CONFIDENCE])
    assert list(right.values) == pytest.approx([labelled.ACCURACY])
    distance, chance = (quality.panel("Distance of confidence and truth").target(ref) for ref in "AB")
    assert list(distance.values) == pytest.approx([labelled.CONFIDENCE - labelled.ACCURACY])
    assert 0 < chance.values[0] < 1
    root, mean = (quality.panel("Error of values").target(ref) for ref in "AB")
    assert list(root.values) == pytest.approx([labelled.SQUARED_ERROR**0.5])
    over, under = labelled.ABSOLUTE_ERRORS["over"], labelled.ABSOLUTE_ERRORS["under"]
    assert list(mean.values) == pytest.approx([over + under])
    bias = quality.panel("Bias of values").target("A").values
    assert list(bias) == pytest.approx([over - under] * 2)


def test_labels_of_all_models_and_of_none(quality: DashboardResult) -> None:
    came = quality.panel("Labels that came").target("A")
    assert {labels["result"] for labels in came.labels} == {"new", "same", "corrected", "refused", "unusable"}
    assert quality.panel("Files of predictions that wait").target("A").values == (3.0,)
    assert quality.panel("Labels without a prediction").target("A").values == (12.0,)


def test_health_shows_what_is_delivered(health: DashboardResult) -> None:
    sent, failed = health.panel("Deliveries by integration").targets
    assert [labels["integration"] for labels in sent.labels] == ["webhook"]
    assert failed.labels == sent.labels
    # Both began at different scrapes, and increase() extrapolates.
    assert list(failed.values) == pytest.approx(list(sent.values), rel=0.3)
    assert health.panel("Failed notifications").targets[0].values[0] > 0
    built = health.panel("Models").targets[0].labels
    assert {labels["baseline_sha256"] for labels in built} == {exporter.FIRST_SHA, exporter.SECOND_SHA}
    series = dict(
        zip(
            [
                (labels["model_name"], labels["model_version"])
                for labels in health.panel("Models").target("E").labels
            ],
            health.panel("Models").target("E").values,
        )
    )
    assert set(series) == set(exporter.MODELS)
    assert min(series.values()) > len(exporter.FEATURES) * len(exporter.WORKERS) * 9


def test_limits_of_features_are_in_the_table(drift: DashboardResult) -> None:
    features = drift.panel("Features")
    assert set(features.target("D").values) == {exporter.LIMITS["kl_divergence"]}
    assert set(features.target("F").values) == {exporter.LIMITS["wasserstein_distance"]}
    farthest = max(drift.panel("Farthest as a multiple of its limit").target("A").values)
    largest = max(features.target("C").values)
    assert farthest == pytest.approx(largest / exporter.LIMITS["kl_divergence"])


def test_chosen_values_narrow_the_queries(prometheus_url: str) -> None:
    one = evaluate(
        load("torchvitals-overview"),
        prometheus_url,
        **SPAN,
        titles=["Models"],
        variables={"model_name": ["fraud.v2"]},
    )
    rows = one.panel("Models").targets[0].labels
    assert [labels["model_name"] for labels in rows] == ["fraud.v2"]
    both = evaluate(
        load("torchvitals-overview"),
        prometheus_url,
        **SPAN,
        titles=["Models"],
        variables={"model_name": ["fraud.v2", "flight_delay"]},
    )
    assert len(both.panel("Models").targets[0].labels) == len(exporter.MODELS)


def test_clusters_are_told_apart_where_they_have_labels(prometheus_url: str) -> None:
    def rows(**chosen: list[str]) -> int:
        result = evaluate(
            load("torchvitals-overview"), prometheus_url, **SPAN, titles=["Models"], variables=chosen
        )
        found = {variable.name: variable for variable in result.variables}
        assert found["cluster"].options == ("blue",)
        # No series has it.
        assert found["env"].options == ()
        assert found["env"].value == ".*"
        return len(result.panel("Models").target("A").labels)

    assert rows() == rows(cluster=["blue"]) == rows(namespace=["ml"]) == len(exporter.MODELS)
    assert rows(cluster=["green"]) == 0


@pytest.mark.parametrize("range_seconds", [5, SCRAPED_SECONDS])
def test_a_server_that_was_never_seen_is_down(prometheus_url: str, range_seconds: float) -> None:
    result = evaluate(
        load("torchvitals-overview"),
        prometheus_url,
        range_seconds=range_seconds,
        scrape_interval_seconds=SCRAPE_SECONDS,
        titles=["Servers down"],
    )
    assert result.panel("Servers down").target("A").values == (1,)


def test_refused_query_is_an_error(prometheus_url: str) -> None:
    dashboard = load("torchvitals-overview")
    panels_of(dashboard)[1]["targets"][0]["expr"] = "sum by ("
    with pytest.raises(QueryError, match="refused the query"):
        evaluate(
            dashboard, prometheus_url, range_seconds=SCRAPED_SECONDS, scrape_interval_seconds=SCRAPE_SECONDS
        )


def test_substitute() -> None:
    values = macros(Span(0, 3600, 15), 15) | {"one": "a.b", "many": ["a.b", "c"], "single": ["a.b"]}
    assert substitute("x[$__rate_interval]", values) == "x[60000ms]"
    assert substitute("x[$__range]", values) == "x[3600000ms]"
    assert substitute('{a="$one", b=~"${one:regex}"}', values) == r'{a="a.b", b=~"a\.b"}'
    assert substitute('{a=~"$many", b=~"[[single]]"}', values) == r'{a=~"(a\\.b|c)", b=~"a\\.b"}'
    with pytest.raises(QueryError, match="'nothing'"):
        substitute("$nothing", values)
