"""What a baseline learns of parts of its rows: how many, of which values, and the distributions of each."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from torchvitals import Baseline, BaselineBuilder, BaselineError, Features
from torchvitals.errors import ConfigurationError
from torchvitals.training import segments as module
from torchvitals.training.segments import SegmentCounts, SegmentRows

SHARES = {"AA": 0.5, "B6": 0.4, "UA": 0.07, "YX": 0.03}


def table(rows, seed=1):
    """Return rows of four partners; each has its own mean of `amount`."""
    rng = np.random.default_rng(seed)
    carrier = rng.choice(list(SHARES), rows, p=list(SHARES.values()))
    means = np.select([carrier == name for name in SHARES], [0.0, 10.0, 20.0, 30.0])
    return pd.DataFrame(
        {
            "carrier": carrier,
            "amount": rng.normal(means),
            "cabin": rng.choice(["economy", "first"], rows, p=[0.8, 0.2]),
            "stops": rng.integers(0, 3, rows),
        }
    )


def fitted(data, *columns, **options):
    return Baseline.fit(data, features=Features(segments=list(columns)), **options)


def rows_of(baseline):
    return {baseline.segments.name(one): one.rows for one in baseline.segments.judged}


def feature_of(baseline, segment, name):
    by_name = {baseline.segments.name(one): one for one in baseline.segments.segments}
    return next(feature for feature in by_name[segment].features if feature.name == name)


def test_each_value_with_rows_enough_is_a_segment_and_the_others_are_one():
    data = table(10_000)
    counts = data.carrier.value_counts()
    data.loc[data.index[:200][data.carrier[:200] == "YX"], "carrier"] = "rare"
    baseline = fitted(data, "carrier")
    rare = counts.YX - (data.carrier == "YX").sum()
    assert 0 < rare < 300
    assert rows_of(baseline) == {
        "carrier=AA": counts.AA,
        "carrier=B6": counts.B6,
        "carrier=UA": counts.UA,
        **({"carrier=YX": counts.YX - rare} if counts.YX - rare >= 300 else {}),
    }


def test_rows_without_a_segment_of_their_own_are_judged_together():
    data = table(20_000)
    data["carrier"] = data.carrier.where(data.index % 10 > 0, [f"small{i % 1000}" for i in data.index])
    data.loc[data.index % 100 == 1, "carrier"] = None
    baseline = fitted(data, "carrier")
    own = {name: rows for name, rows in rows_of(baseline).items() if name != "other"}
    assert set(own) == {f"carrier={name}" for name in SHARES}
    assert rows_of(baseline)["other"] == 20_000 - sum(own.values())


def test_a_segment_has_the_distribution_of_its_own_rows():
    data = table(20_000)
    baseline = fitted(data, "carrier")
    own = data[data.carrier == "YX"].amount.astype(np.float32).astype(np.float64)
    amount = feature_of(baseline, "carrier=YX", "amount")
    assert amount.mean == pytest.approx(own.mean(), abs=1e-6)
    assert amount.std == pytest.approx(own.std(ddof=0), abs=1e-6)
    assert max(amount.counts) < 0.2 * len(own)
    assert sum(amount.counts) == len(own)
    cabin = feature_of(baseline, "carrier=YX", "cabin")
    assert cabin.counts[:2] == data[data.carrier == "YX"].cabin.value_counts().sort_index().tolist()
    assert [feature.name for feature in baseline.segments.segments[0].features] == [
        "amount",
        "cabin",
        "stops",
    ]


@pytest.mark.parametrize("kept", ["text", "number", "truth", "code"])
def test_columns_of_categories_of_any_kind_tell_segments_apart(kept):
    data = table(4_000)
    data["partner"] = {
        "text": data.cabin,
        "number": data.stops,
        "truth": data.stops > 0,
        "code": (data.amount > 5).astype(int) * 1000 + 7,
    }[kept]
    features = Features(segments=["partner"], categories={"partner": "codes"} if kept == "code" else {})
    baseline = Baseline.fit(data, features=features)
    counts = data.partner.value_counts()
    expected = {
        f"partner={int(value) if kept in ('number', 'truth') else value}": rows
        for value, rows in counts.items()
    }
    assert rows_of(baseline) == expected


def test_two_columns_tell_pairs_apart():
    data = table(20_000)
    baseline = fitted(data, "carrier", "cabin")
    pairs = data.groupby(["carrier", "cabin"]).size()
    assert {name: rows for name, rows in rows_of(baseline).items() if name != "other"} == {
        f"carrier={carrier} cabin={cabin}": rows for (carrier, cabin), rows in pairs.items() if rows >= 300
    }


@pytest.mark.parametrize("size", [1, 7, 1000, 9000])
def test_batches_of_any_size_make_the_segments_of_the_whole(size):
    data = table({1: 1_000, 7: 4_000}.get(size, 20_000))
    batches = [data.iloc[start : start + size] for start in range(0, len(data), size)]
    whole = fitted(data, "carrier")
    baseline = Baseline.from_batches(batches, features=Features(segments=["carrier"]))
    assert rows_of(baseline) == rows_of(whole)
    for segment in rows_of(whole):
        here, there = feature_of(baseline, segment, "amount"), feature_of(whole, segment, "amount")
        assert here.mean == pytest.approx(there.mean, abs=0.1)
        assert here.std == pytest.approx(there.std, rel=0.1)


def test_a_sample_is_fair_however_the_rows_came():
    """Of 60,000 rows with the values 0 to 59,999, in parts of very different sizes."""
    whole = SegmentRows()
    for part in np.split(np.arange(60_000, dtype=np.float32), [10, 3_000, 3_001, 40_000]):
        whole.add(len(part), len(part), lambda places, part=part: {"x": part[places]})
    assert whole.count == 60_000
    values = whole.columns["x"]
    assert len(values) == module.SAMPLED_ROWS
    assert len(np.unique(values)) == module.SAMPLED_ROWS
    counts = np.bincount((values // 6_000).astype(int), minlength=10)
    # Of 2,000 rows in ten parts, 200 each, with a standard deviation of 13.4.
    assert np.abs(counts - 200).max() < 60


def test_samples_merge_into_a_fair_one():
    """Of parts of 90 % and 10 % of the rows, each of which fills a sample, come 90 % and 10 % of the merged one."""
    parts = []
    for value, rows in ((0.0, 90_000), (1.0, 10_000)):
        part = SegmentRows()
        part.add(rows, rows, lambda places, value=value: {"x": np.full(len(places), value, dtype=np.float32)})
        parts.append(part)
    parts[0].merge(parts[1])
    assert parts[0].count == 100_000
    assert len(parts[0]) == module.SAMPLED_ROWS
    assert parts[0].columns["x"].mean() == pytest.approx(0.1, abs=0.03)


def test_memory_is_bounded_whatever_the_column_holds(monkeypatch):
    monkeypatch.setattr(module, "MOST_CANDIDATES", 4)
    counts = SegmentCounts(["carrier"])
    rng = np.random.default_rng(3)
    for _ in range(20):
        texts = [f"t{n}" for n in rng.integers(0, 5_000, 9_000)]
        texts[:3_000] = ["large"] * 3_000
        counts.update({"carrier": np.array(texts, dtype=object), "x": rng.random(9_000, dtype=np.float32)})
    assert len(counts._segments) <= 8
    assert counts._segments["large",].count == 60_000
    assert counts._rest.count + sum(rows.count for rows in counts._segments.values()) == 180_000


def test_builders_of_parts_merge_into_that_of_the_whole():
    data = table(20_000)
    features = Features(segments=["carrier"])
    parts = []
    for part in (data[:2_000], data[2_000:9_000], data[9_000:]):
        builder = BaselineBuilder(features=features)
        builder.update(part)
        parts.append(pickle.loads(pickle.dumps(builder)))
    merged = parts[0].merge(parts[1]).merge(parts[2]).baseline()
    assert rows_of(merged) == rows_of(fitted(data, "carrier"))


def test_files_merge_and_the_merged_one_may_be_merged_again(tmp_path):
    data = table(24_000)
    paths = []
    for number, part in enumerate((data[:800], data[800:12_000], data[12_000:])):
        baseline = Baseline.from_batches([part], features=Features(segments=["carrier"]), mergeable=True)
        paths.append(tmp_path / f"{number}.json")
        baseline.save(paths[-1])
    first, second, third = map(Baseline.load, paths)
    merged = first.merge(second).merge(third)
    whole = fitted(data, "carrier")
    assert rows_of(merged) == rows_of(whole)
    for segment in rows_of(whole):
        for name in ("amount", "stops"):
            here, there = feature_of(merged, segment, name), feature_of(whole, segment, name)
            assert here.mean == pytest.approx(there.mean, abs=0.1)
        shares = [np.array(feature_of(one, segment, "cabin").counts) for one in (merged, whole)]
        assert shares[0][0] / shares[0].sum() == pytest.approx(shares[1][0] / shares[1].sum(), abs=0.04)


def test_what_is_too_rare_in_each_part_may_be_a_segment_of_the_whole():
    data = table(16_000)
    parts = [
        Baseline.from_batches([part], features=Features(segments=["carrier"]), mergeable=True)
        for part in (data[:8_000], data[8_000:])
    ]
    assert all("carrier=YX" not in rows_of(part) for part in parts)
    assert "carrier=YX" in rows_of(parts[0].merge(parts[1]))


def test_a_file_holds_no_row_as_a_whole(tmp_path):
    """What is kept to be merged is in no order, so that no two values can be put together again."""
    data = table(4_000)
    baseline = Baseline.from_batches([data], features=Features(segments=["carrier"]), mergeable=True)
    summary = feature_of(baseline, "carrier=AA", "amount").summary
    values = np.frombuffer(summary.values, dtype="<f4")
    assert (np.diff(values) > 0).all()


def test_a_baseline_with_segments_is_read_as_it_was_written(tmp_path):
    baseline = fitted(table(5_000), "carrier")
    baseline.save(tmp_path / "b.json")
    assert Baseline.load(tmp_path / "b.json") == baseline
    assert Baseline.fit(table(5_000)).segments is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["carier"], "segments: the data have no column 'carier'; did you mean 'carrier'?"),
        (["amount"], "segments: column 'amount' holds numbers of many different values; name one or two"),
        (["account"], "segments: column 'account' holds identifiers"),
    ],
)
def test_a_column_that_tells_no_segments_apart_is_refused(columns, message):
    data = table(2_000).assign(account=[f"account {n}" for n in range(2_000)])
    with pytest.raises(BaselineError, match=message) as error:
        fitted(data, *columns)
    assert "account 1" not in str(error.value)


def test_parts_with_other_segments_are_not_merged():
    data = table(2_000)
    parts = []
    for features in (
        Features(segments=["carrier"]),
        Features(segments=["cabin"]),
        Features(inputs="columns"),
    ):
        parts.append(BaselineBuilder(features=features))
        parts[-1].update(data)
    with pytest.raises(BaselineError, match="segments by carrier, the other by cabin"):
        parts[0].merge(parts[1])
    with pytest.raises(BaselineError, match="one part was built with segments and the other without"):
        parts[1].merge(parts[2])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"segments": ["a", "b", "c"]}, "segments: a, b, c: give one column, or two different ones"),
        ({"segments": ["a", "a"]}, "segments: a, a: give one column, or two different ones"),
        ({"segments": ["a"], "inputs": "images"}, "segments: inputs of images have no columns"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(said, message):
    with pytest.raises(ConfigurationError, match=message):
        Features(**said)


def test_a_baseline_without_the_segments_that_are_wanted_says_what_to_do():
    with_segments, without = fitted(table(3_000), "carrier"), Baseline.fit(table(3_000))
    wanted = Features(segments=["carrier"])
    wanted.check(with_segments)
    Features().check(with_segments)
    with pytest.raises(ConfigurationError, match=r"has no segments; rebuild it .*--segments carrier.*learn"):
        wanted.check(without)
    with pytest.raises(ConfigurationError, match="has segments by carrier; rebuild"):
        Features(segments=["cabin"]).check(with_segments)
    assert Features(segments=[]).applied(with_segments).segments is None


def test_in_the_order_of_time_a_segment_learns_how_far_its_windows_stray():
    """The amount of all partners swings by 3 within a day; the rows of the small partner are too few to tell."""
    data = table(30_000)
    data["amount"] += 3 * np.sin(np.arange(30_000) / 500)
    baseline = fitted(data, "carrier", ordered=True)
    for segment in ("carrier=AA", "carrier=YX"):
        feature = feature_of(baseline, segment, "amount")
        assert [one.window for one in feature.variation] == [200]
        assert feature.variation[0].windows >= 20
        assert feature.variation[0].farthest("wasserstein_distance") > 0.5
    assert feature_of(baseline, "carrier=YX", "amount").variation[0].windows > 24
