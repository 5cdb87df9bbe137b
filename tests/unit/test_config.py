"""The configuration, and its errors."""

import msgspec
import numpy as np
import pytest

from torchvitals import Baseline, ConfigurationError, Features, MonitoredModel, MonitoringConfig, Thresholds
from torchvitals.config import NO_SIGNAL, Objectives, read_config


def section(**values):
    return {"minWorkers": 1, "handler": {"monitoring": values}}


def test_an_absent_section_gives_the_defaults():
    for config in (None, {}, {"handler": None}, {"handler": {"profile": True}}):
        assert read_config(config) == MonitoringConfig()


def test_values_are_read():
    config = read_config(
        section(window=500, flush_interval=2, thresholds={"kl_divergence": 1, "class_share": None})
    )
    assert (config.window, config.flush_interval) == (500, 2.0)
    assert config.thresholds == Thresholds(kl_divergence=1.0, class_share=None)
    assert "class_share" not in config.thresholds.exported()
    assert config.thresholds.exported()["kl_divergence"] == 1.0


def test_all_thresholds_at_null_are_told_from_none_that_are_exported():
    signals = [field.name for field in msgspec.structs.fields(Thresholds)]
    off = read_config(section(thresholds=dict.fromkeys(signals))).thresholds
    assert off.exported() == {NO_SIGNAL: 0.0}
    assert NO_SIGNAL not in signals
    one = read_config(section(thresholds={**dict.fromkeys(signals), "psi": 0.2})).thresholds
    assert one.exported() == {"psi": 0.2}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"windw": 5}, "my.yaml: handler.monitoring: unknown key 'windw'; did you mean 'window'?"),
        (
            {"zzz": 5},
            "my.yaml: handler.monitoring: unknown key 'zzz'; known keys: baseline, learn, base_handler,",
        ),
        (
            {"thresholds": {"kl": 1, "kl_divergenc": 1}},
            "my.yaml: handler.monitoring.thresholds: unknown key 'kl'; ",
        ),
        ({"window": "many"}, "my.yaml: handler.monitoring.window: expected `int | array`, got `str`"),
        ({"window": 3}, "my.yaml: handler.monitoring.window: expected `int` >= 10"),
        ({"flush_interval": 0}, "my.yaml: handler.monitoring.flush_interval: expected `float` >= 0.1"),
        ({"timing": "exact"}, "my.yaml: handler.monitoring.timing: invalid enum value 'exact'"),
        (
            {"thresholds": {"confidence": 2}},
            "my.yaml: handler.monitoring.thresholds.confidence: expected `float` <= 1",
        ),
        (
            {"thresholds": {"device_memory_ratio": 90}},
            "my.yaml: handler.monitoring.thresholds.device_memory_ratio: expected `float` <= 1",
        ),
        (
            {"thresholds": {"monitor_errors": 0}},
            "my.yaml: handler.monitoring.thresholds.monitor_errors: expected `int` >= 1",
        ),
        (
            {"thresholds": {"baseline_age_seconds": "180d"}},
            "my.yaml: handler.monitoring.thresholds.baseline_age_seconds: expected `float | null`, got `str`",
        ),
    ],
)
def test_a_wrong_value_is_named_with_file_and_field(values, message):
    with pytest.raises(ConfigurationError) as refusal:
        read_config(section(**values), "my.yaml")
    assert str(refusal.value).startswith(message)


def test_a_baseline_and_learning_one_exclude_each_other():
    with pytest.raises(ConfigurationError, match="'baseline' and 'learn' exclude each other"):
        read_config(section(baseline="a.json", learn=500))


def test_an_empty_list_of_windows_is_refused():
    with pytest.raises(ConfigurationError, match=r"handler\.monitoring\.window: the list is empty"):
        read_config(section(window=[]))


def test_a_section_that_is_no_mapping_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"my\.yaml: handler\.monitoring: expected `object`, got `str`"
    ):
        read_config({"handler": {"monitoring": "yes"}}, "my.yaml")


def test_the_default_objective_follows_from_the_errors_that_a_model_lives_with():
    assert Objectives().exported(Thresholds()) == {"availability": pytest.approx(0.999)}
    assert Objectives().exported(Thresholds(error_ratio=0.2)) == {"availability": pytest.approx(0.996)}
    assert Objectives().exported(Thresholds(error_ratio=None)) == {NO_SIGNAL: 0.0}


def test_objectives_are_read():
    config = read_config(section(slo={"availability": 0.99, "latency_seconds": 0.5, "latency_ratio": 0.95}))
    assert config.slo.exported(config.thresholds) == {"availability": 0.99, "latency": 0.95}
    none = read_config(section(slo={"availability": None}))
    assert none.slo.exported(none.thresholds) == {NO_SIGNAL: 0.0}


@pytest.mark.parametrize(
    "slo", [{"availability": 1}, {"availability": 99.9}, {"latency_seconds": 0}, {"p95": 1}]
)
def test_an_objective_that_cannot_be_is_refused(slo):
    with pytest.raises(ConfigurationError, match="slo"):
        read_config(section(slo=slo))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "model-config.yaml: it is a list; give names and values"),
        ("text", "model-config.yaml: it is a str; give names and values"),
        ({"handler": {"monitoring": [1]}}, "handler.monitoring: expected `object`"),
        (
            {"handler": {"monitoring": {"window": list(range(10, 2010))}}},
            "window: expected `array` of length <= 16",
        ),
        ({"handler": {"monitoring": {"window": [10**9]}}}, "expected `int` <= 1000000"),
        ({"handler": {"monitoring": {"baseline": {"x" * 100_000: 1}}}}, "handler.monitoring.baseline"),
    ],
)
def test_a_file_of_another_shape_or_size_is_refused_in_a_line(content, words):
    with pytest.raises(ConfigurationError) as caught:
        read_config(content)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 5_000
    assert len(str(caught.value).splitlines()) == 1


def test_windows_that_would_exhaust_a_worker_are_refused_once_the_features_are_known():
    rng = np.random.default_rng(0)
    baseline = Baseline.fit(rng.normal(size=(200, 300)), features=Features(inputs="columns"))
    config = read_config({"handler": {"monitoring": {"window": [1000, 1_000_000]}}})
    with pytest.raises(ConfigurationError, match=r"window: 1000, 1000000 rows of 30\d features take 1.7 GiB"):
        MonitoredModel(lambda rows: rows, baseline, config=config)
    MonitoredModel(lambda rows: rows, Baseline.fit(rng.normal(size=(200, 3))), config=config).close()
