"""Every kind of input: rows like those of training are no drift, and a fault of the kind is seen in its feature."""

import numpy as np
import pytest

from torchvitals import Baseline

from .inputs_by_kind import INPUT_CASES

ROWS, WINDOW = 2000, 500


@pytest.fixture(scope="module")
def baselines():
    """Return a function that gives a case's baseline, built once."""
    built = {}

    def of(name):
        if name not in built:
            case = INPUT_CASES[name]
            built[name] = Baseline.fit(
                case.train(np.random.default_rng(7), ROWS),
                features=case.features,
                feature_names=case.names,
            )
        return built[name]

    return of


@pytest.mark.parametrize("name", INPUT_CASES)
def test_rows_like_those_of_training_are_no_drift_and_a_fault_is_seen_in_its_feature_first(
    baselines, name, tmp_path
):
    case, baseline = INPUT_CASES[name], baselines(name)
    baseline.save(tmp_path / "model-1.0.json")
    assert Baseline.load(tmp_path / "model-1.0.json") == baseline
    clean = baseline.compare(case.healthy(np.random.default_rng(8), WINDOW))
    assert [feature for feature, drift in clean.features.items() if drift.drifted] == []
    broken = baseline.compare(case.broken(np.random.default_rng(9), WINDOW))
    drifted = [feature for feature, drift in broken.features.items() if drift.drifted]
    assert drifted[:1], "nothing was flagged"
    assert drifted[0] in case.first
    # Without limits that were learned, the alert asks for more than a verdict.
    assert broken.features[drifted[0]].kl_divergence > 0.5
