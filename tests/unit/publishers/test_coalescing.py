"""Metrics held back: what a scrape shows, what is raised and what is refused is the same as without it."""

import enum
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ts.metrics.dimension import Dimension
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metric_type_enum import MetricTypes

from tests.unit.publishers.front_end import series
from torchvitals.publishers.coalescing import CoalescedMetric, CoalescingMetrics
from torchvitals.publishers.torchserve import TorchServePublisher
from torchvitals.recording.faults import Faults

COUNTER, GAUGE, HISTOGRAM = MetricTypes.COUNTER, MetricTypes.GAUGE, MetricTypes.HISTOGRAM


@pytest.fixture
def metrics(cache):
    metrics = CoalescingMetrics(cache)
    metrics.begin()
    return metrics


def shown(found):
    return {(name, *labels): value for (name, labels), value in series(found.updates).items()}


def test_gauges_keep_the_last_value_and_counters_the_sum(metrics, written):
    for value in (1.0, 2.0, 3.0):
        metrics.add_time("HandlerTime", value, None, "ms")
        metrics.add_time("PredictionTime", value)
        metrics.add_counter("Calls", 2)
        metrics.add_size("Payload", value, dimensions=[Dimension("Side", "in")])
    assert written().updates == []
    metrics.flush()
    found = {update.name: (update.value, update.labels, update.kind) for update in written().updates}
    own = (("ModelName", "fraud"), ("Level", "Model"))
    assert found == {
        "HandlerTime": (3.0, own, "GAUGE"),
        "PredictionTime": (3.0, own, "GAUGE"),
        "Calls": (6.0, own, "COUNTER"),
        "Payload": (3.0, (("Side", "in"), *own), "GAUGE"),
    }
    metrics.flush()
    assert written().updates == []


def test_metrics_that_a_user_made_are_coalesced_too(metrics, written):
    made = metrics.add_metric_to_cache("Tokens", "count", ["kind"], COUNTER)
    made.add_or_update(3, ["in"])
    made.add_or_update(4, ["in"])
    made.add_or_update(5, ["out"])
    metrics.get_metric("Tokens", COUNTER).add_or_update(1, ["out"])
    metrics.flush()
    assert [(update.value, update.labels) for update in written().updates] == [
        (7.0, (("kind", "in"),)),
        (6.0, (("kind", "out"),)),
    ]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([np.uint8(200)] * 2, 400),
        ([np.float32(2**24), np.float32(1)], 2**24 + 1),
        ([torch.tensor(200, dtype=torch.uint8)] * 2, 400),
        ([9e15, 9e15], 18e15),
        ([0.1] * 10, pytest.approx(1.0, rel=1e-15)),
    ],
    ids=["uint8", "float32", "tensor", "large", "tenths"],
)
def test_sums_are_exact_whatever_type_a_user_adds(metrics, written, values, total):
    made = metrics.add_metric_to_cache("Pixels", "count", ["kind"], COUNTER)
    for value in values:
        made.add_or_update(value, ["in"])
    metrics.flush()
    found = written()
    assert not found.lost
    assert [update.value for update in found.updates] == [total]


def test_histogram_observations_pass_one_by_one(metrics, written):
    made = metrics.add_metric_to_cache("Sizes", "B", ["kind"], HISTOGRAM)
    for value in (1, 2, 3):
        made.add_or_update(value, ["in"])
    assert [update.value for update in written().updates] == [1, 2, 3]


def test_the_state_is_shared_with_what_torchserve_holds(metrics, cache):
    metrics.request_ids = {0: "next"}
    assert cache.request_ids == {0: "next"}
    assert isinstance(metrics, MetricsCacheYamlImpl)


class Kind(str, enum.Enum):
    IN = "in"


class Number:
    """A user's own number."""

    def __float__(self):
        return 5.0

    def __lt__(self, other):
        return False


class Written(Number):
    def __format__(self, spec):
        return "5"


class Falters:
    def __str__(self):
        raise LookupError("no text")


VALUES = [
    0, 1, 7, 10**15, 10**16, 10**20, 10**400, -1, -(10**20), True, False, 0.0, -0.0, 0.5, 1e-7, 1e-300, 5e-324,
    1e15, 9999999999999998.0, 1e16, 1e20, 1.7e308, -2.5, -1e300, float("nan"), float("inf"), float("-inf"),
    np.float64(1.5), np.float64(1e-9), np.float64(1e20), np.float64("nan"), np.float32(0.1), np.float16(0.1),
    np.int64(5), np.uint8(255), np.int8(-3), np.bool_(True), np.array(3.0), np.array([3.0]), np.array([1, 2]),
    np.str_("4"), torch.tensor(3.0), torch.tensor(0.1), torch.tensor(7), torch.tensor([3.0]),
    torch.tensor([1.0, 2.0]), torch.tensor(True), torch.tensor(float("nan")),
    torch.tensor(0.1, dtype=torch.bfloat16), torch.nn.Parameter(torch.tensor(2.0)), Decimal("1.5"),
    Decimal("1E+3"), Decimal("1E-3"), Decimal("NaN"), Decimal(-2), Fraction(1, 2), Fraction(4), 1j, 2 + 0j, "3",
    "3.5", " 3 ", "1_000", "1e5", "1E5", "+3", ".5", "5.", "1,5", "0x10", "nan", "", "text", "\u0663", "3\n",
    b"3", None, [], [3], {}, object, Number(), Written(), Falters(), MetricTypes.GAUGE,
]  # fmt: skip

LABELS = [
    ["in"], ("in",), "i", "in", [], ["in", "out"], None, 5, {"in": 1}, {"in"}, [1], [1.0], [True], ["1"], [None], [""],
    ["a,b"], ["a:b"], ["a|b"], ["a\nb"], [" in "], [Kind.IN], [np.int64(1)], [np.str_("in")], [["in", "out"]], [{}],
    [b"in"], [torch.tensor(1)], [Falters()], [Dimension("kind", "in")], [Decimal("1.0")],
]  # fmt: skip


def outcome(make, written, kind, updates):
    """Return what the updates raise, what a scrape shows at the end, and what is said to the user."""
    metrics = make()
    metric = metrics.add_metric_to_cache("Level", "count", ["kind"], kind)
    written()
    raised = []
    for value, labels in updates:
        try:
            metric.add_or_update(value, labels() if callable(labels) else labels)
        except Exception as error:
            raised.append((type(error), str(error)))
    if isinstance(metrics, CoalescingMetrics):
        metrics.flush()
        assert metrics._faults.take() == {}
    found = written()
    return raised, shown(found), [line for line in (*found.lost, *found.others) if "object at" not in line]


@pytest.fixture(scope="module")
def few_metrics(tmp_path_factory):
    """TorchServe's own alone, which are read at once."""
    path = tmp_path_factory.mktemp("few") / "metrics.yaml"
    row = "{name: HandlerTime, unit: ms, dimensions: [ModelName, Level]}"
    path.write_text(f"model_metrics:\n  gauge:\n    - {row}\n")
    return path


@pytest.fixture
def both(new_cache, few_metrics, written):
    """The same updates through TorchServe alone and held back."""

    def compare(kind, updates):
        def alone():
            return new_cache(few_metrics)

        def held():
            metrics = CoalescingMetrics(alone(), Faults())
            metrics.begin()
            return metrics

        plain = outcome(alone, written, kind, updates)
        return plain, outcome(held, written, kind, updates)

    return compare


def without_time(lines):
    return [line.partition("|#type")[0] for line in lines]


def without_value(lines):
    return {re.sub(r"Count:[0-9.]+", "Count:", line) for line in without_time(lines)}


@pytest.mark.parametrize("kind", [COUNTER, GAUGE, HISTOGRAM], ids=lambda kind: kind.value)
@pytest.mark.parametrize(
    "value",
    VALUES,
    ids=lambda value: (
        f"{type(value).__name__}-{value!r}"[:40] if not isinstance(value, Falters) else "falters"
    ),
)
def test_a_value_is_taken_or_refused_as_torchserve_does(both, kind, value):
    plain, held = both(kind, [(3, ["in"]), (value, ["in"]), (4, ["out"]), (value, ["out"]), (value, [])])
    assert held[0] == plain[0]
    assert held[1] == pytest.approx(plain[1], rel=1e-15, nan_ok=True)
    assert without_time(held[2]) == without_time(plain[2])


@pytest.mark.parametrize("kind", [COUNTER, GAUGE], ids=lambda kind: kind.value)
@pytest.mark.parametrize("labels", LABELS, ids=range(len(LABELS)))
def test_labels_are_taken_or_refused_as_torchserve_does(both, kind, labels):
    plain, held = both(kind, [(1, labels), (2, ["in"]), (4, labels), (8, ["1"]), (16, [1]), (32, labels)])
    assert held[0] == plain[0]
    assert held[1] == plain[1]
    # Of lines that the front end loses there are fewer; what is said of each is the same.
    assert without_value(held[2]) == without_value(plain[2])


def test_labels_that_can_be_gone_through_once_are_refused_untouched(both):
    plain, held = both(COUNTER, [(1, lambda: iter(["in"])), (2, lambda: (name for name in ["in"]))])
    assert plain[0]
    assert held == plain


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.sampled_from([0, 1]),
            st.sampled_from([0, 1, 2.5, -1.5, np.float32(3), float("nan"), 10**17, 1e17, "4", True]),
            st.sampled_from([["in"], ["out"], [1], ["1"], [True], [], None]),
        ),
        st.tuples(st.just("flush")),
        st.tuples(st.just("again")),
        st.tuples(
            st.just("update"),
            st.sampled_from([0, 1]),
            st.sampled_from([1, 2]),
            st.sampled_from(["kind", "side"]),
        ),
        st.tuples(
            st.just("time"),
            st.sampled_from([0.5, 1.5, -1.0, float("inf"), 1]),
            st.sampled_from(["ms", "s", "h"]),
        ),
    ),
    max_size=12,
)


@pytest.mark.parametrize("kind", [COUNTER, GAUGE], ids=lambda kind: kind.value)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS)
def test_any_run_of_updates_ends_in_the_same_series(  # noqa: C901 - a table of steps
    new_cache, written, few_metrics, kind, steps
):
    found = []
    for coalesce in (False, True):
        metrics = new_cache(few_metrics)
        if coalesce:
            metrics = CoalescingMetrics(metrics)
            metrics.begin()
        written()
        metric = [metrics.add_metric_to_cache(f"Own{index}", "count", ["kind"], kind) for index in (0, 1)]
        raised, updates = [], []
        for step, *arguments in steps:
            try:
                if step == "add":
                    index, value, labels = arguments
                    metric[index].add_or_update(value, labels)
                elif step == "again":
                    metrics.add_metric_to_cache("Own0", "count", ["kind"], kind).add_or_update(1, ["in"])
                elif step == "update":
                    index, value, name = arguments
                    metric[index].update(value, dimensions=[Dimension(name, "x")])
                elif step == "time":
                    metrics.add_time("HandlerTime", arguments[0], None, arguments[1])
                elif coalesce:
                    metrics.flush()
            except Exception as error:
                raised.append(type(error))
        if coalesce:
            metrics.flush()
        updates += written().updates
        found.append((raised, series(updates)))
    assert found[1][0] == found[0][0]
    assert found[1][1] == pytest.approx(found[0][1], nan_ok=True)


def test_a_metric_that_is_made_anew_leaves_nothing_behind(metrics, written):
    first = metrics.add_metric_to_cache("Tokens", "count", ["kind"], COUNTER)
    first.add_or_update(3, ["in"])
    second = metrics.add_metric_to_cache("Tokens", "count", ["kind"], COUNTER)
    second.add_or_update(4, ["in"])
    first.add_or_update(5, ["in"])
    other = metrics.add_metric_to_cache("Tokens", "count", ["kind", "side"], COUNTER)
    other.add_or_update(1, ["in", "left"])
    del first, second, other
    metrics.flush()
    assert shown(written()) == {
        ("Tokens", ("kind", "in")): 12.0,
        ("Tokens", ("kind", "in"), ("side", "left")): 1.0,
    }


def test_a_time_that_is_made_anew_follows_the_new_labels(metrics, written):
    metrics.add_time("HandlerTime", 1.0)
    metrics.add_metric_to_cache("HandlerTime", "ms", ["Level", "ModelName"], GAUGE)
    metrics.add_time("HandlerTime", 2.0)
    metrics.flush()
    assert [update.labels for update in written().updates if update.value == 2.0] == [
        (("Level", "fraud"), ("ModelName", "Model"))  # TorchServe gives the values in an order of its own
    ]


def test_everything_goes_out_at_once_until_somebody_flushes_and_after_the_last_flush(cache, written):
    metrics = CoalescingMetrics(cache)
    publisher = TorchServePublisher(metrics, model_name="fraud", model_version="1.0")
    made = metrics.add_metric_to_cache("Loads", "count", ["kind"], COUNTER)
    made.add_or_update(1, ["in"])
    metrics.add_time("HandlerTime", 1.5)
    assert [update.value for update in written().updates] == [1.0, 1.5]
    publisher.flush()
    made.add_or_update(2, ["in"])
    metrics.add_time("HandlerTime", 2.5)
    metrics.add_time("HandlerTime", 3.5)
    assert written().updates == []
    publisher.flush()
    assert sorted(update.value for update in written().updates) == [2.0, 3.5]
    made.add_or_update(4, ["in"])
    publisher.close("9000")
    assert [update.value for update in written().updates] == [4.0]
    made.add_or_update(8, ["in"])
    publisher.flush()
    made.add_or_update(16, ["in"])
    assert [update.value for update in written().updates] == [8.0, 16.0]


def test_a_fault_of_ours_is_noted_and_the_update_arrives(cache, written, monkeypatch):
    faults = Faults()
    metrics = CoalescingMetrics(cache, faults)
    metrics.begin()
    made = metrics.add_metric_to_cache("Tokens", "count", ["kind"], COUNTER)

    def fails(*arguments):
        raise MemoryError

    monkeypatch.setattr("torchvitals.publishers.coalescing.HeldBack.take", fails)
    made.add_or_update(3, ["in"])
    assert [update.value for update in written().updates] == [3.0]
    assert faults.take() == {"coalesce": 1}


def test_our_own_state_is_beside_that_of_torchserve(metrics, cache):
    made = metrics.add_metric_to_cache("Tokens", "count", ["kind"], COUNTER)
    assert isinstance(made, CoalescedMetric)
    assert set(vars(made)) == {"metric_name", "unit", "dimension_names", "metric_type"}
    assert set(vars(metrics)) == set(vars(MetricsCacheYamlImpl("metrics.yaml")))
