"""A second real stream in its natural order, with the code and the settings of the first (test_calibration.py).

Elec2 has a year before trade with Victoria began, and a year and seven months after. Half of the year before is the
training period, fixed before anything was measured; windows are a day and a week, judged four times a window as the
flights are. Shorter and longer training periods are held beside it, so that none is the lucky one.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import pytest

from benchmarks.wheel_data import WheelDataError
from tests.elec2 import CHANGE, COLUMNS, DAY, OF_VICTORIA, ROWS, WEEK, day, load_elec2
from torchvitals import Baseline, DriftMonitor

OF_NEW_SOUTH_WALES = ["nswprice", "nswdemand"]
TRAINING_WEEKS = 26
CHRISTMAS, NEW_YEAR = date(1996, 12, 25), date(1997, 1, 1)


@dataclass(frozen=True)
class Verdict:
    """The features that drifted in one window, worst first, and the row after its last."""

    end: int
    names: list[str]


@pytest.fixture(scope="module")
def market():
    return load_elec2()


def train(market, first, weeks, *, ordered=True):
    return Baseline.fit(market[first : first + weeks * WEEK], ordered=ordered, windows=(DAY, WEEK))


def verdicts(market, baseline, first, last, window):
    """Judge the rows from `first` to `last` four times a window, once the first window is full."""
    monitor, found = DriftMonitor(baseline, window=window), []
    rows, stride = market.to_numpy(), window // 4
    for end in range(first + stride, last + 1, stride):
        monitor.update(rows[end - stride : end])
        if monitor.rows_seen >= window:
            features = monitor.report().features
            found.append(Verdict(end, [name for name, drift in features.items() if drift.drifted]))
    return found


def summary(title, found):
    """Print and return the share of windows with a drifted feature."""
    flagged = [verdict for verdict in found if verdict.names]
    share = len(flagged) / len(found)
    in_a_row = sum(bool(one.names) and bool(two.names) for one, two in pairwise(found))
    print(f"{title}: {share:.1%} of {len(found)} windows drifted, {in_a_row} alert-worthy", end="")
    if flagged:
        counts = Counter(name for verdict in flagged for name in verdict.names)
        print(f"; {day(flagged[0].end - 1)} to {day(flagged[-1].end - 1)}: {dict(counts)}", end="")
    print()
    return share


def test_victoria_is_constant_until_trade_with_it_began(market):
    assert market.shape == (ROWS, len(COLUMNS))
    assert not market.isna().any().any()
    constant = market[OF_VICTORIA].nunique()
    assert (market[OF_VICTORIA][:CHANGE].nunique() == 1).all()
    assert (constant > 1000).all()
    assert (market[OF_VICTORIA].iloc[CHANGE] != market[OF_VICTORIA].iloc[CHANGE - 1]).all()
    # The day of the change is in the file twice, without and with Victoria.
    assert day(CHANGE - 1) == day(CHANGE) == date(1997, 5, 4)
    before, after = (market[OF_NEW_SOUTH_WALES][start : start + DAY] for start in (CHANGE - DAY, CHANGE))
    assert (before.to_numpy() == after.to_numpy()).mean() > 0.95
    assert day(ROWS - 1) == date(1998, 12, 5)


@pytest.mark.parametrize(
    ("weeks", "window", "most"),
    [(26, DAY, 0.0), (26, WEEK, 0.05), (20, DAY, 0.0), (20, WEEK, 0.12), (39, DAY, 0.0), (39, WEEK, 0.0)],
)
def test_until_the_change_nothing_is_flagged_but_holidays(market, weeks, window, most):
    """Demand between Christmas and New Year is lower than in any week of a winter and a spring; that is so."""
    found = verdicts(market, train(market, 0, weeks), weeks * WEEK, CHANGE, window)
    assert summary(f"{weeks} weeks of training, windows of {window}, until the change", found) <= most
    assert {name for verdict in found for name in verdict.names} <= {"nswdemand"}


def test_the_one_false_alarm_of_the_quiet_half_year_is_christmas_week(market):
    found = verdicts(market, train(market, 0, TRAINING_WEEKS), TRAINING_WEEKS * WEEK, CHANGE, WEEK)
    flagged = [verdict for verdict in found if verdict.names]
    assert flagged
    for verdict in flagged:
        assert day(verdict.end - WEEK) <= NEW_YEAR
        assert day(verdict.end - 1) >= CHRISTMAS


@pytest.mark.parametrize("window", [DAY, WEEK])
def test_the_change_is_flagged_by_the_first_verdict_after_it_and_by_every_later_one(market, window):
    found = verdicts(market, train(market, 0, TRAINING_WEEKS), TRAINING_WEEKS * WEEK, ROWS, window)
    after = [verdict for verdict in found if verdict.end > CHANGE]
    assert summary(f"windows of {window}, from the change on", after) == 1.0
    first = Counter(verdict.names[0] for verdict in after)
    print(f"first verdict after {after[0].end - CHANGE} rows: {after[0].names}; named first: {dict(first)}")
    assert after[0].end - CHANGE <= window // 4
    assert set(first) <= set(OF_VICTORIA)
    assert all(set(OF_VICTORIA) <= set(verdict.names) for verdict in after)


@pytest.mark.parametrize(("window", "least"), [(DAY, 0.5), (WEEK, 0.15)])
def test_without_the_order_many_windows_of_the_quiet_half_year_are_called_drift(market, window, least):
    """Rows that hang together count for fewer, and still a day is no sample of half a year."""
    baseline = train(market, 0, TRAINING_WEEKS, ordered=False)
    found = verdicts(market, baseline, TRAINING_WEEKS * WEEK, CHANGE, window)
    assert summary(f"windows of {window}, until the change, order of training not used", found) > least


@pytest.mark.parametrize("window", [DAY, WEEK])
def test_trained_anew_on_a_year_after_the_change_it_is_quiet_and_on_half_a_year_less_so(market, window):
    """Half a year does not know the other half's prices; a year knows both."""
    shares = {}
    for weeks in (26, 52):
        start = CHANGE + weeks * WEEK
        found = verdicts(market, train(market, CHANGE, weeks), start, ROWS, window)
        shares[weeks] = summary(
            f"{weeks} weeks of training from the change on, windows of {window}, the rest", found
        )
    assert shares[52] == 0.0
    assert shares[26] > shares[52]


def test_a_file_that_is_not_the_meant_one_is_refused(tmp_path):
    (tmp_path / "elec.csv").write_text("feat_1\n0\n")
    with pytest.raises(WheelDataError, match="delete it"):
        load_elec2(tmp_path)


def test_without_a_network_it_is_said_which_file_is_missing(tmp_path, monkeypatch):
    """Pip itself, told to look nowhere but in an empty folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    folder = tmp_path / "elec2"
    with pytest.raises(
        WheelDataError, match=r"cannot be fetched: ERROR: No matching distribution(.|\n)*elec\.csv"
    ):
        load_elec2(folder)
    assert list(folder.iterdir()) == []
