"""The tools that are compared: what is installed, which call decides, and what each is meant for."""

from __future__ import annotations

from dataclasses import dataclass

OURS = "torchvitals"


@dataclass(frozen=True)
class Peer:
    """One tool. `requirements` are pinned and go into an environment of its own; empty for this project's own."""

    key: str
    title: str
    package: str
    requirements: tuple[str, ...]
    decision: str
    meant_for: str


PEERS = (
    Peer(
        key=OURS,
        title="TorchVitals",
        package="torchvitals",
        requirements=(),
        decision=(
            "`DriftMonitor(Baseline.fit(rows)).update(window)`, then `report()`; a feature is flagged when its "
            "`drifted` is true: Benjamini-Hochberg at 0.05 %, one of the floors reached (PSI 0.05, a mean distance of "
            "0.13 standard deviations, 5 points of a share, 0.7 % of values far out), and, for the flights "
            "(`ordered=True`), beyond what training windows do. The hysteresis of the server is not used: each window "
            "is judged alone."
        ),
        meant_for="judging a rolling window inside the process that serves, many times an hour",
    ),
    Peer(
        key="torchvitals_two",
        title="TorchVitals, two windows",
        package="torchvitals",
        requirements=(),
        decision=(
            "the same with `DriftMonitor(baseline, window=(250, 1000))`, the windows that a handler has by default: a "
            "feature is flagged when either report flags it. For windows of 100 rows, 25 and 100."
        ),
        meant_for="the same, as a handler is configured by default: what breaks at once is found sooner",
    ),
    Peer(
        key="evidently",
        title="Evidently",
        package="evidently",
        # pandas 3 removed a name that this version imports.
        requirements=("evidently==0.7.23", "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1"),
        decision=(
            "`Report([DataDriftPreset()]).run(current, reference)`; a column is flagged when its drift test "
            "fails. By default, with more than 1,000 reference rows: Wasserstein distance in reference standard "
            "deviations, or Jensen-Shannon distance for columns of at most 5 values, from 0.1. The rule for the "
            "whole table (half of the columns) is not used. A report also draws plots, too slowly for thousands "
            "of windows. So the verdicts come from the column tests that it calls; the first window of each "
            "data set is checked against the report. The CPU time is that of the report."
        ),
        meant_for="reports and test suites over batches, with plots to look at",
    ),
    Peer(
        key="alibi_detect",
        title="alibi-detect KS",
        package="alibi-detect",
        requirements=("alibi-detect==0.13.0", "numpy==1.26.4", "scipy==1.17.1", "pandas==2.3.3"),
        decision=(
            "`KSDrift(reference).predict(window)` with its defaults: two-sample Kolmogorov-Smirnov, `p_val=0.05` "
            "with the Bonferroni correction; a feature is flagged when its p-value is below the corrected "
            "threshold. A column with a missing value, in the baseline or in the window, has no p-value and is "
            "never flagged. In the flights all weather columns have some: only hour, minute and distance are judged."
        ),
        meant_for="hypothesis tests on batches of tables, images and embeddings, with learned detectors too",
    ),
    Peer(
        key="whylogs",
        title="whylogs",
        package="whylogs",
        requirements=("whylogs[viz]==1.6.4", "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1"),
        decision=(
            "`why.log(window).view()`, then `calculate_drift_scores(..., with_thresholds=True)`; a column is "
            "flagged when its category is `DRIFT` (p-value below 0.05; `POSSIBLE_DRIFT` is not counted). By "
            "default Kolmogorov-Smirnov on the sketches for numbers and chi-square for texts; the column "
            "with four values and the boolean one are given as texts. It does not correct for the number of columns. "
            "Its sketches draw at random, so its figures vary a little from run to run."
        ),
        meant_for="small mergeable profiles of any amount of data, compared later and elsewhere",
    ),
    Peer(
        key="nannyml",
        title="NannyML",
        package="nannyml",
        # statsmodels is imported by this version and not among its requirements.
        requirements=(
            "nannyml==0.13.1",
            "statsmodels==0.15.0",
            "pandas==2.3.3",
            "numpy==2.4.6",
            "scipy==1.17.1",
        ),
        decision=(
            "`UnivariateDriftCalculator(columns, chunk_size=window)` fitted on the baseline, then "
            "`calculate(window)`; a column is flagged when its `alert` is true. By default Jensen-Shannon "
            "distance, above the mean plus 3 standard deviations over the baseline's own chunks; the column with "
            "four values and the boolean one are in `treat_as_categorical`. A baseline of 10,000 rows has 10 "
            "chunks of 1,000, as many as it makes by default; it warns that this is few."
        ),
        meant_for="model performance without labels, and drift beside it, over chunks of a period",
    ),
)

BY_KEY = {peer.key: peer for peer in PEERS}
