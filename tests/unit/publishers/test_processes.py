"""A user's metrics from other processes: each update arrives once, however the process came and ends."""

import pickle
import subprocess
import sys
import textwrap

import pytest
from ts.context import Context
from ts.metrics.caching_metric import CachingMetric
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from tests.unit.publishers.front_end import read, series
from torchvitals.publishers.coalescing import CoalescingMetrics

SECONDS = 300

COMMON = """
import concurrent.futures, logging, multiprocessing, os, sys, threading
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

def log():
    # As ts/model_service_worker.py does.
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)

def worker(coalesce=True):
    from torchvitals.publishers.torchserve import CoalescingMetrics, TorchServePublisher
    log()
    cache = MetricsCacheYamlImpl("metrics.yaml")
    cache.initialize_cache()
    cache.model_name, cache.request_ids = "fraud", {0: "request"}
    return CoalescingMetrics(cache)

def end_of(child):
    status = os.waitpid(child, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
"""

# Each prints updates of the counter `Own`; the sum by label `by` is what must arrive.
FORKS = {
    "os.fork, and an end without a last word": (
        """
        metrics.begin()
        own.add_or_update(1, ["parent"])
        child = os.fork()
        if not child:
            own.add_or_update(10, ["child"])
            metrics.add_time("HandlerTime", 7.5)
            os._exit(0)
        end_of(child)
        own.add_or_update(2, ["parent"])
        metrics.flush()
        """,
        {"parent": 3, "child": 10},
    ),
    "a child of a child": (
        """
        metrics.begin()
        own.add_or_update(1, ["parent"])
        child = os.fork()
        if not child:
            own.add_or_update(10, ["child"])
            grandchild = os.fork()
            if not grandchild:
                own.add_or_update(100, ["grandchild"])
                os._exit(0)
            end_of(grandchild)
            metrics.begin()  # whoever flushes in the parent may say so here too
            own.add_or_update(20, ["child"])
            os._exit(0)
        end_of(child)
        metrics.flush()
        """,
        {"parent": 1, "child": 30, "grandchild": 100},
    ),
    "multiprocessing, with metrics that the child makes": (
        """
        metrics.begin()
        own.add_or_update(1, ["parent"])

        def work(number):
            metrics.add_metric_to_cache("Own", "count", ["by"], MetricTypes.COUNTER).add_or_update(number, ["child"])

        context = multiprocessing.get_context("fork")
        children = [context.Process(target=work, args=(number,)) for number in (10, 20, 30)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        metrics.flush()
        """,
        {"parent": 1, "child": 60},
    ),
    "a pool that is older than the monitor": (
        """
        def work(number):
            own.add_or_update(number, ["child"])

        with multiprocessing.get_context("fork").Pool(2) as pool:
            metrics.begin()
            own.add_or_update(1, ["parent"])
            pool.map(work, range(10), chunksize=1)
            pool.close()
            pool.join()
        metrics.flush()
        """,
        {"parent": 1, "child": 45},
    ),
    "an executor made while the monitor runs": (
        """
        def work(number):
            own.add_or_update(number, ["child"])

        metrics.begin()
        own.add_or_update(1, ["parent"])
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
            list(executor.map(work, range(10)))
        metrics.flush()
        """,
        {"parent": 1, "child": 45},
    ),
    "forks while other threads update and flush": (
        """
        metrics.begin()
        ended = threading.Event()
        added = []

        def updates():
            mine = 0
            while not ended.is_set():
                own.add_or_update(1, ["parent"])
                mine += 1
            added.append(mine)

        def flushes():
            while not ended.is_set():
                metrics.flush()

        threads = [threading.Thread(target=target) for target in (updates, updates, flushes)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if not child:
                own.add_or_update(10, ["child"])
                metrics.flush()
                os._exit(0)
            end_of(child)
        ended.set()
        for thread in threads:
            thread.join()
        metrics.flush()
        own.add_or_update(sum(added), ["expected"])
        metrics.flush()
        """,
        {"parent": None, "child": 200, "expected": None},
    ),
}

SPAWNS = {
    "a metric": "own",
    "all metrics": "metrics",
}


def run(code, tmp_path):
    path = tmp_path / "worker.py"
    path.write_text(code)
    words = [sys.executable, "-W", "ignore::DeprecationWarning", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    found = read(done.stdout)
    assert not found.lost
    return found


def own(found):
    return {
        dict(labels)["by"]: value for (name, labels), value in series(found.updates).items() if name == "Own"
    }


@pytest.mark.parametrize("script", FORKS)
def test_updates_in_a_forked_process_arrive_once(script, tmp_path):
    code, expected = FORKS[script]
    start = (
        'metrics = worker()\nown = metrics.add_metric_to_cache("Own", "count", ["by"], MetricTypes.COUNTER)\n'
    )
    found = own(run(COMMON + start + textwrap.dedent(code), tmp_path))
    if "expected" in found:
        assert found["parent"] == found["expected"] > 0
        assert found["child"] == expected["child"]
    else:
        assert found == expected


SPAWN = """
def work(sender):
    log()
    metric = sender if hasattr(sender, "add_or_update") else sender.get_metric("Own", MetricTypes.COUNTER)
    metric.add_or_update(10, ["child"])
    metric.add_or_update(5, ["child"])
    assert "torchvitals" not in sys.modules
    os._exit(0)

if __name__ == "__main__":
    metrics = worker()
    own = metrics.add_metric_to_cache("Own", "count", ["by"], MetricTypes.COUNTER)
    metrics.begin()
    own.add_or_update(1, ["parent"])
    child = multiprocessing.get_context("METHOD").Process(target=work, args=(SENT,))
    child.start()
    child.join()
    assert child.exitcode == 0
    own.add_or_update(2, ["parent"])
    metrics.flush()
"""


@pytest.mark.parametrize("sent", SPAWNS)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_metrics_sent_to_a_new_process_work_there_as_torchserves(sent, method, tmp_path):
    code = COMMON + SPAWN.replace("METHOD", method).replace("SENT", SPAWNS[sent])
    found = run(code, tmp_path)
    assert own(found) == {"parent": 3, "child": 15}
    assert [update.value for update in found.updates if ("by", "child") in update.labels] == [10, 5]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_pickled_is_torchserves_own(cache, protocol):
    cache.add_metric_to_cache("Own", "count", ["by"], MetricTypes.COUNTER)
    plain = pickle.loads(pickle.dumps(cache, protocol))
    metrics = CoalescingMetrics(cache)
    metrics.begin()
    metrics.get_metric("Own", MetricTypes.COUNTER).add_or_update(1, ["parent"])
    read_back = pickle.loads(pickle.dumps(metrics, protocol))
    assert type(read_back) is MetricsCacheYamlImpl
    assert vars(read_back).keys() == vars(plain).keys()
    assert read_back.cache_keys() == plain.cache_keys()
    metric = read_back.get_metric("Own", MetricTypes.COUNTER)
    assert type(metric) is CachingMetric
    assert vars(metric) == vars(plain.get_metric("Own", MetricTypes.COUNTER))
    assert b"torchvitals" not in pickle.dumps(metrics, protocol)


def test_a_context_is_pickled_as_far_as_torchserves_is(cache):
    def context_of(metrics):
        return Context("fraud", "/model", {}, 1, None, "0.12", metrics=metrics)

    metrics = CoalescingMetrics(cache)
    metrics.begin()
    read_back = pickle.loads(pickle.dumps(context_of(metrics)))
    assert type(read_back.metrics) is MetricsCacheYamlImpl
    metrics.note = lambda: None  # what cannot be pickled cannot with TorchServe's either
    for context in (context_of(cache), context_of(metrics)):
        with pytest.raises((AttributeError, pickle.PicklingError)):
            pickle.dumps(context)
