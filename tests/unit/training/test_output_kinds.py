"""Building baselines of outputs of any kind: told, said, refused, merged and compared."""

import numpy as np
import pytest
import torch

from torchvitals import Baseline, BaselineBuilder, BaselineError, ConfigurationError, Features
from torchvitals.baseline.describing import described
from torchvitals.training.difference import differences

ROWS = 1200
rng = np.random.default_rng(11)
INPUTS = rng.normal(size=(ROWS, 1))


def fit(outputs, class_names=None, said=None, **options):
    return Baseline.fit(
        INPUTS[: len(outputs)],
        outputs=outputs,
        class_names=class_names,
        features=Features(outputs=said),
        **options,
    )


def boxes(images, seed=0, labels=(1, 3)):
    rng = np.random.default_rng(seed)
    return [
        {
            "boxes": rng.uniform(0, 99, (count, 4)),
            "scores": rng.uniform(size=count),
            "labels": rng.choice(labels, size=count),
        }
        for count in rng.integers(0, 4, images)
    ]


# Told


@pytest.mark.parametrize(
    ("outputs", "class_names", "sentence"),
    [
        (rng.uniform(size=ROWS), ["no", "yes"], "2 classes by one sigmoid"),
        (rng.uniform(size=(ROWS, 1)), ["no", "yes"], "2 classes by one sigmoid"),
        (rng.integers(0, 2, ROWS).astype(float), ["no", "yes"], "2 classes by one sigmoid"),
        (rng.normal(size=ROWS), ["no", "yes"], "2 classes by one logit"),
        (rng.normal(size=(ROWS, 1)), None, "one value"),
        (rng.integers(0, 4, ROWS), None, "4 classes, decided"),
        (rng.integers(0, 4, ROWS), list("abcd"), "4 classes, decided"),
        (rng.integers(0, 3, ROWS).astype(float), list("abc"), "3 classes, decided"),
        (rng.permutation(ROWS), None, "one value"),
        (rng.random(ROWS) < 0.5, None, "2 classes, decided"),
        (rng.uniform(size=(ROWS, 3)), None, "3 labels by sigmoids"),
        (rng.uniform(size=(ROWS, 3)), list("abc"), "3 labels by sigmoids"),
        (rng.random((ROWS, 3)) < 0.5, None, "3 labels by sigmoids"),
        (rng.integers(0, 2, (ROWS, 3)), None, "3 labels by sigmoids"),
        (rng.dirichlet([1, 1, 1], size=ROWS).astype(np.float16), None, "3 classes by probabilities"),
        (np.eye(3)[rng.integers(0, 3, ROWS)], None, "3 classes by probabilities"),
        (rng.normal(size=(ROWS, 3)), None, "3 classes by logits"),
        (rng.integers(0, 900, (ROWS, 7)), None, "token ids"),
        (torch.nested.nested_tensor([torch.arange(3), torch.arange(5)] * 300, layout=torch.jagged), None, "token ids"),
        (rng.normal(size=(ROWS, 24, 2)), None, "48 values"),
        (rng.normal(size=(ROWS, 5, 40)), None, "sequences of 40 classes by logits"),
        (rng.dirichlet([1, 1, 1], size=(ROWS, 4)), None, "sequences of 3 classes by probabilities"),
        (rng.uniform(size=(200, 12, 12)), None, "masks of 1 class by sigmoids"),
        (rng.normal(size=(200, 1, 12, 12)), ["sky", "cloud"], "masks of 1 class by logits"),
        (rng.uniform(size=(200, 2, 12, 12)), None, "masks of 2 classes by sigmoids"),
        (rng.dirichlet([1, 1], size=(200, 12, 12)).transpose(0, 3, 1, 2), None, "masks of 2 classes by probabilities"),
        (rng.random((200, 12, 12)) < 0.1, None, "masks of 1 class by sigmoids"),
        (boxes(ROWS), None, "boxes of 2 classes"),
        (boxes(ROWS), ["background", "car", "bus", "cat"], "boxes of 4 classes"),
        ({"logits": torch.zeros(ROWS, 3), "loss": torch.tensor(0.1)}, None, "3 classes by logits"),
        ((torch.randn(ROWS, 4), torch.randn(ROWS)), None, "4 classes by logits"),
        ([torch.randn(3) for _ in range(ROWS)], None, "3 classes by logits"),
        ([torch.tensor(0.5), torch.tensor(-2.0)] * 600, None, "one value"),
        ([[0.5, -2.0], [1.0, 3.0]] * 600, None, "2 classes by logits"),
    ],
)  # fmt: skip
def test_outputs_are_told(outputs, class_names, sentence):
    rows = len(next(iter(outputs.values()))) if isinstance(outputs, dict) else None
    rows = rows or len(outputs[0]) if isinstance(outputs, tuple) else rows or len(list(outputs))
    baseline = Baseline.fit(INPUTS[:rows], outputs=outputs, class_names=class_names)
    assert baseline.outputs.sentence == sentence
    assert f"outputs: {sentence}" in described(baseline)
    assert not baseline.compare(INPUTS[:rows], outputs=outputs).drifted


@pytest.mark.parametrize(
    ("said", "outputs", "sentence"),
    [
        ("values", rng.normal(size=(ROWS, 3)), "3 values"),
        ("regression", rng.integers(0, 4, ROWS), "one value"),
        ("decided", rng.permutation(ROWS), "1,200 classes, decided"),
        ("classification", rng.uniform(size=(ROWS, 3)), "3 classes by logits"),
        ({"kind": "classification", "scores": "logits"}, rng.dirichlet([1, 1], size=ROWS), "2 classes by logits"),
        ({"kind": "multilabel", "threshold": 0.3}, rng.normal(size=(ROWS, 3)), "3 labels by logits"),
        ({"kind": "binary", "scores": "logits"}, rng.uniform(size=ROWS), "2 classes by one logit"),
        ("sequences", rng.normal(size=(ROWS, 4, 5)), "sequences of 5 classes by logits"),
        ("embeddings", rng.normal(size=(ROWS, 30)), "embeddings of 30 numbers"),
        ("none", ["a text"] * ROWS, "not compared"),
        ({"classes": ["no", "yes"]}, rng.uniform(size=ROWS), "2 classes by one sigmoid"),
    ],
)  # fmt: skip
def test_what_is_said_goes_before_what_is_told(said, outputs, sentence):
    assert fit(outputs, said=said).outputs.sentence == sentence


def test_the_features_of_a_section_are_the_ones_that_are_built():
    baseline = fit(rng.normal(size=(ROWS, 40)), said={"kind": "values", "features": ["mean", "value0"]})
    assert [feature.name for feature in baseline.of_source("output")] == ["value0", "mean"]
    with pytest.raises(BaselineError, match="a values model has no 'value1'; it has value0, value2, value5"):
        fit(rng.normal(size=(ROWS, 40)), said={"kind": "values", "features": ["value1"]})


def test_one_line_says_how_to_say_otherwise():
    columns = {
        "amount": np.ones(ROWS),
        "hour": np.arange(ROWS),
        "shop": np.array(["a", "b"] * 600, dtype=object),
    }
    rows = np.array(list(zip(*columns.values())), dtype=object)
    baseline = Baseline.fit(rows, feature_names=list(columns), outputs=rng.uniform(size=ROWS))
    assert described(baseline) == (
        "3 features: 2 numbers, 1 category; outputs: one value (if it is a probability, say features: outputs: kind: "
        "binary, or name the two classes)"
    )
    assert described(fit(rng.normal(size=(ROWS, 2)))) == (
        "1 feature: 1 number; outputs: 2 classes by logits (if they are no classes, say features: outputs: kind: "
        "values, or embeddings)"
    )
    assert described(fit(rng.normal(size=(ROWS, 2)), ["no", "yes"])).endswith("outputs: 2 classes by logits")
    assert described(Baseline.fit(INPUTS)) == "1 feature: 1 number; outputs: not described"


# Refused


@pytest.mark.parametrize(
    ("outputs", "class_names", "said", "complaint"),
    [
        (np.full((9, 1), 0.5), list("abc"), None, "3 class names for outputs of one number a row; give two"),
        (np.full(9, 0.5), ["a"], None, "1 class names for outputs of one number a row; give two"),
        (np.zeros((9, 5)), ["a", "b"], None, "2 class names for outputs with 5 classes; give one each"),
        (rng.uniform(size=(9, 5)), ["a", "b"], None, "2 class names for outputs with 5 labels"),
        (np.full(9, 7), list("abc"), None, "3 class names for outputs with other numbers than 0 to 2"),
        (np.zeros((9, 2)), None, "binary", r"outputs have shape \(9, 2\); two classes by one number are"),
        (
            np.zeros(9),
            None,
            "classification",
            r"outputs have shape \(9,\); classes by scores are \(rows, classes\)",
        ),
        (np.zeros((9, 3)), None, "regression", r"outputs have shape \(9, 3\); one value is \(rows,\)"),
        (np.full(9, 0.5), None, "decided", "classes that are decided are one whole number a row"),
        (np.zeros((9, 3)), None, "sequences", "sequences are"),
        (np.zeros((9, 3)), None, "masks", "masks are"),
        (np.zeros((9, 3)), None, "detections", "the outputs are no detections; give a list of"),
        (np.zeros((9, 3)), ["a", "a", "b"], "values", "give each value a name of its own"),
        (rng.uniform(size=(9, 2)), ["a", "a"], None, "two labels have one name"),
        (np.zeros((9, 2)), ["a", "b"], {"classes": ["a", "c"]}, "class names are given twice, and differ"),
        (np.full((9, 2), 1j), None, None, "the outputs are of type complex128; give real numbers"),
        (np.array([["a", "b"]] * 9, dtype=object), None, None, "the outputs are not numbers"),
        (np.zeros((9, 2)), None, {"kind": "binary", "treshold": 1}, "unknown field `treshold`"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(outputs, class_names, said, complaint):
    with pytest.raises(BaselineError, match=complaint) as raised:
        fit(outputs, class_names, said)
    assert "\n" not in str(raised.value)


def test_a_kind_that_the_baseline_does_not_have_stops_the_load():
    baseline = fit(rng.uniform(size=ROWS), ["no", "yes"])
    Features(outputs="binary").check(baseline)
    Features(outputs="none").check(baseline)
    with pytest.raises(
        ConfigurationError,
        match=r"outputs: it says values, and the baseline describes 2 classes by one sigmoid",
    ):
        Features(outputs="values").check(baseline)


def test_labels_need_a_class_and_its_confidence():
    labels = rng.integers(0, 2, ROWS)
    for outputs in (rng.uniform(size=(ROWS, 3)), rng.integers(0, 2, ROWS), rng.normal(size=ROWS)):
        with pytest.raises(BaselineError, match="no classes to compare them with"):
            fit(outputs, labels=labels)


# In parts


@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_few_rows_at_a_time_do_not_mislead(size):
    """Rows of two sigmoids that sum to about 1 by chance, and logits that lie within 0 to 1."""
    sigmoids = rng.uniform(size=(ROWS, 2))
    sigmoids[0] = [0.4, 0.6]
    logits = rng.normal(size=(ROWS, 2))
    logits[:3] = [0.2, 0.3]
    for outputs, sentence in ((sigmoids, "2 labels by sigmoids"), (logits, "2 classes by logits")):
        builder = BaselineBuilder()
        for start in range(0, ROWS, size):
            builder.update(INPUTS[start : start + size], outputs=outputs[start : start + size])
        baseline = builder.baseline()
        assert baseline.outputs.sentence == sentence
        assert baseline.features == fit(outputs).features


# Two parts of so many rows are still counted exactly.
PART = 900
MERGED = {
    "binary": (lambda seed: np.random.default_rng(seed).uniform(size=PART), ["no", "yes"]),
    "multilabel": (lambda seed: np.random.default_rng(seed).uniform(size=(PART, 4)), None),
    "values": (lambda seed: np.random.default_rng(seed).normal(size=(PART, 40, 3)), None),
    "decided": (lambda seed: np.random.default_rng(seed).integers(seed, seed + 3, PART), None),
    "detections": (lambda seed: boxes(PART, seed, labels=(seed, 7)), None),
    "sequences": (lambda seed: np.random.default_rng(seed).normal(size=(PART, 3 + seed, 40)), None),
    "masks": (lambda seed: np.random.default_rng(seed).integers(0, 3, (PART, 8, 8)), None),
}


def counts_of(baseline):
    return {feature.name: feature.counts for feature in baseline.of_source("output")}


@pytest.mark.parametrize("kind", MERGED)
def test_parts_merge_in_memory_and_from_files_into_what_one_pass_gives(kind, tmp_path):
    make, names = MERGED[kind]
    parts = []
    for seed in (1, 2):
        builder = BaselineBuilder(class_names=names)
        builder.update(INPUTS[:PART], outputs=make(seed))
        builder.baseline(mergeable=True).save(tmp_path / f"{seed}.json")
        parts.append(builder)
    whole = BaselineBuilder(class_names=names)
    for seed in (1, 2):
        whole.update(INPUTS[:PART], outputs=make(seed))
    expected = whole.baseline()
    merged = parts[0].merge(parts[1]).baseline()
    assert (merged.outputs, counts_of(merged)) == (expected.outputs, counts_of(expected))
    one, two = (Baseline.load(tmp_path / f"{seed}.json") for seed in (1, 2))
    from_files = one.merge(two)
    assert (from_files.outputs, counts_of(from_files)) == (expected.outputs, counts_of(expected))


def test_embeddings_and_ids_merge_in_memory_and_say_why_not_from_files():
    for said, make in (
        ("embeddings", lambda: rng.normal(size=(ROWS, 30))),
        ("tokens", lambda: rng.integers(1, 99, (ROWS, 9))),
    ):
        parts = [BaselineBuilder(features=Features(outputs=said)) for _ in range(2)]
        for part in parts:
            part.update(INPUTS, outputs=make())
        assert parts[0].merge(parts[1]).baseline().outputs.kind == said
        with pytest.raises(
            BaselineError, match="outputs are embeddings or token ids cannot be built to be merged"
        ):
            parts[1].baseline(mergeable=True)


def test_parts_of_different_kinds_do_not_merge():
    one, two, three = (
        BaselineBuilder(),
        BaselineBuilder(),
        BaselineBuilder(features=Features(outputs="embeddings")),
    )
    one.update(INPUTS, outputs=rng.normal(size=(ROWS, 30)))
    two.update(INPUTS, outputs=rng.uniform(size=(ROWS, 30)))
    three.update(INPUTS, outputs=rng.normal(size=(ROWS, 30)))
    for a, b in ((one, two), (two, three), (three, one)):
        with pytest.raises(BaselineError, match="outputs of different models: another kind"):
            a.merge(b)


def test_two_baselines_are_compared_by_what_both_have():
    one, two = (fit(np.random.default_rng(seed).integers(0, 3 + seed, ROWS)) for seed in (0, 1))
    assert differences(one, two)[0].name == "predicted_class"
    with pytest.raises(BaselineError, match="only the first baseline has: predicted_class"):
        differences(one, fit(rng.normal(size=ROWS)))
    learned = [fit(rng.normal(size=(ROWS, 30)), said="embeddings") for _ in range(2)]
    assert {d.psi for d in differences(learned[0], learned[0])} == {0.0}
    with pytest.raises(
        BaselineError, match="the outputs of both baselines are embeddings, each by what it learned"
    ):
        differences(*learned)


def test_window_limits_are_learned_of_any_kind():
    baseline = Baseline.fit(INPUTS, outputs=boxes(ROWS), ordered=True, windows=(50,))
    assert all(feature.variation for feature in baseline.of_source("output"))
    quiet = Baseline.fit(
        INPUTS, outputs=["x"] * ROWS, ordered=True, windows=(50,), features=Features(outputs="none")
    )
    assert (quiet.outputs.kind, quiet.of_source("output")) == ("none", [])


def test_a_sigmoid_that_turns_into_a_logit_is_refused():
    builder = BaselineBuilder(class_names=["no", "yes"])
    builder.update(INPUTS, outputs=rng.uniform(size=ROWS))
    with pytest.raises(BaselineError, match=r"say which they are \(features: outputs: scores\)"):
        builder.update(INPUTS, outputs=rng.normal(size=ROWS) * 5)
