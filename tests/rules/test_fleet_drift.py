"""The fleet's drift in Prometheus: what promtool asserts is what scipy computes from the same counters."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from stack.promtool import seconds
from torchvitals import Baseline
from torchvitals.drift.detector import DriftDetector
from torchvitals.drift.statistics import smoothed_shares

PROMETHEUS = Path(__file__).parents[2] / "prometheus"
RULES: dict[str, Any] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())
TESTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "tests" / "fleet_drift.yml").read_text())["tests"]

PART = 600
ASKED = re.compile(r"round\(model_feature:fleet_(\w+):corrected(10m|1h|1d) \* 1e9\) / 1e9")
LABEL = re.compile(r'(\w+)="([^"]*)"')
FLEET_KEY = ("job", "model_name", "model_version", "source", "feature")

Labels = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One assertion of promtool on a divergence: the test that it is in, what is asked, and where."""

    name: str
    test: dict[str, Any]
    statistic: str
    window: int
    at: int
    samples: tuple[dict[str, Any], ...]


def duration(text: str) -> int:
    """Whole seconds of a Prometheus duration, such as 1d2h."""
    return round(seconds(text))


def cases() -> list[Case]:
    found = []
    for test in TESTS:
        for asked in test["promql_expr_test"]:
            if match := ASKED.fullmatch(asked["expr"]):
                name = f"{test['name']}: {match[1]} {match[2]} at {asked['eval_time']}"
                at, samples = duration(asked["eval_time"]), tuple(asked["exp_samples"])
                found.append(Case(name, test, match[1], duration(match[2]), at, samples))
    return found


def labels_of(series: str) -> Labels:
    return dict(LABEL.findall(series))


def samples_of(test: dict[str, Any], metric: str) -> list[tuple[Labels, list[tuple[int, float]]]]:
    """Labels and (time, value) samples of a metric's series, from promtool's notation."""
    step = duration(test["interval"])
    found = []
    for entry in test["input_series"]:
        if entry["series"].split("{")[0] != metric:
            continue
        values: list[float | None] = []
        for token in str(entry["values"]).split():
            if counted := re.fullmatch(r"([\d.]+)(?:\+([\d.]+))?x(\d+)", token):
                start, growth = float(counted[1]), float(counted[2] or 0)
                values += [start + growth * index for index in range(int(counted[3]) + 1)]
            elif gap := re.fullmatch(r"_x(\d+)", token):
                values += [None] * int(gap[1])
            else:
                assert token == "stale", token
                values.append(None)
        found.append(
            (
                labels_of(entry["series"]),
                [(index * step, value) for index, value in enumerate(values) if value is not None],
            )
        )
    return found


def increase(samples: list[tuple[int, float]], window: int, at: int) -> float:
    """Increase as Prometheus defines it: resets undone, extrapolated to the ends (promql/functions.go)."""
    inside = [(time, value) for time, value in samples if at - window < time <= at]
    if len(inside) < 2:
        return 0.0
    values = [value for _, value in inside]
    grown = values[-1] - values[0] + sum(a for a, b in zip(values[:-1], values[1:]) if b < a)
    sampled = inside[-1][0] - inside[0][0]
    between = sampled / (len(inside) - 1)
    start, end = inside[0][0] - (at - window), at - inside[-1][0]
    if grown > 0:
        # A counter is never below 0: it cannot have begun earlier than this.
        start = min(start, sampled * values[0] / grown)
    extrapolated = sampled + sum(gap if gap < 1.1 * between else between / 2 for gap in (start, end))
    return grown * extrapolated / sampled


def over_parts(samples: list[tuple[int, float]], window: int, at: int) -> float:
    """Increase as the rules add it up: by ten minutes at a time."""
    return sum(increase(samples, PART, end) for end in range(at, at - window, -PART))


def latest(samples: list[tuple[int, float]], at: int) -> float:
    return [value for time, value in samples if time <= at][-1]


def comparison(
    case: Case, key: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Baseline shares, counts, n and m of one feature over the case's time range."""
    shares: dict[str, float] = {}
    for labels, samples in samples_of(case.test, "model_baseline_bin_ratio"):
        if tuple(labels[name] for name in FLEET_KEY) == key:
            shares[labels["bin"]] = latest(samples, case.at)
    counts: defaultdict[str, float] = defaultdict(float)
    for labels, samples in samples_of(case.test, "model_feature_observations_total"):
        if tuple(labels[name] for name in FLEET_KEY) == key:
            counts[labels["bin"]] += over_parts(samples, case.window, case.at)
    assert set(counts) <= set(shares)
    observed = np.array([counts[name] for name in shares])
    sizes = {
        latest(samples, case.at)
        for labels, samples in samples_of(case.test, "model_baseline_samples")
        if tuple(labels[name] for name in FLEET_KEY[:3]) == key[:3]
    }
    return np.array(list(shares.values())), observed, float(observed.sum()), max(sizes)


def chance(bins: int, n: float, m: float) -> float:
    """KL divergence that is expected without any drift, in nats."""
    return (bins - 1) / 2 * (1 / n + 1 / m)


def corrected(
    statistic: str, p: NDArray[np.float64], counts: NDArray[np.float64], n: float, m: float
) -> float:
    q = (counts + 0.5) / (n + 0.5 * len(counts))
    expected = chance(len(counts), n, m)
    if statistic == "kl_divergence":
        return float(max(entropy(p, q) - expected, 0))
    if statistic == "psi":
        return float(max(entropy(p, q) + entropy(q, p) - 2 * expected, 0))
    assert statistic == "js_distance"
    return float(np.sqrt(max(jensenshannon(p, q, base=2) ** 2 - expected / 4 / np.log(2), 0)))


STATISTICS = ("kl_divergence", "psi", "js_distance")
WITH_VALUES = [case for case in cases() if case.samples]


@pytest.mark.parametrize("case", WITH_VALUES, ids=lambda case: case.name)
def test_what_promtool_asserts_is_what_scipy_computes(case: Case) -> None:
    for sample in case.samples:
        labels = labels_of(sample["labels"])
        assert set(labels) == {*FLEET_KEY, "instance"}
        assert labels["instance"] == "fleet"
        p, counts, n, m = comparison(case, tuple(labels[name] for name in FLEET_KEY))
        assert p.sum() == pytest.approx(1)
        expected = corrected(case.statistic, p, counts, n, m)
        assert sample["value"] == pytest.approx(expected, rel=1e-12, abs=0.6e-9)


def features(test: dict[str, Any]) -> set[str]:
    return {labels["feature"] for labels, _ in samples_of(test, "model_feature_observations_total")}


def test_every_divergence_and_range_is_asserted_with_drift_without_and_without_traffic() -> None:
    values = [(case, sample) for case in cases() for sample in case.samples]
    drifted = {(case.statistic, case.window) for case, sample in values if sample["value"] > 0.01}
    still = {(case.statistic, case.window) for case, sample in values if sample["value"] == 0}
    silent = {
        (case.statistic, case.window)
        for case in cases()
        if features(case.test) - {labels_of(sample["labels"])["feature"] for sample in case.samples}
    }
    every = {(statistic, window) for statistic in STATISTICS for window in (600, 3600, 86400)}
    assert drifted == still == silent == every


def test_fewer_than_100_observations_say_nothing() -> None:
    silent = set()
    for case in cases():
        said = {labels_of(sample["labels"])["feature"] for sample in case.samples}
        for labels, _ in samples_of(case.test, "model_baseline_bin_ratio"):
            n = comparison(case, tuple(labels[name] for name in FLEET_KEY))[2]
            if n < 100:
                assert labels["feature"] not in said, case.name
            if 0 < n < 100:
                silent.add((case.statistic, case.window))
    assert silent == {(statistic, window) for statistic in STATISTICS for window in (600, 3600)}


def test_smoothing_is_that_of_the_worker() -> None:
    counts = np.array([12.0, 0.0, 3.5, 1.0])
    here = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    np.testing.assert_allclose(here, smoothed_shares(counts, np.ones(4, dtype=bool)), rtol=1e-15)


def test_the_fleet_says_what_a_worker_says_of_the_same_rows_less_chance() -> None:
    """In bins of tails, of few values and of the row's distance too, for columns that moved and that did not."""
    random = np.random.default_rng(7)

    def rows(n: int, shift: float) -> NDArray[np.float64]:
        codes = random.choice(5, n, p=[0.4, 0.3, 0.2 - shift / 5, 0.1 + shift / 5, 0.0])
        return np.column_stack([random.normal(shift, 1, n), random.pareto(1.5, n), codes])

    baseline = Baseline.fit(rows(5000, 0.0))
    detector = DriftDetector(baseline, window=2000)
    reference = detector.reference("input")
    counts = detector.update_inputs(baseline.encode_rows(rows(2000, 0.5)))
    worker = {drift.name: drift for drift in detector.report().features.values()}
    fleet = {}
    for place, feature in enumerate(reference.binning.features):
        bins = slice(int(reference.binning.sizes[place]))
        p, seen = reference.shares[place, bins], counts[place, bins].astype(float)
        expected = chance(len(p), 2000, baseline.samples)
        kl = corrected("kl_divergence", p, seen, 2000, baseline.samples)
        psi = fleet[feature.name] = corrected("psi", p, seen, 2000, baseline.samples)
        assert kl == pytest.approx(max(worker[feature.name].kl_divergence - expected, 0), abs=1e-6)
        assert psi == pytest.approx(max(worker[feature.name].psi - 2 * expected, 0), abs=1e-6)
    moved = {name for name, psi in fleet.items() if psi >= 0.05}
    assert moved == {name for name, drift in worker.items() if drift.drifted}


@pytest.mark.parametrize("bins", [4, 12])
def test_correction_is_what_chance_gives(bins: int) -> None:
    """Both samples of one distribution, 4,000 times: the mean of each statistic is the correction, within 5 %."""
    n, m = 2000, 10_000
    random = np.random.default_rng(7)
    truth = random.dirichlet(np.full(bins, 20.0))
    every = np.ones(bins, dtype=bool)
    p = smoothed_shares(random.multinomial(m, truth, size=4000).astype(float), every)
    q = smoothed_shares(random.multinomial(n, truth, size=4000).astype(float), every)
    expected = chance(bins, n, m)
    kl, reverse = entropy(p, q, axis=1), entropy(q, p, axis=1)
    assert kl.mean() == pytest.approx(expected, rel=0.05)
    assert (kl + reverse).mean() == pytest.approx(2 * expected, rel=0.05)
    squared = jensenshannon(p, q, base=2, axis=1) ** 2
    assert squared.mean() == pytest.approx(expected / 4 / np.log(2), rel=0.05)


def groups() -> dict[str, dict[str, Any]]:
    prefix = "torchvitals-fleet-"
    return {
        group["name"].removeprefix(prefix): group
        for group in RULES["groups"]
        if group["name"].startswith(prefix)
    }


def test_the_groups_compute_the_same_over_their_ranges() -> None:
    """Only where the observations come from differs: from servers, from tens of minutes, and from hours."""
    once = {
        "model_feature_bin:fleet_baseline:ratio",
        "model:fleet_baseline:samples",
        "model_baseline:fleet_baseline:servers",
    }
    assert list(groups()) == ["10m", "1h", "1d"]
    alike = {
        window: [
            {key: str(value).replace(window, "RANGE") for key, value in rule.items()}
            for rule in group["rules"]
            if rule["record"] not in once and "fleet_observations:increase" not in rule["record"]
        ]
        for window, group in groups().items()
    }
    assert len(alike["10m"]) == 6
    assert alike["10m"] == alike["1h"] == alike["1d"]


def test_long_ranges_are_computed_less_often_but_never_go_stale() -> None:
    """Prometheus forgets a series after 5 minutes: two evaluations have to fit, so that one may fail."""
    intervals = [duration(group["interval"]) for group in groups().values()]
    assert intervals == [30, 60, 120]
    assert 2 * max(intervals) < duration("5m")


def test_fleet_rules_read_counters_and_what_every_server_says_alike() -> None:
    """A gauge of one worker would keep what a dead one said."""
    text = "".join(rule["expr"] for group in groups().values() for rule in group["rules"])
    assert set(re.findall(r"(?<![\w:])model_\w+(?![\w:])", text)) - {"model_name", "model_version"} == {
        "model_feature_observations_total",
        "model_baseline_bin_ratio",
        "model_baseline_samples",
        "model_baseline_info",
    }
