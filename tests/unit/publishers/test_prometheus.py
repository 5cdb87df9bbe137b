"""The series of prometheus_client: one family a metric, whole at each scrape, and none that is frozen."""

import subprocess
import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from stack import programs
from torchvitals import ConfigurationError
from torchvitals.publishers.prometheus import MOST_CLOSED, PrometheusPublisher
from torchvitals.telemetry import catalogue as m


@pytest.fixture
def registry():
    return CollectorRegistry()


def publisher_of(registry, name="net", version="1.0"):
    return PrometheusPublisher(model_name=name, model_version=version, registry=registry)


def publish_all(publisher, worker="0", value=1.0):
    """Publish every metric once, with label values that are awkward."""
    for metric in m.flat():
        awkward = {"worker": worker, "le": "+Inf"}
        labels = tuple(awkward.get(label, f'{label} "a,b:c"\n\\') for label in metric.labels)
        (publisher.increase if metric.type == "counter" else publisher.set)(metric, labels, value)
    publisher.flush()


def samples(registry, **labels):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def test_promtool_has_nothing_to_say(registry):
    for name in ("net", "other"):
        publish_all(publisher_of(registry, name))
    promtool = programs.require("The exposition", "promtool")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(registry), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_metric_is_one_family_of_its_type_in_both_formats(registry):
    for name in ("net", "other"):
        publish_all(publisher_of(registry, name))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    declared = {
        entry.name: "histogram" if isinstance(entry, m.Histogram) else entry.type for entry in m.CATALOGUE
    }
    found = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for family in families
    }
    assert found == {name: (kind, found[name][1]) for name, kind in declared.items()}
    assert len(families) == len(declared)
    read = list(read_openmetrics(openmetrics.generate_latest(registry).decode()))
    assert {family.name: family.type for family in read} == {family.name: family.type for family in families}


def test_a_histogram_has_the_buckets_that_are_declared(registry):
    publisher = publisher_of(registry)
    for le, amount in zip(m.BATCH_SIZE.le_values, range(1, 13)):
        publisher.increase(m.BATCH_SIZE.bucket, (le,), amount)
    publisher.increase(m.BATCH_SIZE.sum, (), 40.5)
    publisher.increase(m.BATCH_SIZE.count, (), 12)
    publisher.flush()
    (family,) = registry.collect()
    assert (family.type, family.name) == ("histogram", "model_batch_size")
    buckets = {float(sample.labels["le"]): sample.value for sample in family.samples if "le" in sample.labels}
    assert buckets == dict(zip((*m.BATCH_BUCKETS, float("inf")), range(1, 13)))
    common = {"model_name": "net", "model_version": "1.0"}
    assert registry.get_sample_value("model_batch_size_sum", common) == 40.5
    assert registry.get_sample_value("model_batch_size_count", common) == 12


def test_metrics_of_a_users_own_keep_their_names(registry):
    publisher = publisher_of(registry)
    publisher.increase(m.Metric("model_words", "counter", "count", "Words."), (), 3)
    publisher.increase(m.Metric("model_words_total", "counter", "count", "Words."), (), 4)
    publisher.set(m.Metric("model_depth", "gauge", "count", "Depth.", ("side",)), ("in",), 5)
    publisher.flush()
    assert {name: value for (name, *_), value in samples(registry).items()} == {
        "model_words": 3,
        "model_words_total": 4,
        "model_depth": 5,
    }


def test_a_scrape_sees_what_was_flushed_and_all_of_it(registry):
    publisher = publisher_of(registry)
    publisher.increase(m.REQUESTS, ("ok",), 1)
    assert samples(registry) == {}
    publisher.flush()
    publisher.increase(m.REQUESTS, ("ok",), 1)
    publisher.set(m.INFLIGHT, ("0",), 2)
    assert list(samples(registry).values()) == [1]
    publisher.flush()
    assert sorted(samples(registry).values()) == [2, 2]


def test_scrapes_while_many_publish_are_consistent_and_lose_nothing(registry):
    flushes, publishers = 300, 3
    ended = threading.Event()
    torn = []

    def publish():
        publisher = publisher_of(registry)
        worker = publisher.enter()
        for number in range(flushes):
            for le in m.BATCH_SIZE.le_values:
                publisher.increase(m.BATCH_SIZE.bucket, (le,), 1)
            publisher.increase(m.BATCH_SIZE.sum, (), 1)
            publisher.increase(m.PREDICTIONS, (f"class {number}",), 1)
            publisher.set(m.INFLIGHT, (worker,), number)
            publisher.flush()

    def scrape():
        while not ended.is_set():
            values = {
                sample.value
                for family in registry.collect()
                if family.name == "model_batch_size"
                for sample in family.samples
            }
            if len(values) > 1:
                torn.append(values)

    threads = [threading.Thread(target=publish) for _ in range(publishers)]
    scraper = threading.Thread(target=scrape)
    for thread in (scraper, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    scraper.join()
    assert torn == []
    common = {"model_name": "net", "model_version": "1.0"}
    assert registry.get_sample_value("model_batch_size_count", common) == flushes * publishers
    for number in range(flushes):
        labels = {**common, "class": f"class {number}"}
        assert registry.get_sample_value("model_predictions_total", labels) == publishers


def test_one_publisher_of_several_monitors_loses_nothing(registry):
    publisher, times = publisher_of(registry), 2000

    def publish(worker):
        for _ in range(times):
            publisher.increase(m.REQUESTS, ("ok",), 1)
            publisher.set(m.INFLIGHT, (worker,), 1)
            publisher.flush()

    workers = [publisher.enter() for _ in range(4)]
    threads = [threading.Thread(target=publish, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert workers == ["0", "1", "2", "3"]
    ok = {"model_name": "net", "model_version": "1.0", "outcome": "ok"}
    assert registry.get_sample_value("model_requests_total", ok) == 4 * times
    assert all(samples(registry, worker=worker) for worker in workers)


def test_a_closed_worker_has_no_gauges_and_its_counters_go_on(registry):
    first = publisher_of(registry)
    publish_all(first, first.enter())
    first.close("0")
    left = list(registry.collect())
    assert {family.type for family in left} == {"counter", "histogram"}
    again = publisher_of(registry)
    worker = again.enter()
    assert worker == "0"
    publish_all(again, worker)
    assert {
        value for (name, *_), value in samples(registry).items() if name.endswith(("_total", "_count"))
    } == {2.0}
    gauges = {family.name for family in registry.collect() if family.type == "gauge"}
    assert gauges == {metric.name for metric in m.flat() if metric.type == "gauge"}


def test_two_workers_of_one_model_add_up_and_end_one_by_one(registry):
    one, two = publisher_of(registry), publisher_of(registry)
    workers = one.enter(), two.enter()
    assert workers == ("0", "1")
    publish_all(one, "0", 1.0)
    publish_all(two, "1", 2.0)
    common = {"model_name": "net", "model_version": "1.0"}
    ok = {**common, "outcome": 'outcome "a,b:c"\n\\'}
    assert registry.get_sample_value("model_requests_total", ok) == 3
    assert [
        registry.get_sample_value("model_inflight_seconds", {**common, "worker": w}) for w in workers
    ] == [1, 2]
    one.close("0")
    assert not samples(registry, worker="0")
    assert samples(registry, worker="1")
    assert registry.get_sample_value("model_baseline_samples", common) == 2
    assert publisher_of(registry).enter() == "0"
    two.close("1")
    assert not samples(registry, worker="1")


def test_closing_twice_takes_nothing_from_the_next(registry):
    one = publisher_of(registry)
    one.close(one.enter())
    two = publisher_of(registry)
    publish_all(two, two.enter())
    before = samples(registry)
    one.flush()
    assert samples(registry) == before


def test_models_that_are_closed_do_not_pile_up(registry):
    live = publisher_of(registry, version="live")
    publish_all(live, live.enter())
    for version in range(3 * MOST_CLOSED):
        publisher = publisher_of(registry, version=str(version))
        publish_all(publisher, publisher.enter())
        publisher.close("0")
    versions = {dict(labels)["model_version"] for _, *labels in samples(registry)}
    assert versions == {"live", *map(str, range(2 * MOST_CLOSED, 3 * MOST_CLOSED))}
    # One that was left out may still come back.
    old = publisher_of(registry, version="0")
    publish_all(old, old.enter())
    assert samples(registry, model_version="0", worker="0")


def test_metrics_of_the_same_names_are_an_error_that_says_what_to_do(registry):
    Counter("model_requests", "Requests.", registry=registry)
    with pytest.raises(
        ConfigurationError, match=r"model_requests.*rename those, or give PrometheusPublisher"
    ):
        publisher_of(registry)
    Counter("other_requests", "Requests.", registry=CollectorRegistry())
    publisher_of(CollectorRegistry())


def test_a_scrape_of_chosen_names_has_them(registry):
    publish_all(publisher_of(registry))
    chosen = registry.restricted_registry(["model_requests_total"])
    assert [family.name for family in chosen.collect()] == ["model_requests"]


def test_without_a_registry_the_publisher_is_a_collector_itself():
    publisher = publisher_of(None)
    publish_all(publisher)
    own = CollectorRegistry()
    own.register(publisher)
    assert len(samples(own)) == len(samples_of(publisher)) > 0


def samples_of(publisher):
    return [sample for family in publisher.collect() for sample in family.samples]


def test_names_without_utf8_and_very_long_ones_do_not_break_the_page(registry):
    publisher = publisher_of(registry, name="n\ud800", version="v" * 1000)
    for name in ("\ud800", "\udfff", "_", "c" * 1000, "c" * 999, "a,b", "a:b", "a\nb"):
        publisher.increase(m.PREDICTIONS, (name,), 1)
    publisher.flush()
    page = generate_latest(registry).decode()
    found = [
        sample.labels["class"] for family in text_string_to_metric_families(page) for sample in family.samples
    ]
    assert len(set(found)) == 8
    assert {"_", "a,b", "a:b", "a\nb"} < set(found)


def test_a_gauge_that_is_removed_leaves_with_the_next_flush_and_may_come_back(registry):
    publisher = publisher_of(registry)
    for worker in ("0", "1"):
        publisher.set(m.ESTIMATED_ACCURACY, ("1000", worker), 0.75)
    publisher.flush()
    publisher.remove(m.ESTIMATED_ACCURACY, ("1000", "0"))
    assert len(samples(registry, window="1000")) == 2
    publisher.flush()
    assert [key[-1] for key in samples(registry, window="1000")] == [("worker", "1")]
    publisher.remove(m.ESTIMATED_ACCURACY, ("1000", "0"))
    publisher.set(m.ESTIMATED_ACCURACY, ("1000", "0"), 0.5)
    publisher.flush()
    assert sorted(samples(registry, window="1000").values()) == [0.5, 0.75]
