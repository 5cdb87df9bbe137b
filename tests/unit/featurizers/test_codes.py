"""What codes stand for: said by the user, learned from texts, kept in the file, and refused where it contradicts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder

from torchvitals import Baseline, BaselineBuilder, BaselineError, ConfigurationError, Features
from torchvitals.config import read_config
from torchvitals.featurizers.codes import codes_of, number_text, numbers_of, texts_of
from torchvitals.worker.learning import BaselineLearner

RNG = np.random.default_rng(3)
ROWS = 1000
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=ROWS),
        "carrier": np.array(["UA", "AA", "b6", "DL"])[RNG.choice(4, ROWS, p=[0.4, 0.3, 0.2, 0.1])],
    }
)
SKLEARN = OrdinalEncoder().fit(FRAME[["carrier"]])
ORDER = SKLEARN.categories_[0].tolist()
SKLEARN_CODES = SKLEARN.transform(FRAME[["carrier"]])[:, 0]
PANDAS = pd.Categorical(FRAME["carrier"], categories=["UA", "never", "b6", "DL", "AA"])
ENUM = pl.DataFrame(
    {
        "x": FRAME["x"].to_numpy(),
        "carrier": pl.Series(list(PANDAS), dtype=pl.Enum(list(PANDAS.categories))),
    }
)


def fit(frame, said, **options):
    return Baseline.fit(frame, features=Features(categories={"carrier": said}), **options)


def tensor(codes):
    return torch.tensor(np.column_stack([FRAME["x"], codes]))


def carrier(baseline):
    return next(feature for feature in baseline.features if feature.name == "carrier")


@pytest.mark.parametrize(
    ("frame", "said", "codes"),
    [
        (FRAME, "sorted", SKLEARN_CODES),
        (FRAME, "sorted", LabelEncoder().fit_transform(FRAME["carrier"])),
        (FRAME, "sorted", FRAME["carrier"].astype("category").cat.codes),
        (FRAME.assign(carrier=PANDAS), "sorted", PANDAS.codes),
        (ENUM, "sorted", PANDAS.codes),
        (FRAME, ORDER, SKLEARN_CODES),
        (FRAME, SKLEARN.categories_[0], SKLEARN_CODES),
        (FRAME, dict(enumerate(ORDER)), SKLEARN_CODES),
        (FRAME, {10.0 * code - 7: text for code, text in enumerate(ORDER)}, 10 * SKLEARN_CODES - 7),
        (FRAME, {code / 3: text for code, text in enumerate(ORDER)}, SKLEARN_CODES / 3),
    ],
    ids=["scikit-learn", "labels", "pandas", "own order", "Enum", "list", "array", "mapping", "gaps", "scaled"],
)  # fmt: skip
def test_codes_are_read_as_the_texts_of_training(frame, said, codes):
    baseline = fit(frame, said)
    feature = carrier(baseline)
    assert feature.kind == "categorical"
    assert dict(zip(feature.categories, feature.counts)) == FRAME["carrier"].value_counts().to_dict()
    for served in (tensor(codes), tensor(codes).float(), tensor(codes).bfloat16()):
        report = baseline.compare(served)
        assert report.features["carrier"].psi == 0.0
    assert baseline.compare(frame).features["carrier"].psi == 0.0
    assert baseline.compare(tensor(codes)[FRAME["carrier"].to_numpy() != "UA"]).features["carrier"].drifted


def test_codes_survive_the_file(tmp_path):
    baseline = fit(FRAME, {0: "AA", 1.5: "DL", -1: None})
    baseline.save(tmp_path / "a-1.json")
    assert Baseline.load(tmp_path / "a-1.json") == baseline
    assert carrier(baseline).codes == {-1.0: None, 0.0: "AA", 1.5: "DL"}


@pytest.mark.parametrize("said", ["codes", ORDER, "sorted"])
def test_numbers_in_training_are_codes_too(said):
    baseline = fit(tensor(SKLEARN_CODES), said, feature_names=["x", "carrier"])
    names = ORDER if said is ORDER else ["0", "1", "2", "3"]
    assert carrier(baseline).codes == dict(enumerate(names))
    assert baseline.compare(tensor(SKLEARN_CODES)).features["carrier"].psi == 0.0
    moved = tensor(np.where(SKLEARN_CODES == 3, 7, SKLEARN_CODES))
    assert baseline.compare(moved).features["carrier"].drifted


def test_more_codes_than_bins_are_codes_and_no_ranges():
    codes = np.arange(ROWS) % 40
    baseline = fit(tensor(codes), "codes", feature_names=["x", "carrier"])
    assert carrier(baseline).categories == sorted(map(str, range(40)))
    assert baseline.encode(tensor(np.full(ROWS, 40.0)))[:, 1].tolist() == [-1.0] * ROWS


def test_names_that_are_numbers_are_sorted_as_numbers():
    zips = FRAME.assign(carrier=np.array([9, 80331, 10115])[np.arange(ROWS) % 3])
    baseline = fit(zips, "sorted")
    assert carrier(baseline).codes == {0.0: "9", 1.0: "10115", 2.0: "80331"}
    codes = LabelEncoder().fit_transform(zips["carrier"])
    for served in (zips, tensor(codes)):
        assert baseline.compare(served).features["carrier"].psi == 0.0


def test_missing_values_may_have_a_code():
    frame = FRAME.assign(carrier=FRAME["carrier"].where(FRAME["carrier"] != "DL"))
    baseline = fit(frame, {-1: None, **dict(enumerate(ORDER))})
    codes = frame["carrier"].astype(pd.CategoricalDtype(ORDER)).cat.codes
    assert (codes == -1).sum() == carrier(baseline).missing > 0
    assert baseline.compare(tensor(codes)).features["carrier"].psi == 0.0


def test_a_text_without_a_code_is_other_in_training_and_in_serving():
    baseline = fit(FRAME, ["AA", "DL"])
    counts = FRAME["carrier"].value_counts()
    assert carrier(baseline).counts == [counts["AA"], counts["DL"], counts["UA"] + counts["b6"], 0]
    unknown = tensor(FRAME["carrier"].map({"AA": 0, "DL": 1}).fillna(9))
    assert baseline.compare(unknown).features["carrier"].psi == 0.0


def test_codes_take_no_part_in_the_distance_of_rows():
    frame = FRAME.assign(y=RNG.normal(size=ROWS), carrier=SKLEARN_CODES)
    assert fit(frame, "codes").rows.columns == ["x", "y"]


def parts(said, other=None):
    found = []
    for part, meaning in ((FRAME[:600], said), (FRAME[600:], other or said)):
        builder = BaselineBuilder(features=Features(categories={"carrier": meaning}))
        builder.update(part)
        found.append(builder)
    return found


@pytest.mark.parametrize("said", ["sorted", ORDER, {float(code): text for code, text in enumerate(ORDER)}])
def test_parts_merge_into_the_whole(said):
    one, other = parts(said)
    files = [builder.baseline(mergeable=True) for builder in (one, other)]
    whole = carrier(fit(FRAME, said))
    for merged in (one.merge(other).baseline(), files[0].merge(files[1])):
        feature = carrier(merged)
        assert (feature.codes, feature.counts) == (whole.codes, whole.counts)


def test_parts_of_other_codes_do_not_merge():
    one, other = (builder.baseline(mergeable=True) for builder in parts(ORDER, ORDER[::-1]))
    with pytest.raises(BaselineError, match="the codes of 'carrier' mean other categories in the other part"):
        one.merge(other)


def test_parts_of_another_order_are_refused():
    builder = BaselineBuilder(features=Features(categories={"carrier": "sorted"}))
    builder.update(FRAME.assign(carrier=PANDAS))
    with pytest.raises(BaselineError, match="'carrier' has another order of its categories"):
        builder.update(FRAME.assign(carrier=pd.Categorical(FRAME["carrier"])))


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"carrier": []}, "categories: 'carrier': nothing is listed"),
        ({"carrier": ["AA", "AA"]}, "categories: 'carrier': a category is listed twice"),
        ({"carrier": {"x": "AA"}}, "expected `float`, got `str`"),
        (
            {"carrier": {0: "AA", 1e-60: "DL"}},
            "categories: 'carrier': codes must be finite numbers, and different",
        ),
        ({"carrier": {float("inf"): "AA"}}, "categories: 'carrier': codes must be finite numbers"),
        ({"carrier": "alphabetical"}, "invalid enum value 'alphabetical'"),
        ({"carrier": [False]}, "expected `str | null`, got `bool`"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(section, complaint):
    with pytest.raises(ConfigurationError, match=complaint.replace("|", r"\|")):
        read_config({"handler": {"monitoring": {"features": {"categories": section}}}})


def test_categories_are_of_columns():
    assert Features(categories={"a": "sorted"}).inputs == "columns"
    with pytest.raises(ConfigurationError, match="categories: inputs of tokens have no columns"):
        Features(inputs="tokens", categories={"a": "sorted"})
    with pytest.raises(ConfigurationError, match="'a': give a list, a mapping, 'sorted' or 'codes'"):
        Features(categories={"a": "alphabetical"})


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(BaselineError, match="the data have no column 'carier'; did you mean 'carrier'"):
        Baseline.fit(FRAME, features=Features(categories={"carier": "sorted"}))


def test_texts_do_not_say_their_codes_by_themselves():
    with pytest.raises(
        BaselineError, match="'carrier' holds texts, so that it does not say which code is which"
    ):
        fit(FRAME, "codes")


SERVED_LATER = Baseline.fit(FRAME)


@pytest.mark.parametrize("said", ["sorted", ORDER, dict(enumerate(ORDER))])
def test_a_section_at_serving_adds_codes_to_a_baseline(said):
    features = Features(categories={"carrier": said})
    features.check(SERVED_LATER)
    known = features.applied(SERVED_LATER)
    assert known.sha256 == SERVED_LATER.sha256
    assert known.compare(tensor(SKLEARN_CODES)).features["carrier"].psi == 0.0


def test_a_section_at_serving_keeps_the_order_of_the_file():
    baseline = fit(FRAME.assign(carrier=PANDAS), "sorted")
    assert Features(categories={"carrier": "sorted"}).applied(baseline) == baseline


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"carier": "sorted"}, "features.categories: the baseline has no column 'carier'"),
        ({"x": "sorted"}, "features.categories: the baseline has numbers in 'x'; rebuild it"),
        ({"carrier": "codes"}, "categories: 'carrier' holds texts"),
        ({"carrier": ["ua", "aa"]}, "'carrier': the baseline has none of the categories that are listed"),
    ],
)
def test_a_section_that_does_not_fit_the_baseline_is_refused(section, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        Features(categories=section).check(SERVED_LATER)


def test_an_order_that_a_baseline_does_not_know_is_refused():
    many = Baseline.fit(FRAME.assign(carrier=[f"c{row % 90:02}" for row in range(ROWS)]))
    assert carrier(many).counts[-2] > 0
    with pytest.raises(ConfigurationError, match="keeps the most frequent categories alone"):
        Features(categories={"carrier": "sorted"}).check(many)


def test_a_learned_baseline_knows_codes(tmp_path):
    features = Features(categories={"f1": ORDER})
    learner = BaselineLearner(ROWS, folder=tmp_path, name="m", version="1", features=features)
    learner.add([tensor(SKLEARN_CODES).numpy()], [])
    assert learner.learned().features[1].categories == sorted(ORDER)


def test_a_model_is_given_the_codes_of_texts():
    texts = np.array(["b", None, "a", "z"], dtype=object)
    assert np.array_equal(
        numbers_of(texts, codes_of(["a", "b"], "c")), [1, np.nan, 0, np.nan], equal_nan=True
    )
    assert numbers_of(texts, {-1.0: None, 5.0: "b", 6.0: "b"})[:2].tolist() == [5, -1]


def test_numbers_become_texts():
    numbers = np.array([1, np.nan, 0, 9, 0.5, np.inf], dtype=np.float32)
    assert texts_of(numbers, {0.0: "a", 1.0: None}).tolist() == [None, None, "a", "9", "0.5", "inf"]
    assert [number_text(value) for value in (-0.0, 1e20, 0.1)] == ["0", "100000000000000000000", "0.1"]
