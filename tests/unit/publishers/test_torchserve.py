"""The bridge to TorchServe's metrics API: the lines that its front end will read."""

import re

import pytest
import yaml
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from torchvitals.publishers.labels import LONGEST
from torchvitals.publishers.torchserve import (
    WHOLE_WRITE_BYTES,
    TorchServePublisher,
    safe_label,
    safe_number,
)
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.generate import LABEL_VALUES

# frontend: metrics/Metric.java
LINE = re.compile(
    r"\s*([\w\s]+)\.([\w\s]+):([0-9\-,.e]+)\|#([^|]*)(\|#type:([^|,]+))?\|#hostname:([^,]+),([^,]+)(,(.*))?"
)


@pytest.fixture
def lines(caplog):
    caplog.set_level("INFO")

    def emitted():
        written = [
            record.getMessage() for record in caplog.records if record.getMessage().startswith("[METRICS]")
        ]
        found = [line for text in written for line in text.split("\n")]
        caplog.clear()
        parsed = [LINE.fullmatch(line[len("[METRICS]") :]) for line in found]
        assert all(parsed), found
        return [
            (match[1], float(match[3]), dict(part.split(":") for part in match[4].split(",")), match[6])
            for match in parsed
        ]

    return emitted


def publisher_of(cache, **options):
    return TorchServePublisher(cache, **{"model_name": "fraud", "model_version": "1.0", **options})


def test_every_declared_metric_is_a_line_that_torchserve_parses(cache, lines):
    publisher = publisher_of(cache)
    for metric in m.flat():
        labels = tuple(f"value {index}" for index in range(len(metric.labels)))
        (publisher.increase if metric.type == "counter" else publisher.set)(metric, labels, 1.5)
    publisher.flush()
    found = lines()
    assert [name for name, *_ in found] == [metric.name for metric in m.flat()]
    for (_, value, labels, kind), metric in zip(found, m.flat(), strict=True):
        assert value == 1.5
        assert list(labels) == ["model_name", "model_version", *metric.labels]
        assert kind == metric.type.upper()


def test_metrics_yaml_declares_the_same_labels_in_the_same_order():
    with open("metrics.yaml", encoding="utf-8") as file:
        declared = yaml.safe_load(file)["model_metrics"]
    found = {row["name"]: (kind, row["dimensions"]) for kind, rows in declared.items() for row in rows}
    for metric in m.flat():
        assert found[metric.name] == (metric.type, [*m.COMMON_LABELS, *metric.labels])


def test_torchserves_own_metrics_are_all_kept():
    import ts

    with open(f"{ts.__path__[0]}/configs/metrics.yaml", encoding="utf-8") as file:
        theirs = yaml.safe_load(file)
    with open("metrics.yaml", encoding="utf-8") as file:
        ours = yaml.safe_load(file)
    assert ours["ts_metrics"] == theirs["ts_metrics"]
    for kind, rows in theirs["model_metrics"].items():
        for row in rows:
            assert row in ours["model_metrics"][kind]


@pytest.mark.parametrize("value", ["a,b", "cuda:0", "x\n[METRICS]forged.unit:1|#a:b", "p|q", "#", "[x]", ""])
def test_no_label_value_breaks_or_forges_a_line(cache, lines, value):
    publisher = publisher_of(cache)
    publisher.increase(m.PREDICTIONS, (value,), 1)
    publisher.flush()
    ((name, _, labels, _),) = lines()
    assert name == "model_predictions_total"
    assert labels["class"] == safe_label(value)


@pytest.mark.parametrize(
    "value", [1e20, 1e300, 1.5e16, float("inf"), float("-inf"), 1e-12, -3.25, 0.1 + 0.2, 5]
)
def test_every_number_has_a_text_that_torchserve_parses(cache, lines, value):
    publisher = publisher_of(cache)
    publisher.set(m.THRESHOLD, ("kl_divergence",), value)
    publisher.flush()
    ((_, got, _, _),) = lines()
    assert got == pytest.approx(safe_number(value))


def test_nan_is_refused(cache):
    with pytest.raises(ValueError, match="NaN"):
        publisher_of(cache).set(m.THRESHOLD, ("kl_divergence",), float("nan"))


def test_a_timestamp_keeps_its_seconds(cache, lines):
    publisher = publisher_of(cache)
    publisher.set(m.WINDOW_EVALUATED, ("9000",), 1_790_000_123.456)
    publisher.flush()
    assert lines()[0][1] == pytest.approx(1_790_000_123.456, abs=0.01)


def test_a_gauge_is_sent_only_when_it_changed(cache, lines):
    publisher = publisher_of(cache)
    for value in (1, 1, 2, 2, 1):
        publisher.set(m.WINDOW_SAMPLES, ("1000", "9000"), value)
    publisher.flush()
    assert [value for _, value, *_ in lines()] == [1, 2, 1]


def test_our_lines_are_those_that_torchserve_would_write(cache, caplog, monkeypatch):
    caplog.set_level("INFO")
    monkeypatch.setattr("time.time", lambda: 1_790_000_123.0)
    publisher = publisher_of(cache)
    publisher.set(m.WINDOW_SAMPLES, ("1000", "9000"), 12)
    publisher.increase(m.REQUESTS, ("ok",), 0.5)
    publisher.flush()
    labels = {"model_name": "fraud", "model_version": "1.0"}
    for metric, values, kind, value in (
        (m.WINDOW_SAMPLES, {**labels, "window": "1000", "worker": "9000"}, MetricTypes.GAUGE, 12),
        (m.REQUESTS, {**labels, "outcome": "ok"}, MetricTypes.COUNTER, 0.5),
    ):
        theirs = CachingMetric(metric.name, metric.unit, list(values), kind)
        theirs.add_or_update(value, list(values.values()))
    ours, *theirs = (record for record in caplog.records if record.name == CachingMetric.__module__)
    assert ours.getMessage().split("\n") == [record.getMessage() for record in theirs]


def test_lines_go_out_some_at_a_time_each_write_in_one_piece(cache, caplog):
    caplog.set_level("INFO")
    publisher = publisher_of(cache)
    for index in range(500):
        publisher.set(m.feature_gauge("kl_divergence"), ("input", f"column {index} ä", "1000", "9000"), index)
    publisher.flush()
    publisher.flush()
    writes = [record.getMessage() for record in caplog.records]
    assert max(len(text.encode()) + 1 for text in writes) <= WHOLE_WRITE_BYTES
    assert len(writes) <= 40
    lines = "\n".join(writes).split("\n")
    assert [line.split("feature:")[1].split(",")[0] for line in lines] == [
        f"column {n} ä" for n in range(500)
    ]


def test_a_metrics_yaml_without_ours_is_said(caplog, tmp_path):
    path = tmp_path / "metrics.yaml"
    path.write_text(
        "model_metrics:\n  gauge:\n    - {name: HandlerTime, unit: ms, dimensions: [ModelName, Level]}\n"
    )
    cache = MetricsCacheYamlImpl(str(path))
    cache.initialize_cache()
    publisher_of(cache)
    assert f"lacks {len(m.flat())} metrics of TorchVitals (model_requests_total" in caplog.text


def test_the_docs_say_what_label_values_are():
    for name in ("a_b", "a,b", "a:b"):
        assert f"| `{name}` | `{safe_label(name)}` |\n" in LABEL_VALUES
    assert f"more than {LONGEST} characters" in LABEL_VALUES
