"""At which row exactly a verdict turns."""

from __future__ import annotations

import pytest

from torchvitals.drift.hysteresis import Hysteresis

# A quarter of it has to pass.
WINDOW = 1000
PATIENCE = 250


def turns(steady: Hysteresis, rows: range, drifted_at: range | set[int]) -> list[int]:
    """Return the rows at which the steady verdict on 'a' changes, judged at each of `rows`."""
    found, before = [], False
    for row in rows:
        now = "a" in steady.update(["a"], {"a"} if row in drifted_at else set(), row)
        if now != before:
            found.append(row)
        before = now
    return found


def test_a_drift_is_believed_a_quarter_window_after_it_was_first_seen():
    assert turns(Hysteresis(WINDOW), range(900, 3000), range(1000, 3000)) == [1000 + PATIENCE]


def test_a_drift_is_over_a_quarter_window_after_it_was_last_seen():
    rows = turns(Hysteresis(WINDOW), range(900, 3000), range(1000, 2000))
    assert rows == [1000 + PATIENCE, 2000 + PATIENCE]


@pytest.mark.parametrize(("held", "expected"), [(PATIENCE, []), (PATIENCE + 1, [1000 + PATIENCE])])
def test_one_row_decides(held, expected):
    """Seen at `held` rows in a row from the 1,000th on: the last of them is at 1,000 + held - 1."""
    assert turns(Hysteresis(WINDOW), range(1000, 1251), range(1000, 1000 + held)) == expected


def test_rows_count_and_not_verdicts():
    """Ten verdicts on the same rows are one; two that lie a quarter window apart suffice."""
    often = Hysteresis(WINDOW)
    for _ in range(10):
        assert often.update(["a"], {"a"}, 1000) == set()
    seldom = Hysteresis(WINDOW)
    assert seldom.update(["a"], {"a"}, 1000) == set()
    assert seldom.update(["a"], {"a"}, 1249) == set()
    assert seldom.update(["a"], {"a"}, 1250) == {"a"}


def test_flicker_never_turns_a_verdict_on():
    """A verdict that changes at every stride of 200 rows is gone before it is believed."""
    drifted = {row for row in range(1000, 11_000) if row // 200 % 2}
    assert turns(Hysteresis(WINDOW), range(1000, 11_000), drifted) == []


def test_flicker_never_turns_a_verdict_off():
    steady = Hysteresis(WINDOW)
    assert turns(steady, range(1000, 1251), range(1000, 1251)) == [1250]
    gone = {row for row in range(1251, 11_000) if row // 200 % 2}
    assert all(
        steady.update(["a"], set() if row in gone else {"a"}, row) == {"a"} for row in range(1251, 11_000)
    )


def test_waiting_starts_anew_after_an_interruption():
    drifted = {*range(1000, 1200), *range(1201, 2000)}
    assert turns(Hysteresis(WINDOW), range(1000, 2000), drifted) == [1201 + PATIENCE]


def test_each_name_waits_for_itself():
    steady = Hysteresis(WINDOW)
    assert steady.update(["a", "b"], {"a"}, 1000) == set()
    assert steady.update(["a", "b"], {"a", "b"}, 1100) == set()
    assert steady.update(["a", "b"], {"a", "b"}, 1250) == {"a"}
    assert steady.update(["a", "b"], {"b"}, 1350) == {"a", "b"}
    assert steady.update(["a", "b"], {"b"}, 1600) == {"b"}


def test_a_drifted_name_that_is_not_judged_is_not_believed():
    steady = Hysteresis(WINDOW)
    for row in (1000, 1250, 5000):
        assert steady.update(["a"], {"unknown"}, row) == set()


def test_a_name_that_is_no_longer_judged_keeps_its_verdict():
    steady = Hysteresis(WINDOW)
    steady.update(["a"], {"a"}, 1000)
    assert steady.update(["a"], {"a"}, 1250) == {"a"}
    assert steady.update([], set(), 9000) == {"a"}


def test_what_is_returned_is_the_callers_own():
    steady = Hysteresis(1)
    steady.update(["a"], {"a"}, 1)
    steady.update(["a"], {"a"}, 2).clear()
    assert steady.update([], set(), 3) == {"a"}


@pytest.mark.parametrize("window", [1, 2, 3, 4, 7])
def test_the_smallest_windows_wait_for_one_row(window):
    steady = Hysteresis(window)
    assert steady.update(["a"], {"a"}, 5) == set()
    assert steady.update(["a"], {"a"}, 5) == set()
    assert steady.update(["a"], {"a"}, 6) == {"a"}


def test_a_window_of_eight_waits_for_two():
    assert turns(Hysteresis(8), range(5, 10), range(5, 10)) == [7]
