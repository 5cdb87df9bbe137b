"""One new class is a statistic, from the report to the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from torchvitals import Baseline, DriftDetector
from torchvitals.drift.statistics import STATISTICS, Compared, Statistic, Statistics
from torchvitals.drift.statistics.kl import KLDivergence
from torchvitals.drift.statistics.registry import RESERVED
from torchvitals.drift.verdict import FeatureDrift
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.telemetry.drift import DriftTelemetry
from torchvitals.telemetry.generate import metrics_markdown, metrics_yaml

ROOT = Path(__file__).parents[3]
WINDOW = 100
COLUMNS = ["steady", "wider"]


class SpreadChange(Statistic):
    """How far the spread is from the baseline's, up or down."""

    name = "spread_change"
    title = "Spread"
    unit = "nats"
    help = "Logarithm of the standard deviations' ratio, as an absolute value."
    margin = 1.25

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return np.asarray(np.abs(np.log(compared.std / compared.reference.std)))


def rows(count: int, seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, len(COLUMNS)))


def ordered() -> Baseline:
    return Baseline.fit(rows(2500), feature_names=COLUMNS, ordered=True, windows=(WINDOW,))


@pytest.fixture
def spread() -> Iterator[SpreadChange]:
    with STATISTICS.restoring():
        statistic = SpreadChange()
        STATISTICS.add(statistic)
        yield statistic


@pytest.fixture(scope="module")
def old() -> Baseline:
    """A baseline that was built before there was the statistic."""
    return ordered()


def widened() -> NDArray[np.float64]:
    served = rows(WINDOW, seed=2)
    served[:, 1] *= 3
    return served


def test_the_report_has_it(spread, old):
    detector = DriftDetector(old, window=WINDOW)
    served = widened()
    detector.update(served)
    features = detector.report().features
    for place, name in enumerate(COLUMNS):
        expected = abs(np.log(served[:, place].std() / old.features[place].std))
        assert features[name].spread_change == pytest.approx(expected, rel=1e-5)
        assert list(features[name].values) == [*(known.name for known in STATISTICS)]
        assert list(features[name].values)[-1] == "spread_change"


def test_the_series_are_published(spread, old):
    detector = DriftDetector(old, window=WINDOW)
    telemetry, publisher = DriftTelemetry(detector, worker="9000", max_features=10), MemoryPublisher()
    telemetry.start(publisher)
    telemetry.add_inputs(widened())
    telemetry.evaluate(lambda: None)
    telemetry.publish(publisher)
    for name, drift in telemetry.report.features.items():
        labels = ("input", name, str(WINDOW), "9000")
        assert publisher.series["model_feature_spread_change", labels] == drift.spread_change
    assert m.feature_gauge("spread_change") in m.flat()


def test_the_generated_files_have_it(spread):
    labels = "model_name, model_version, source, feature, window, worker"
    row = f'    - {{name: model_feature_spread_change, unit: "nats", dimensions: [{labels}]}}\n'
    assert row in metrics_yaml()
    labels = "`source`, `feature`, `window`, `worker`"
    line = f"| `model_feature_spread_change` | gauge | nats | {labels} | {spread.help} |\n"
    text = metrics_markdown()
    assert line in text
    assert (
        text.index("`model_feature_drift_p_value`") < text.index(line) < text.index("`model_feature_drifted`")
    )


def test_the_baseline_file_has_its_limit_and_a_window_is_judged_by_it(spread, old, tmp_path):
    ordered().save(tmp_path / "b.json")
    quantiles = [
        feature["variation"][0]["quantiles"]
        for feature in json.loads((tmp_path / "b.json").read_text())["features"]
    ]
    for found in quantiles:
        assert list(found) == [
            "exceedance_ratio",
            "kl_divergence",
            "narrowing",
            "spread_change",
            "wasserstein_distance",
        ]
        assert found["spread_change"] == sorted(found["spread_change"])
        assert 0 < found["spread_change"][-1] < 0.5
    detector = DriftDetector(Baseline.load(tmp_path / "b.json"), window=WINDOW)
    detector.update(widened())
    wider = detector.report().features["wider"]
    assert wider.threshold["spread_change"] == pytest.approx(1.25 * quantiles[1]["spread_change"][-1])
    assert wider.excess == pytest.approx(
        max(wider.values[name] / limit for name, limit in wider.threshold.items())
    )
    assert wider.spread_change > wider.threshold["spread_change"]
    assert wider.drifted
    publisher = MemoryPublisher()
    DriftTelemetry(detector, worker="9000", max_features=10).start(publisher)
    labels = ("input", "wider", "spread_change", str(WINDOW))
    assert publisher.value(m.DRIFT_THRESHOLD, *labels) == wider.threshold["spread_change"]


def test_a_baseline_that_is_older_than_the_statistic_has_no_limit_for_it(spread, old, tmp_path):
    old.save(tmp_path / "b.json")
    detector = DriftDetector(Baseline.load(tmp_path / "b.json"), window=WINDOW)
    detector.update(widened())
    assert set(detector.report().features["wider"].threshold) == {
        "kl_divergence",
        "wasserstein_distance",
        "narrowing",
    }


def test_a_baseline_that_knows_a_statistic_more_than_we_do_loads(old, tmp_path):
    with STATISTICS.restoring():
        STATISTICS.add(SpreadChange())
        ordered().save(tmp_path / "b.json")
    newer = Baseline.load(tmp_path / "b.json")
    assert newer.sha256 != old.sha256
    detector = DriftDetector(newer, window=WINDOW)
    detector.update(widened())
    assert set(detector.report().features["wider"].threshold) == {
        "kl_divergence",
        "wasserstein_distance",
        "narrowing",
    }


def test_nothing_of_it_stays():
    with STATISTICS.restoring():
        STATISTICS.add(SpreadChange())
        assert metrics_yaml() != (ROOT / "metrics.yaml").read_text(encoding="utf-8")
    assert "spread_change" not in [known.name for known in STATISTICS]
    assert [known.name for known in STATISTICS.learned] == [
        "kl_divergence",
        "wasserstein_distance",
        "narrowing",
        "exceedance_ratio",
    ]
    assert metrics_yaml() == (ROOT / "metrics.yaml").read_text(encoding="utf-8")
    assert metrics_markdown() == (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_a_failure_inside_takes_it_back_too():
    def fails() -> None:
        with STATISTICS.restoring():
            STATISTICS.add(SpreadChange())
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert len(STATISTICS) == 11


def changed(**fields: object) -> Statistic:
    return type("Changed", (SpreadChange,), fields)()


@pytest.mark.parametrize(
    ("statistic", "problem"),
    [
        (changed(title="", help=""), "statistic Changed has no title and no help; set it in the class"),
        (changed(name="drifted"), "'drifted', which FeatureDrift cannot have"),
        (changed(name="_private"), "'_private', which FeatureDrift cannot have"),
        (changed(name="a b"), "'a b', which FeatureDrift cannot have"),
        (changed(name="psi"), "has the name or the gauge of PopulationStabilityIndex"),
        (
            changed(series="drift_p_value"),
            "has the name or the gauge of PValue .*model_feature_drift_p_value",
        ),
        (changed(worst="absmax"), "has a margin, but its worst value is the absmax"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_declaration_is_refused(statistic, problem):
    before = [known.name for known in STATISTICS]
    with STATISTICS.restoring():
        with pytest.raises(ValueError, match=problem):
            STATISTICS.add(statistic)
        assert [known.name for known in STATISTICS] == before


def test_an_unknown_statistic_is_named_beside_the_known_ones():
    with pytest.raises(
        KeyError, match="unknown statistic 'ks'; known: kl_divergence, gaussian_kl_divergence"
    ):
        _ = STATISTICS["ks"]


def test_a_gauge_that_another_metric_has_is_refused_when_the_catalogue_is_read():
    with STATISTICS.restoring():
        STATISTICS.add(changed(name="row_distance_ratio"))
        with pytest.raises(ValueError, match="'model_feature_row_distance_ratio' is declared twice"):
            m.flat()


def test_a_statistic_that_is_not_a_value_a_feature_is_refused(old):
    detector = DriftDetector(old, window=WINDOW)
    detector.update(rows(WINDOW))
    with STATISTICS.restoring():
        STATISTICS.add(changed(of=lambda self, compared: np.zeros(1)))
        with pytest.raises(
            ValueError, match=r"'spread_change' has values of shape \(1,\) for 3 features.*Changed.of"
        ):
            detector.report()


def test_statistics_of_ones_own_are_apart():
    mine = Statistics([KLDivergence()])
    mine.add(SpreadChange())
    assert [known.name for known in mine.learned] == ["kl_divergence", "spread_change"]
    assert len(STATISTICS) == 11


def test_what_feature_drift_says_itself_is_no_name_for_a_statistic():
    drift = FeatureDrift("f", "input", 1, {}, False)
    own = {name for name in dir(drift) if not name.startswith("_")}
    assert own == RESERVED
