"""Baselines built batch by batch and merged: the same as one pass, in memory that does not grow."""

import json
import pickle
import subprocess
import sys

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import Baseline, BaselineError, Features
from torchvitals.training import BaselineBuilder
from torchvitals.training.difference import differences, rebinned
from torchvitals.training.fitting import edge_positions
from torchvitals.training.moments import Moments
from torchvitals.training.numbers import EXACT_ROWS, EXACT_VALUES, Numbers
from torchvitals.training.sketches import quantile_sketch
from torchvitals.training.texts import EXACT_TEXTS, TextCounts

RANK_ERROR = quantile_sketch().normalized_rank_error(False)


def mixed(rows=1500, seed=3):
    """Continuous, few-valued, rare-valued and with infinities and missing values."""
    rng = np.random.default_rng(seed)
    data = np.column_stack(
        [
            rng.normal(10, 2, rows),
            rng.integers(0, 5, rows),
            np.where(rng.random(rows) < 0.98, 0, rng.integers(1, 9, rows)),
            rng.lognormal(size=rows),
        ]
    )
    data[::50, 0] = np.nan
    data[3, 3], data[4, 3] = np.inf, -np.inf
    return data


def stream(data, outputs=None, size=400, **options):
    builder = BaselineBuilder(**options)
    for start in range(0, len(data), size):
        rows = slice(start, start + size)
        builder.update(data[rows], outputs=None if outputs is None else outputs[rows])
    return builder


def merged(builders):
    whole = BaselineBuilder()
    for builder in builders:
        whole.merge(builder)
    return whole


@pytest.mark.parametrize("scores", ["none", "logits", "probabilities", "values"])
@pytest.mark.parametrize("size", [1, 7, 400, 5000])
def test_small_data_give_exactly_what_fit_gives(scores, size):
    data = mixed()
    logits = np.random.default_rng(1).normal(size=(len(data), 3))
    logits[17] = np.nan
    outputs = {
        "none": None,
        "logits": logits,
        "probabilities": np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
        "values": logits[:, 0],
    }[scores]
    fitted = Baseline.fit(data, outputs=outputs)
    streamed = stream(data, outputs, size).baseline()
    assert streamed.features == fitted.features
    assert (streamed.outputs, streamed.samples) == (fitted.outputs, fitted.samples)


def test_outputs_that_are_not_finite_at_first_decide_nothing():
    shares = np.full((20, 2), 0.5)
    shares[:10] = np.nan
    data = np.arange(20.0).reshape(-1, 1)
    assert stream(data, shares, 10).baseline().features == Baseline.fit(data, outputs=shares).features
    assert stream(data, shares, 10).baseline().outputs.scores == "probabilities"


def as_loader(data):
    tensors = torch.utils.data.TensorDataset(torch.tensor(data, dtype=torch.float32), torch.zeros(len(data)))
    return torch.utils.data.DataLoader(tensors, batch_size=100)


@pytest.mark.parametrize(
    "batches",
    [
        lambda data: iter([data[:700], data[700:]]),
        lambda data: [torch.tensor(data[:700]), torch.tensor(data[700:])],
        as_loader,
        lambda data: [pd.DataFrame(data, columns=["f0", "f1", "f2", "f3"])],
        lambda data: pa.Table.from_pandas(pd.DataFrame(data, columns=["f0", "f1", "f2", "f3"])).to_batches(
            200
        ),
    ],
    ids=["generator", "tensors", "DataLoader", "DataFrame", "arrow"],
)
def test_any_iterable_of_batches_will_do(batches):
    data = mixed()
    built = Baseline.from_batches(batches(data), name="fraud", version="2.0")
    assert built.features == Baseline.fit(data).features
    assert (built.name, built.version, built.samples) == ("fraud", "2.0", len(data))


def test_arrow_columns_that_are_read_only_and_long_are_taken():
    values = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    values.flags.writeable = False
    for batch in (values.reshape(-1, 1), pa.table({"f0": values})):
        (feature,) = Baseline.from_batches([batch]).features
        assert (feature.count, feature.max) == (50_000, float(values.max()))


def test_a_model_is_run_batch_by_batch():
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 3)
    data = np.nan_to_num(mixed(), posinf=0, neginf=0).astype(np.float32)
    calls = []

    def model(batch):
        calls.append(len(batch))
        with torch.inference_mode():
            return network(batch)

    built = Baseline.from_batches(as_loader(data), model=model, class_names=["a", "b", "c"])
    outputs = network(torch.tensor(data)).detach().numpy()
    assert calls == [100] * 15
    fitted = Baseline.fit(data, outputs=outputs, class_names=["a", "b", "c"])
    for mine, theirs in zip(built.of_source("output"), fitted.of_source("output")):
        assert mine.counts == theirs.counts


def test_half_precision_outputs_are_taken():
    built = Baseline.from_batches(
        [torch.ones(10, 2, dtype=torch.bfloat16)], model=lambda batch: batch.sum(dim=1)
    )
    assert built.of_source("output")[0].mean == 2.0


# A column is float32; its exact mean is known from its float64 values.
def ranks_of(edges, column):
    ordered = np.sort(column)
    return np.searchsorted(ordered, edges, side="right") / len(ordered)


def large(rows=200_000):
    rng = np.random.default_rng(11)
    data = np.column_stack(
        [
            rng.normal(1e4, 2, rows),
            rng.lognormal(sigma=2, size=rows),
            rng.integers(0, 1000, rows),
            rng.standard_t(3, rows),
        ]
    ).astype(np.float32)
    data[::20, 0] = np.nan
    data[7, 1], data[8, 1], data[9, 1] = np.inf, np.inf, -np.inf
    return data


@pytest.fixture(scope="module")
def in_parts():
    data = large()
    parts = [stream(part, size=500) for part in np.array_split(data, 100)]
    return data, merged(parts).baseline(), stream(data, size=65_536).baseline(), Baseline.fit(data)


def test_a_merge_of_100_parts_counts_exactly_what_one_pass_counts(in_parts):
    _, parts, once, fitted = in_parts
    columns = (parts.column_features, once.column_features, fitted.column_features)
    for mine, one, true in zip(*columns, strict=True):
        facts = [(f.kind, f.count, f.missing, f.min, f.max, sum(f.counts)) for f in (mine, one, true)]
        assert facts[0] == facts[1] == facts[2]
        for moment in ("mean", "std"):
            assert getattr(mine, moment) == pytest.approx(getattr(one, moment), rel=1e-9)
            assert getattr(mine, moment) == pytest.approx(getattr(true, moment), rel=1e-9)


def test_a_merge_of_100_parts_has_edges_within_the_sketch_error(in_parts):
    data, parts, once, _ = in_parts
    errors = []
    for built in (parts, once):
        for place in (0, 1, 3):
            column = data[:, place].astype(float)
            column = column[np.isfinite(column)]
            edges = built.features[place].edges
            ranks = (edge_positions(len(column)) + 1) / len(column)
            assert len(edges) == len(ranks) == 13
            errors += np.abs(ranks_of(edges, column) - ranks).tolist()
            shares = np.array(built.features[place].counts[:-1]) / built.features[place].count
            true = np.diff([0, *ranks_of(edges, column), 1])
            assert np.abs(shares - true).max() < 2 * quantile_sketch().normalized_rank_error(True)
    # The sketch states an error that 99 % of the ranks keep.
    assert np.mean(np.array(errors) <= RANK_ERROR) >= 0.95
    assert max(errors) < 2 * RANK_ERROR


def test_a_column_of_few_different_values_stays_exact_however_long(in_parts):
    _, parts, once, fitted = in_parts
    for built in (parts, once):
        mine, true = built.features[2], fitted.features[2]
        assert (mine.edges, mine.counts) == (true.edges, true.counts)
        assert mine.quantiles == pytest.approx(true.quantiles, rel=1e-9)


def test_a_long_few_valued_column_is_discrete_as_fit_says():
    values = np.tile(np.array([1.0, 2.0, 5.0, np.nan]), EXACT_ROWS).reshape(-1, 1)
    (mine,), (true,) = stream(values, size=100_000).baseline().features, Baseline.fit(values).features
    assert (mine.kind, mine.categories, mine.counts) == (true.kind, true.categories, true.counts)
    assert mine.kind == "discrete"
    assert (mine.mean, mine.std) == pytest.approx((true.mean, true.std), rel=1e-9)
    assert mine.quantiles == pytest.approx(true.quantiles, rel=1e-9)


def test_edges_between_two_values_are_those_of_fit():
    # The edge at a tenth is the 20,001st of the values, which is the first of the next one.
    values = np.concatenate([np.repeat(np.arange(100.0), 2000), np.full(10, 99.0)]).reshape(-1, 1)
    (mine,), (true,) = stream(values, size=50_000).baseline().features, Baseline.fit(values).features
    assert (mine.edges, mine.counts) == (true.edges, true.counts)
    # Halfway to the next value, which is as common.
    assert mine.edges[1] == 10.5


def test_a_streamed_baseline_judges_as_a_fitted_one_does(in_parts):
    data, parts, _, fitted = in_parts
    rng = np.random.default_rng(5)
    rows = data[rng.choice(len(data), 1000)]
    assert not parts.compare(rows).drifted
    moved = rows + np.array([2, 0, 0, 0], dtype=np.float32)
    mine, true = parts.compare(moved), fitted.compare(moved)
    assert [name for name, drift in mine.features.items() if drift.drifted] == ["f0", "row_distance"]
    for name in ("f0", "f1", "f2", "f3"):
        assert mine.features[name].psi == pytest.approx(true.features[name].psi, abs=0.02)
    # A sketch errs in rank, at random: far out in the tails of f1 and f3 a rank is many standard deviations wide.
    for name in ("f0", "f2"):
        true_distance = true.features[name].wasserstein_distance
        assert mine.features[name].wasserstein_distance == pytest.approx(true_distance, abs=0.05)


def test_a_sketch_does_not_grow_with_the_rows():
    rng = np.random.default_rng(0)
    sizes = []
    for rows in (100_000, 1_000_000):
        numbers = Numbers()
        for _ in range(rows // 50_000):
            numbers.update(rng.normal(size=50_000).astype(np.float32))
        sizes.append(len(numbers.summary().sketch))
    assert sizes[1] < 1.2 * sizes[0] < 30_000


@settings(max_examples=40, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.integers(0, 2**31), st.integers(0, 3000), st.sampled_from(["normal", "few", "text"])),
        min_size=3,
        max_size=3,
    ),
    kind=st.sampled_from(["normal", "few", "text"]),
)
def test_merging_is_associative_and_zero_is_neutral(parts, kind):
    builders, whole = [], []
    for seed, rows, _ in parts:
        rng = np.random.default_rng(seed)
        column = {
            "normal": lambda rng=rng, rows=rows: rng.normal(size=rows),
            "few": lambda rng=rng, rows=rows: rng.integers(0, 9, rows).astype(float),
            "text": lambda rng=rng, rows=rows: rng.choice(["a", "b", None], rows),
        }[kind]()
        builders.append(BaselineBuilder(feature_names=["x"]))
        builders[-1].update(pd.DataFrame({"x": column}))
        whole.append(column)
    if not sum(len(column) for column in whole):
        with pytest.raises(BaselineError, match="no rows"):
            merged(builders).baseline()
        return
    a, b, c = builders
    left = merged([merged([a, b]), c]).baseline().features[0]
    right = merged([a, merged([b, c])]).baseline().features[0]
    assert (left.kind, left.count, left.missing) == (right.kind, right.count, right.missing)
    assert (left.min, left.max) == (right.min, right.max)
    assert (left.mean, left.std) == pytest.approx((right.mean, right.std), rel=1e-9, abs=1e-9)
    if left.kind != "numeric" or left.count <= EXACT_VALUES:
        assert left == right
    else:
        column = np.concatenate(whole)
        column = column.astype(np.float32).astype(float)
        for feature in (left, right):
            # A tenth of the rows is a whole number of them, so ranks may be one row apart.
            ranks = (edge_positions(len(column)) + 1) / len(column)
            apart = np.abs(ranks_of(feature.edges, column) - ranks).max()
            assert apart < 2 * RANK_ERROR + 1 / len(column)
    zero = BaselineBuilder()
    with_zero = merged([zero, a, zero])
    assert with_zero.samples == a.samples
    if a.samples:
        assert with_zero.baseline().features == a.baseline().features


def test_merging_leaves_the_other_part_as_it_was():
    first, second = stream(mixed(seed=1)), stream(large(30_000))
    before = second.baseline(mergeable=True).features
    merged([first, second, second])
    assert second.baseline(mergeable=True).features == before
    assert first.samples == 1500


def test_a_builder_goes_to_another_process_and_back():
    builder = stream(large(30_000))
    copy = pickle.loads(pickle.dumps(builder))
    assert copy.baseline().features == builder.baseline().features


def test_moments_of_far_away_numbers_keep_their_spread():
    values = 1e9 + np.random.default_rng(0).normal(size=100_000)
    moments = Moments()
    for part in np.array_split(values, 100):
        moments.merge(Moments.of(part))
    assert moments.std == pytest.approx(values.std(), rel=1e-9)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-12)


# Texts


def test_many_texts_are_counted_within_the_sketch_error_and_never_too_high():
    rng = np.random.default_rng(0)
    true = {f"common {i}": 2000 - i for i in range(60)}
    rare = [f"rare {i}" for i in rng.permutation(60_000)]
    builder = BaselineBuilder()
    for part in range(10):
        column = [text for text, count in true.items() for _ in range(count // 10)]
        column += rare[part * 6000 : (part + 1) * 6000] + [None] * 5
        builder.update(pd.DataFrame({"id": rng.permutation(np.array(column, dtype=object))}))
    feature = builder.baseline().features[0]
    exact = {text: count // 10 * 10 for text, count in true.items()}
    total = sum(exact.values()) + 60_000
    assert (feature.count, feature.missing, sum(feature.counts)) == (total, 50, total + 50)
    assert len(feature.categories) == 50
    for text, count in zip(feature.categories, feature.counts):
        assert exact[text] - 3.5 / 2**14 * total <= count <= exact[text]


def test_texts_merge_over_the_border_to_the_sketch():
    few, many = TextCounts(), TextCounts()
    few.update({"a": 10, "b": 5})
    many.update({f"text {i}": 1 for i in range(EXACT_TEXTS + 1)} | {"a": 1})
    for whole in (merged_texts(few, many), merged_texts(many, few)):
        feature = TextCounts.resume(whole.summary()).describe(name="x", source="input", categories=["a", "b"])
        assert feature.counts == [11, 5, EXACT_TEXTS + 1, 0]


def merged_texts(*parts):
    whole = TextCounts()
    for part in parts:
        whole.merge(part)
    return whole


@pytest.mark.parametrize(
    ("columns", "kind", "counts"),
    [
        ([[np.nan, np.nan], ["b", "a"]], "categorical", [1, 1, 0, 2]),
        ([[None, None], [1.0, 2.0] * 10], "discrete", [10, 10, 0, 2]),
        ([[True, False] * 10, [True, None]], "discrete", [10, 11, 0, 1]),
        ([[None], [None]], "discrete", [0, 2]),
        ([[np.nan], [np.nan]], "discrete", [0, 2]),
        ([pd.array([1, None] * 10, dtype="Int64")], "discrete", [10, 0, 10]),
    ],
)
def test_a_column_is_what_its_first_present_values_are(columns, kind, counts):
    builder = BaselineBuilder()
    for column in columns:
        builder.update(pd.DataFrame({"x": column}))
    feature = builder.baseline(mergeable=True).features[0]
    assert (feature.kind, feature.counts) == (kind, counts)
    resumed = BaselineBuilder.resume(builder.baseline(mergeable=True)).baseline(mergeable=True)
    assert resumed.features == [feature]


# Refusals


def updated(*batches, **options):
    builder = BaselineBuilder(**options)
    for batch in batches:
        builder.update(*batch)
    return builder


ROWS = np.arange(40.0).reshape(20, 2)


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda: updated().baseline(), "no rows"),
        (lambda: updated((np.zeros(5),)), r"shape \(5,\); give \(rows, features\)"),
        (lambda: updated((ROWS,), (ROWS[:, :1],)), "2 different feature names for 1 columns"),
        (
            lambda: updated((pd.DataFrame({"a": [1]}),), (pd.DataFrame({"b": [1]}),)),
            "no column 'a'; they have: b",
        ),
        (lambda: updated((ROWS, ROWS), (ROWS,)), "outputs came with some batches"),
        (lambda: updated((ROWS, ROWS[:3])), "outputs have 3 rows, the data have 20"),
        (lambda: updated((ROWS, ROWS), class_names=["a"]), "1 class names for outputs with 2"),
        (lambda: updated((ROWS, ROWS), (ROWS, np.zeros((20, 3)))), r"outputs has shape \(20, 3\)"),
        (
            lambda: updated((ROWS, np.full((20, 2), 0.5)), (ROWS, ROWS)),
            "first batches are probabilities, and those of a later batch are not",
        ),
        (
            lambda: updated((pd.DataFrame({"a": [1.5]}),), (pd.DataFrame({"a": ["x"]}),)),
            "column 'a' holds numbers in some rows and texts in others; make it one of them",
        ),
        (
            lambda: updated((pd.DataFrame({"a": ["x"]}),), (pd.DataFrame({"a": [1.5]}),)),
            "column 'a' holds numbers in some rows and texts in others; make it one of them",
        ),
        (lambda: merged([updated((ROWS,)), updated((ROWS[:, :1],))]), "only one has: f1"),
        (
            lambda: merged([updated((ROWS,)), updated((ROWS, ROWS))]),
            "with the model's outputs and the other without",
        ),
        (
            lambda: merged([updated((ROWS, ROWS)), updated((ROWS, ROWS), class_names=["a", "b"])]),
            "another kind, or other classes",
        ),
        (
            lambda: merged([updated((ROWS, ROWS)), updated((ROWS, np.full((20, 2), 0.5)))]),
            "outputs of one part are logits, of the other probabilities",
        ),
    ],
)
def test_what_does_not_fit_is_refused(act, complaint):
    with pytest.raises(BaselineError, match=complaint):
        act()


# Files


@pytest.fixture
def halves(tmp_path):
    data = large(60_000)
    logits = np.random.default_rng(1).normal(size=(len(data), 3))
    files = []
    for number, part in enumerate((slice(0, 20_000), slice(20_000, None))):
        files.append(tmp_path / f"part{number}.json")
        stream(data[part], logits[part], 5000, name="fraud").baseline(mergeable=True).save(files[-1])
    return data, logits, files


def test_saved_baselines_merge_like_one_pass(halves):
    data, logits, files = halves
    first, second = map(Baseline.load, files)
    both = first.merge(second)
    fitted = Baseline.fit(data, outputs=logits, features=Features(row_distance=False))
    assert (both.name, both.samples, both.outputs) == ("fraud", 60_000, fitted.outputs)
    assert [feature.name for feature in both.features] == [feature.name for feature in fitted.features]
    assert both.features[4].counts == fitted.features[4].counts
    for mine, true in zip(both.features, fitted.features):
        assert (mine.count, mine.missing, mine.min, mine.max) == (
            true.count,
            true.missing,
            true.min,
            true.max,
        )
        assert (mine.mean, mine.std) == pytest.approx((true.mean, true.std), rel=1e-9)
    again = both.merge(first)
    assert again.samples == 80_000


def test_a_baseline_that_was_not_built_to_be_merged_says_how_to(halves):
    _, _, files = halves
    plain = Baseline.fit(large(1000), name="old", version="1.3")
    with pytest.raises(BaselineError, match=r"'old' version 1\.3 was not built to be merged; .*--mergeable"):
        Baseline.load(files[0]).merge(plain)


def test_a_file_that_cannot_be_merged_does_not_carry_sketches(tmp_path):
    builder = stream(large(30_000))
    builder.baseline().save(tmp_path / "small.json")
    builder.baseline(mergeable=True).save(tmp_path / "large.json")
    features = json.loads((tmp_path / "small.json").read_text())["features"]
    assert all("summary" not in feature for feature in features)
    assert (tmp_path / "small.json").stat().st_size < 70_000
    assert (tmp_path / "large.json").stat().st_size < 70_000 + 4 * 75_000


def test_a_merge_drops_how_windows_vary_and_says_so(tmp_path):
    data = large(30_000)[:, [1, 2]]
    varied = Baseline.fit(data, ordered=True)
    assert varied.features[0].variation
    built = stream(data).baseline(mergeable=True)
    features = [
        msgspec.structs.replace(feature, variation=known.variation)
        for feature, known in zip(built.features, varied.features)
    ]
    calibrated = msgspec.structs.replace(built, features=features).sealed()
    with pytest.warns(UserWarning, match="own windows vary cannot be merged and is dropped"):
        both = calibrated.merge(built)
    assert not any(feature.variation for feature in both.features)


WORKER = """
import sys
sys.modules["datasketches"] = None  # as where it is not installed
import numpy as np
from torchvitals import Baseline, BaselineError
baseline = Baseline.load(sys.argv[1])
print(baseline.compare(np.zeros((50, 4))).drifted)
try:
    baseline.merge(baseline)
except BaselineError as error:
    print(error)
"""


def test_a_worker_reads_a_mergeable_baseline_without_the_sketch_library(halves):
    _, _, files = halves
    script = [sys.executable, "-c", WORKER, str(files[0])]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    verdict, refusal = done.stdout.splitlines()
    assert verdict == "True"
    assert "datasketches is not installed; run pip install 'torchvitals[cli]'" in refusal


# Two baselines side by side


def test_a_baseline_does_not_differ_from_itself(in_parts):
    _, parts, _, _ = in_parts
    for difference in differences(parts, parts):
        assert difference.psi == difference.kl_divergence == difference.mean_shift_sigmas == 0.0


def test_differences_are_those_of_the_data():
    rng = np.random.default_rng(4)
    names = ["x", "hour", "kind"]
    one = pd.DataFrame(
        {
            "x": rng.lognormal(size=20_000),
            "hour": rng.integers(0, 5, 20_000),
            "kind": rng.choice(["a", "b"], 20_000),
        }
    )
    two = pd.DataFrame(
        {
            "x": rng.lognormal(mean=0.5, size=10_000),
            "hour": rng.integers(1, 6, 10_000),
            "kind": rng.choice(["a", "b", "c"], 10_000),
        }
    )
    a, b = Baseline.fit(one), Baseline.fit(two)
    found = {difference.name: difference for difference in differences(a, b)}
    truth = a.compare(two)
    for name in names:
        assert found[name].psi == pytest.approx(truth.features[name].psi, rel=0.02)
        assert found[name].kl_divergence == pytest.approx(truth.features[name].kl_divergence, rel=0.02)
        assert found[name].js_distance == pytest.approx(truth.features[name].js_distance, rel=0.02)
        assert found[name].mean_shift_sigmas == pytest.approx(
            truth.features[name].mean_shift_sigmas, abs=1e-4, nan_ok=True
        )
    worst_first = sorted(found.values(), key=lambda difference: -difference.psi)
    assert differences(a, b) == worst_first


@pytest.mark.parametrize(
    "column",
    [
        lambda rng: rng.normal(size=20_000),
        lambda rng: np.where(rng.random(20_000) < 0.6, 0.0, rng.exponential(size=20_000)),
        lambda rng: rng.integers(0, 100, 20_000).astype(float),
        lambda rng: rng.integers(0, 3, 20_000).astype(float),
    ],
    ids=["continuous", "mostly zero", "integers", "few"],
)
@pytest.mark.parametrize("other", [lambda x: x * 1.3 + 0.2, lambda x: np.round(x), lambda x: x[:5000]])
def test_counts_in_another_baselines_bins_are_near_the_true_ones(column, other):
    values = column(np.random.default_rng(8))
    moved = other(values)
    feature = Baseline.fit(moved.reshape(-1, 1)).features[0]
    bins = Baseline.fit(values.reshape(-1, 1))
    true = Baseline.encode(bins, moved.reshape(-1, 1))
    from torchvitals.baseline.binning import assign

    expected = np.bincount(assign(bins.features[0], true[:, 0]), minlength=bins.features[0].bins)
    found = rebinned(feature, bins.features[0])
    assert found.sum() == pytest.approx(len(moved))
    assert np.abs(found - expected).max() / len(moved) < 0.01


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (lambda: Baseline.fit(pd.DataFrame({"x": [1.0] * 30})), r"only the first baseline has: y \(input\)"),
        (
            lambda: Baseline.fit(pd.DataFrame({"x": [1.0], "y": [1.0], "z": [1.0]})),
            r"only the second baseline has: z \(input\)",
        ),
        (
            lambda: Baseline.fit(pd.DataFrame({"x": ["a"], "y": [1.0]})),
            "feature 'x' is text in one baseline and numbers in the other",
        ),
    ],
)
def test_baselines_of_other_columns_are_not_compared(second, complaint):
    with pytest.raises(BaselineError, match=complaint):
        differences(Baseline.fit(pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})), second())


@pytest.mark.parametrize("rows", [20_000, 65_536, 262_144])
def test_merged_sketches_of_any_size_count_all_rows(rows):
    """With 262,144 rows in each part the lowest level of the merged sketch is empty."""
    rng = np.random.default_rng(1)
    both = merged([stream(rng.normal(size=(rows, 1)), size=65_536) for _ in range(2)]).baseline()
    (feature,) = both.features
    assert feature.count == sum(feature.counts) == 2 * rows
    expected = np.diff([0, *(edge_positions(2 * rows) + 1), 2 * rows])
    assert np.array(feature.counts[:-1]) == pytest.approx(expected, rel=0.04)
    both.validate()
