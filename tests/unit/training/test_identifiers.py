"""Columns of texts that tell rows apart: none of the texts is kept, and they are compared all the same."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from torchvitals import Baseline, BaselineBuilder, BaselineError, DriftDetector, Features
from torchvitals.baseline.variation import MIN_WINDOWS
from torchvitals.cli import app
from torchvitals.errors import ConfigurationError
from torchvitals.featurizers.identifiers import HASHES, hash_of
from torchvitals.training.identifiers import IdentifierCounts, are_identifiers
from torchvitals.training.texts import EXACT_TEXTS
from torchvitals.worker.learning import BaselineLearner

ROWS = 2000


def emails(start=0, rows=ROWS):
    return [f"person{place * 7919 % 100_003}@host{place % 3}.example" for place in range(start, start + rows)]


def table(start=0, rows=ROWS, **columns):
    rng = np.random.default_rng(start)
    plain = {
        "email": emails(start, rows),
        "amount": rng.normal(size=rows),
        "kind": rng.choice(["a", "b"], rows),
    }
    return pd.DataFrame({**plain, **columns})


def by_name(baseline):
    return {feature.name: feature for feature in baseline.column_features}


def in_parts(frame, parts=7):
    size = -(-len(frame) // parts)
    return [frame[start : start + size] for start in range(0, len(frame), size)]


@pytest.mark.parametrize(
    "form",
    [
        pd.DataFrame,
        lambda frame: frame.astype({"email": object}),
        lambda frame: frame.astype({"email": "string"}),
        lambda frame: frame.astype({"email": "category"}),
        pl.DataFrame,
        pa.Table.from_pandas,
        lambda frame: pa.table(
            {
                **{n: frame[n] for n in ("amount", "kind")},
                "email": pa.array(frame["email"]).dictionary_encode(),
            }
        ).select(list(frame)),
    ],
    ids=["pandas", "objects", "strings", "categories", "polars", "Arrow", "dictionaries"],
)
def test_no_text_is_in_the_file_whichever_table_it_comes_from(form, tmp_path):
    expected = Baseline.fit(table())
    baselines = {
        "fitted": Baseline.fit(form(table())),
        "streamed": Baseline.from_batches(map(form, in_parts(table()))),
        "mergeable": Baseline.from_batches([form(table())], mergeable=True),
    }
    for what, baseline in baselines.items():
        baseline.save(tmp_path / "x.json")
        content = (tmp_path / "x.json").read_text()
        assert not [text for text in emails() if text in content]
        assert "@" not in content
        again = Baseline.load(tmp_path / "x.json")
        assert list(again.identifiers) == ["email"]
        found = by_name(again)
        if what != "mergeable":
            assert again.features == expected.features
        assert list(found)[:4] == ["email_length", "email_new", "amount", "kind"]
        lengths = list(map(len, emails()))
        length = found["email_length"]
        assert (length.min, length.max, length.count) == (min(lengths), max(lengths), ROWS)
        assert length.mean == pytest.approx(np.mean(lengths))
        assert found["email_new"].mean == pytest.approx(1.0, abs=0.005)
        assert found["kind"].categories == ["a", "b"]


def test_traffic_of_new_people_is_no_drift_and_faults_are():
    baseline = Baseline.fit(table())
    clean = baseline.compare(table(start=50_000))
    assert not clean.drifted
    assert not baseline.compare(table()).drifted
    cut = baseline.compare(table(start=50_000, email=[text[:9] for text in emails(50_000)]))
    assert [name for name, drift in cut.features.items() if drift.drifted] == ["email_length"]
    lost = [text if place % 3 else None for place, text in enumerate(emails(50_000))]
    missing = baseline.compare(table(start=50_000, email=lost))
    assert missing.features["email_length"].drifted
    assert missing.features["email_length"].missing_ratio == pytest.approx(1 / 3, abs=0.001)


def test_people_who_come_again_are_known_and_a_flood_of_new_ones_is_drift():
    rng = np.random.default_rng(4)
    # Three of four rows are of people who come twice in the mean.
    people = np.array(emails(rows=1500))

    def traffic(rows, known):
        rows_known = rng.random(rows) < known
        return np.where(rows_known, rng.choice(people, rows), emails(rng.integers(10**6, 10**7), rows))

    train = pd.DataFrame({"account": traffic(3000, 0.75)})
    baseline = Baseline.fit(train)
    usual = train["account"].map(train["account"].value_counts()).eq(1).mean()
    assert by_name(baseline)["account_new"].mean == pytest.approx(usual, abs=0.01)
    assert not baseline.compare(pd.DataFrame({"account": traffic(1000, 0.75)})).drifted
    flood = baseline.compare(pd.DataFrame({"account": traffic(1000, 0.1)}))
    assert [name for name, drift in flood.features.items() if drift.drifted] == ["account_new"]


@pytest.mark.parametrize(
    ("different", "present", "are"),
    [(49, 49, False), (50, 99, True), (50, 100, False), (1000, 20_000, False), (float("inf"), 10**9, True)],
)
def test_the_rule(different, present, are):
    assert are_identifiers(different, present) is are


def test_categories_stay_categories():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"airport": [f"A{place:03}" for place in rng.integers(0, 300, ROWS)]})
    assert by_name(Baseline.fit(frame))["airport"].kind == "categorical"


def test_the_configuration_says_what_is_an_identifier():
    said = Baseline.fit(table(), features=Features(identifiers=["kind"]))
    assert list(by_name(said)) == ["email_length", "email_new", "amount", "kind_length", "kind_new"]
    assert by_name(said)["kind_new"].counts == [ROWS, 0, 0, 0]
    none = Baseline.fit(table(), features=Features(identifiers=[]))
    assert by_name(none)["email"].kind == "categorical"
    with pytest.raises(
        BaselineError, match="identifiers: the data have no column 'mail'; they have: email, amo"
    ):
        Baseline.fit(table(), features=Features(identifiers=["mail"]))
    Features(identifiers=["kind"]).check(said)
    with pytest.raises(
        ConfigurationError, match=r"features.identifiers: 'email' is no identifier in the baseline"
    ):
        Features(identifiers=["email"]).check(none)


@pytest.mark.parametrize("kind", ["int64", "float32", "Int64", "object"])
def test_numbers_that_tell_rows_apart_can_be_said(kind):
    numbers = np.random.default_rng(6).choice(10**7, ROWS, replace=False)
    frame = pd.DataFrame(
        {"card": pd.Series(numbers).astype(kind), "x": np.arange(ROWS), "y": np.arange(ROWS) % 7}
    )
    baseline = Baseline.fit(frame, features=Features(identifiers=["card"]))
    found = by_name(baseline)
    assert found["card_length"].max == 7
    assert baseline.rows.columns == ["x", "y"]
    served = np.column_stack([numbers, np.arange(ROWS), np.arange(ROWS) % 7]).astype(np.float32)
    for rows in (baseline.encode(served), baseline.encode_rows(served), baseline.encode(frame)):
        assert rows[:, 1].sum() == 0
        assert rows[:, 0].tolist() == [len(str(number)) for number in numbers]
    with pytest.raises(BaselineError, match="column 'card' holds texts, and in the baseline numbers"):
        baseline.encode(frame.assign(card="4111-1111"))


def test_rows_that_a_server_is_given_are_described_like_a_table():
    baseline = Baseline.fit(table())
    served = table(start=50_000, rows=300)
    expected = baseline.encode(served)
    objects = served.to_numpy(dtype=object)
    assert np.array_equal(baseline.encode_rows(objects), expected)
    detector = DriftDetector(baseline, window=300)
    detector.update(objects)
    assert not detector.report().drifted
    with pytest.raises(
        BaselineError, match=r"rows have 2 values.* has 3 input features: email, amount, kind"
    ):
        baseline.encode_rows(objects[:, :2])
    with pytest.raises(
        BaselineError, match="column 'email' holds numbers, and in the baseline texts"
    ) as error:
        baseline.encode_rows(np.full((9, 3), 4111.0))
    assert "4111" not in str(error.value)
    gaps = baseline.encode(served.assign(email=None))
    assert np.isnan(gaps[:, :2]).all()


def test_parts_merge_like_one_pass_through_files_and_other_processes(tmp_path):
    frames = in_parts(table(rows=3 * EXACT_TEXTS), parts=3)
    whole = Baseline.from_batches(frames)
    parts = []
    for place, frame in enumerate(frames):
        Baseline.from_batches([frame], mergeable=True).save(tmp_path / f"{place}.json")
        parts.append(Baseline.load(tmp_path / f"{place}.json"))
    one, two, three = parts
    builders = [pickle.loads(pickle.dumps(BaselineBuilder.resume(part))) for part in parts]
    for merged in (
        one.merge(two).merge(three),
        three.merge(two.merge(one)),
        builders[0].merge(builders[1]).merge(builders[2]).baseline(),
    ):
        assert list(merged.identifiers) == ["email"]
        assert merged.identifiers == whole.identifiers
        for name in ("email_length", "email_new"):
            mine, true = by_name(merged)[name], by_name(whole)[name]
            assert (mine.counts, mine.missing) == (true.counts, true.missing)
            assert mine.mean == pytest.approx(true.mean)


@pytest.mark.parametrize("few", [60, EXACT_TEXTS + 900])
def test_a_part_in_which_texts_look_like_categories_becomes_one_of_identifiers(few, tmp_path):
    often = pd.DataFrame({"account": emails(rows=few) * 5})
    rare = pd.DataFrame({"account": emails(start=20_000, rows=30_000)})
    parts = [Baseline.from_batches([frame], mergeable=True) for frame in (often, rare)]
    assert [list(part.identifiers) for part in parts] == [[], ["account"]]
    expected = {hash_of(text) for text in (*emails(rows=few), *rare["account"])}
    for merged in (parts[0].merge(parts[1]), parts[1].merge(parts[0])):
        assert by_name(merged)["account_length"].count == few * 5 + 30_000
        merged.save(tmp_path / "x.json")
        assert "@" not in (tmp_path / "x.json").read_text()
        found = merged.identifiers["account"]._seen
        assert set(np.flatnonzero(found)) == expected


def test_numbers_and_identifiers_do_not_merge():
    texts = Baseline.from_batches([table()[["email"]]], mergeable=True)
    numbers = Baseline.from_batches([pd.DataFrame({"email": np.arange(99.0)})], mergeable=True)
    for one, two in ((texts, numbers), (numbers, texts)):
        with pytest.raises(
            BaselineError, match="column 'email' holds numbers in some rows and texts in others"
        ):
            one.merge(two)


@pytest.mark.parametrize("rows", [1000, 200_000])
def test_how_many_texts_are_different_is_estimated_from_their_hashes(rows):
    counts = IdentifierCounts.of({f"text {place}": 2 for place in range(rows)})
    assert counts.different == pytest.approx(rows, rel=0.01)
    assert counts.present == 2 * rows
    counts._once[:] = True
    assert counts.different > HASHES


def test_the_order_of_time_sets_no_limit_on_new_ones():
    frame = table(rows=MIN_WINDOWS * 100)
    baseline = Baseline.fit(frame, ordered=True, windows=(100,))
    found = by_name(baseline)
    assert found["email_length"].variation
    assert not found["email_new"].variation


def test_a_column_named_like_a_feature_of_an_identifier_is_refused():
    with pytest.raises(
        BaselineError, match="a column is named 'email_length', as is a feature of the identifier"
    ):
        Baseline.fit(table(email_length=0.5))


def test_rows_served_teach_identifiers_too(tmp_path, caplog):
    learner = BaselineLearner(ROWS, folder=tmp_path, name="model", version="1.0")
    learner.add([part.to_numpy(dtype=object) for part in in_parts(table())], [])
    baseline = learner.learned()
    assert list(by_name(baseline))[:4] == ["f0_length", "f0_new", "f1", "f2"]
    assert "@" not in learner.path.read_text() + caplog.text


def test_the_command_line_recognises_and_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table().to_csv("t.csv", index=False)
    build = ["baseline", "build", "--data", "t.csv", "--output", "x-1.json"]
    done = CliRunner().invoke(app, build)
    assert done.exit_code == 0, done.output
    assert "identifiers: email (no text of it is kept)" in done.output
    assert Baseline.load("x-1.json").features == Baseline.fit(table()).features
    assert "@" not in (tmp_path / "x-1.json").read_text() + done.output
    assert CliRunner().invoke(app, [*build, "--identifier", "kind"]).exit_code == 0
    assert list(Baseline.load("x-1.json").identifiers) == ["email", "kind"]
    table(email=[f"{place:07}" for place in range(ROWS)]).to_csv("t.csv", index=False)
    assert CliRunner().invoke(app, [*build, "--identifier", "email"]).exit_code == 0
    # With its zeros in front, and not as a number.
    assert by_name(Baseline.load("x-1.json"))["email_length"].min == 7


@pytest.mark.parametrize("rows", [300, EXACT_TEXTS + 900])
@pytest.mark.parametrize("form", ["{:.3f}", "{:e}", " {:.2f}"])
def test_numbers_that_are_written_as_texts_are_no_identifiers(form, rows):
    texts = [form.format(value) for value in np.random.default_rng(8).normal(0, 1e6, rows)]
    for build in (Baseline.fit, lambda frame: Baseline.from_batches(in_parts(frame))):
        with pytest.raises(
            BaselineError, match="column 'price' holds numbers that are written as texts; make th"
        ):
            build(pd.DataFrame({"price": texts}))
    said = Baseline.fit(pd.DataFrame({"price": texts}), features=Features(identifiers=["price"]))
    assert list(said.identifiers) == ["price"]
    accounts = pd.DataFrame({"account": [f"{place:07}" for place in range(rows)]})
    assert list(Baseline.from_batches(in_parts(accounts)).identifiers) == ["account"]
