"""TorchServe's cache of metrics, and what its front end reads of what is written."""

import pytest
from ts.metrics.metric_cache_abstract import MetricCacheAbstract
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from tests.unit.publishers.front_end import read


@pytest.fixture
def new_cache():
    # TorchServe's methods share a list as their default and append the model's name to it: whoever is first in a
    # process names the metrics of all.
    for method in vars(MetricCacheAbstract).values():
        for default in getattr(method, "__defaults__", None) or ():
            if isinstance(default, list):
                default.clear()

    def make(path="metrics.yaml"):
        cache = MetricsCacheYamlImpl(str(path))
        cache.initialize_cache()
        cache.model_name = "fraud"
        cache.request_ids = {0: "request-1"}
        return cache

    return make


@pytest.fixture
def cache(new_cache):
    return new_cache()


@pytest.fixture
def written(caplog):
    """What was logged since the last time, as the front end reads it."""
    caplog.set_level("INFO")

    def read_log():
        text = "\n".join(record.getMessage() for record in caplog.records)
        caplog.clear()
        return read(text)

    return read_log
