"""One declaration is a metric, in the catalogue and in what is generated from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchvitals.drift.statistics import STATISTICS
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.generate import LABEL_VALUES, metrics_markdown, metrics_yaml
from torchvitals.telemetry.metric import Catalogue, Histogram, Metric

ROOT = Path(__file__).parents[3]


def test_a_declaration_is_all_that_a_metric_needs():
    with m.CATALOGUE.restoring():
        coffee = m.CATALOGUE.counter("model_coffee_total", "cups", "Coffee that was drunk.", ("bean",))
        assert coffee == Metric("model_coffee_total", "counter", "cups", "Coffee that was drunk.", ("bean",))
        assert m.flat()[-1] == coffee
        assert (
            '    - {name: model_coffee_total, unit: "cups", dimensions: [model_name, model_version, bean]}\n'
            in metrics_yaml().split("  counter:\n")[-1]
        )
        assert metrics_markdown().endswith(
            "| `model_coffee_total` | counter | cups | `bean` | Coffee that was drunk. |\n" + LABEL_VALUES
        )
    assert "coffee" not in metrics_yaml()
    assert metrics_markdown() == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_a_histogram_is_three_counters_in_the_file_and_one_row_in_the_docs():
    with m.CATALOGUE.restoring():
        m.CATALOGUE.histogram("model_cup_bytes", "B", "Size of a cup.", (1.0, 2.0), ("bean",))
        common = "model_name, model_version, bean"
        assert metrics_yaml().endswith(
            f'    - {{name: model_cup_bytes_bucket, unit: "count", dimensions: [{common}, le]}}\n'
            f'    - {{name: model_cup_bytes_sum, unit: "B", dimensions: [{common}]}}\n'
            f'    - {{name: model_cup_bytes_count, unit: "count", dimensions: [{common}]}}\n'
        )
        assert metrics_markdown().endswith(
            "| `model_cup_bytes` | histogram | B | `bean` | Size of a cup. |\n" + LABEL_VALUES
        )


@pytest.mark.parametrize(
    "name",
    ["model_requests_total", "model_stage_duration_seconds_bucket", "model_feature_psi", "model_threshold"],
)
def test_a_second_metric_of_a_name_is_refused(name):
    before = m.flat()
    with m.CATALOGUE.restoring():
        for declare in (m.CATALOGUE.counter, m.CATALOGUE.gauge):
            with pytest.raises(ValueError, match=f"metric '{name}' is declared twice; rename one of the two"):
                declare(name, "count", "Again.")
        assert m.flat() == before


def test_a_histogram_whose_count_exists_is_refused():
    catalogue = Catalogue()
    catalogue.counter("model_x_count", "count", "X.")
    with pytest.raises(ValueError, match="metric 'model_x_count' is declared twice"):
        catalogue.histogram("model_x", "s", "X.", (1.0,))
    assert [entry.name for entry in catalogue] == ["model_x_count"]


def test_a_failure_inside_takes_a_metric_back_too():
    before = m.flat()

    def fails() -> None:
        with m.CATALOGUE.restoring():
            m.CATALOGUE.gauge("model_x", "count", "X.")
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert m.flat() == before


def test_the_order_is_that_of_declaration():
    catalogue = Catalogue()
    first = catalogue.gauge("model_b", "s", "B.")
    more: list[Metric] = []
    catalogue.follow(lambda: more)
    last = catalogue.histogram("model_a", "s", "A.", (1.0,))
    more.append(Metric("model_c", "gauge", "s", "C."))
    assert list(catalogue) == [first, *more, last]
    assert catalogue.flat() == (first, *more, last.bucket, last.sum, last.count)


def test_every_metric_of_the_module_is_in_the_catalogue_once():
    named = [value for value in vars(m).values() if isinstance(value, (Metric, Histogram))]
    gauges = [m.feature_gauge(statistic.name) for statistic in STATISTICS]
    entries = list(m.CATALOGUE)
    assert sorted(map(repr, entries)) == sorted(map(repr, [*named, *gauges]))


def test_the_gauge_of_a_statistic():
    assert m.feature_gauge("p_value") == Metric(
        "model_feature_drift_p_value",
        "gauge",
        "ratio",
        "Probability of a window this different if nothing had changed (two-sample tests, on bin counts and range).",
        ("source", "feature", "window", "worker"),
    )
    with pytest.raises(KeyError, match="unknown statistic 'p'; known: kl_divergence"):
        m.feature_gauge("p")
